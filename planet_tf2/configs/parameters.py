"""The one list of parameters: name, default, kind, explanation.

Flags, validation, and `docs/parameters.md` all follow from this list. Names
and defaults are those of the original wherever it had the parameter.
"""

import dataclasses
from typing import Any

from planet_tf2.configs import kinds
from planet_tf2.configs.kinds import (
    Bool,
    ConfigError,
    Entries,
    Float,
    Int,
    ListOf,
    Optional,
    Text,
)
from planet_tf2.tools.nearest import did_you_mean


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A setting of the program.

    Attributes:
      name: Its name in `--params` and as a flag.
      default: Value in the `default` preset.
      kind: What values it can have, see `planet_tf2.configs.kinds`.
      help: One or more sentences, with units.
      group: The heading that it is listed under.
    """

    name: str
    default: Any
    kind: kinds.Kind
    help: str
    group: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The names to choose from. Empty if this is not such a choice."""
        return kinds.choices(self.kind)

    def convert(self, value: Any) -> Any:
        """Returns the value in its proper type.

        Raises:
          ConfigError: Names the parameter, the value and what is expected.
        """
        try:
            return self.kind(value)
        except ConfigError as error:
            raise ConfigError(f"Parameter {self.name!r}: {error}") from None
        except ValueError:
            raise ConfigError(
                f"Parameter {self.name!r} must be {self.kind}, "
                f"not {kinds.shown(value)}.{self._hint(value)}"
            ) from None

    def _hint(self, value: Any) -> str:
        if isinstance(self.kind, ListOf) and isinstance(value, str):
            return f" Write [{value}] for a list."
        if isinstance(value, str):
            return did_you_mean(value, self.choices)
        return ""


OBJECTIVES = ("reward",)

COLLECT_ENTRY = Entries(
    (
        ("name", Text()),
        ("batch_size", Int(1)),
        ("horizon", Int(1)),
        ("objective", Text(OBJECTIVES)),
        ("after", Int(0)),
        ("every", Int()),
        ("until", Int(-1)),
        ("action_noise", Float(0)),
        ("action_noise_ramp", Int()),
        ("action_noise_min", Float(0, 1)),
    )
)

_ACTIVATIONS = ("relu", "elu", "tanh", "swish", "softplus", "none")


def _group(title: str, *rows: tuple) -> list[Parameter]:
    return [Parameter(*row, group=title) for row in rows]


_DATA = _group(
    "Data",
    (
        "batch_shape",
        [50, 50],
        ListOf(Int(1), length=2),
        "Sequences per batch, and agent steps per sequence.",
    ),
    (
        "num_chunks",
        1,
        Int(1),
        "Sequences that are cut out of an episode each time it is drawn.",
    ),
    (
        "image_bits",
        5,
        Int(1, 8),
        "Bits per color channel that the model sees. 8 keeps all of them.",
    ),
    (
        "loader",
        "recent",
        Text(("recent", "cache")),
        "How episodes are drawn. `cache` draws from all of them evenly; "
        "`recent` takes half of its episodes from the latest ones.",
    ),
    (
        "loader_every",
        1000,
        Int(2),
        "Episodes that the loader draws before it looks for new files.",
    ),
)

_NETWORKS = _group(
    "Networks",
    (
        "network",
        "conv_ha",
        Text(("conv_ha",)),
        "Image encoder and decoder.",
    ),
    (
        "cnn_depth",
        32,
        Int(1),
        "Channels of the first convolution. The other layers of the image "
        "encoder and decoder scale with it. The original has 32.",
    ),
    (
        "activation",
        "relu",
        Text(_ACTIVATIONS),
        "Activation function of the latent model and of the heads.",
    ),
    ("num_layers", 3, Int(0), "Hidden layers of the heads."),
    ("num_units", 300, Int(1), "Units per hidden layer of the heads."),
    (
        "gradient_heads",
        ["image", "reward"],
        ListOf(Text(("image", "reward"))),
        "Heads whose loss trains the latent model and the encoder. The other "
        "heads train alone, on features that they cannot change.",
    ),
)

_MODEL = _group(
    "Latent model",
    (
        "model",
        "rssm",
        Text(("rssm",)),
        "Latent dynamics model.",
    ),
    (
        "model_size",
        200,
        Int(1),
        "Units of the deterministic belief and of the embedding layers.",
    ),
    ("state_size", 30, Int(1), "Dimensions of the stochastic state."),
    (
        "mean_only",
        False,
        Bool(),
        "Use the mean of the state in place of a sample.",
    ),
    (
        "min_stddev",
        0.1,
        Float(0),
        "Smallest standard deviation of the stochastic state.",
    ),
    (
        "future_rnn",
        True,
        Bool(),
        "Predict the next state from the belief. Otherwise from the embedded "
        "previous state and action.",
    ),
    (
        "model_layers",
        1,
        Int(1),
        "How often each dense stack of the latent model is repeated.",
    ),
)

_TASKS = _group(
    "Tasks",
    (
        "tasks",
        ["cheetah_run"],
        ListOf(Text(), minimum_length=1),
        "Tasks to learn, all by the same agent.",
    ),
    (
        "isolate_envs",
        "process",
        Text(("none", "thread", "process")),
        "Where environments live. `none` and `thread` only work where "
        "rendering does not use software OpenGL. The original's default is "
        "`thread`.",
    ),
    (
        "action_repeat",
        None,
        Optional(Int(1)),
        "Simulator steps per agent step. None means the usual number of each "
        "task.",
    ),
    ("camera_id", 0, Int(-1), "Camera that the images are taken with."),
)

_LOSSES = _group(
    "Losses",
    (
        "divergence_scale",
        1.0,
        Float(0),
        "Scale of the divergence between posterior and prior.",
    ),
    ("image_loss_scale", 1.0, Float(0), "Scale of the image loss."),
    ("reward_loss_scale", 10.0, Float(0), "Scale of the reward loss."),
    (
        "free_nats",
        3.0,
        Float(0),
        "Divergence per time step that costs nothing, in nats.",
    ),
)

_OPTIMIZER = _group(
    "Optimizer",
    ("main_learning_rate", 1e-3, Float(0), "Learning rate of Adam."),
    (
        "main_adam_epsilon",
        1e-4,
        Float(0),
        "Epsilon of Adam, beside the uncorrected second moment.",
    ),
    (
        "main_gradient_clipping",
        1000.0,
        Float(0),
        "Largest global norm of the gradient.",
    ),
)

_SCHEDULE = _group(
    "Schedule",
    (
        "train_steps",
        50000,
        Int(1),
        "Length of a training phase, in sequences: an update is worth "
        "`batch_shape[0]` steps.",
    ),
    (
        "test_steps",
        50,
        Int(1),
        "Length of a test phase, in sequences.",
    ),
    (
        "max_steps",
        50000000,
        Int(1),
        "Steps after which the run is done, in sequences, both phases counted.",
    ),
    (
        "checkpoint_every",
        None,
        Optional(Int(1)),
        "Steps between checkpoints, in sequences, besides those after every "
        "collected episode and every test phase. None means 10 times "
        "`test_steps`.",
    ),
    (
        "num_seed_episodes",
        5,
        Int(1),
        "Random episodes to start from, for each task and for training and "
        "test data each.",
    ),
    (
        "collect_every",
        5000,
        Int(1),
        "Training steps between collected episodes, in sequences, where "
        "`train_collects` says nothing else.",
    ),
    (
        "train_collects",
        [{}],
        ListOf(COLLECT_ENTRY),
        "What to collect for training. See below.",
    ),
    (
        "test_collects",
        [{}],
        ListOf(COLLECT_ENTRY),
        "What to collect in the test phases. See below.",
    ),
)

_EXPLORATION = _group(
    "Exploration",
    (
        "train_action_noise",
        0.3,
        Float(0),
        "Standard deviation of the noise added to actions while collecting "
        "training data. Actions lie in [-1, 1].",
    ),
    (
        "action_noise_ramp",
        0,
        Int(),
        "Training steps over which the noise grows from nothing, or, if "
        "negative, fades to nothing. 0 keeps it constant.",
    ),
    (
        "action_noise_min",
        0.0,
        Float(0, 1),
        "Fraction of the noise that is kept whatever the ramp says.",
    ),
)

_PLANNER = _group(
    "Planner",
    ("planner", "cem", Text(("cem",)), "Planning algorithm."),
    ("planner_horizon", 12, Int(1), "Agent steps that a plan looks ahead."),
    ("planner_amount", 1000, Int(1), "Action sequences per iteration."),
    (
        "planner_topk",
        100,
        Int(1),
        "Best action sequences that the next iteration is fitted to.",
    ),
    (
        "planner_iterations",
        10,
        Int(0),
        "Iterations per decision. 0 plans to do nothing, so that only the "
        "action noise acts.",
    ),
    (
        "collect_objective",
        "reward",
        Text(OBJECTIVES),
        "What plans are rated by.",
    ),
)

_LOGGING = _group(
    "Logging",
    (
        "log_every",
        100,
        Int(1),
        "Updates between lines of `metrics.jsonl`.",
    ),
)

PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        *_DATA,
        *_NETWORKS,
        *_MODEL,
        *_TASKS,
        *_LOSSES,
        *_OPTIMIZER,
        *_SCHEDULE,
        *_EXPLORATION,
        *_PLANNER,
        *_LOGGING,
    )
}

# The original accepts these and ignores them.
DEPRECATED = ("bound_action", "loader_window")

# Parameters of the original that nothing here honors yet.
MISSING = (
    "drnn_action_to_decoder",
    "drnn_decoder_to_encoder",
    "drnn_decoder_to_sample",
    "drnn_encoder_to_decoder",
    "drnn_sample_to_encoder",
    "drnn_sample_to_sample",
    "global_div_scale",
    "os_stop_posterior_grad",
    "overshooting_distance",
    "overshooting_scale",
    "state_diagnostics",
)


def defaults() -> dict[str, Any]:
    """Returns all parameters with their defaults, freshly copied."""
    return {name: p.convert(p.default) for name, p in PARAMETERS.items()}
