"""What can be set of Dreamer, apart from what is nested (`settings.py`).

Names and defaults are those of dreamerv3-torch, wherever that has the
parameter. A *step* is one of the simulator, a *decision* is one of the agent:
`action_repeat` steps.
"""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planet_tf2.agents.dreamer import settings
from planet_tf2.configs.base_parameters import CommonParameters, Group
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import (
    Fraction,
    Integer,
    Name,
    Natural,
    Number,
    Positive,
    Scale,
    Switch,
)


class Run(Group):
    """How long, and what is kept."""

    GROUP = "Schedule"

    steps: Positive = 1_000_000
    """Steps of training, of all environments together."""
    eval_every: Positive = 10_000
    """Steps of training between evaluations."""
    eval_episode_num: Natural = 10
    """Episodes of an evaluation. 0 means none."""
    log_every: Positive = 10_000
    """Steps between lines of the log."""
    envs: Positive = 1
    """Environments that are acted in at the same time, each in a process of its
    own."""
    prefill: Positive = 2500
    """Random decisions to start from."""
    pretrain: Natural = 100
    """Updates before the agent first acts."""
    train_ratio: Annotated[Number, Field(gt=0)] = 512.0
    """Time steps that are learned from for each decision: there is an update
    per `batch_size * batch_length / train_ratio` decisions."""
    offline_traindir: Name = ""
    """Folder of episodes to learn from without acting, in place of collecting
    any. No simulator is needed then."""
    offline_evaldir: Name = ""
    """Folder of episodes to evaluate the model on."""
    video_pred_log: Switch = True
    """Whether videos of predictions are logged at evaluations."""


class Replay(Group):
    """What batches are made of."""

    GROUP = "Data"

    batch_size: Positive = 16
    """Sequences of a batch."""
    batch_length: Annotated[Positive, Field(ge=2)] = 64
    """Time steps of a sequence. A sequence goes on with the next episode where
    one ends."""
    dataset_size: Positive = 1_000_000
    """Decisions to draw from, the latest ones. Older episodes stay on disk."""
    dataset_bytes: Positive | None = None
    """Memory in bytes for them. Unbounded by default."""


class Environment(Group):
    """What is special about environments."""

    GROUP = "Tasks"

    camera_id: Annotated[Integer, Field(ge=-1)] | None = None
    """Camera that the images are taken with, as the simulator counts them; -1
    is the free camera of MuJoCo. None means the usual one of each task."""
    draw_images: Switch | None = None
    """Whether to draw images. None means that they are drawn where encoder or
    decoder choose `image`. Videos need them."""
    all_observations: Switch = True
    """Store all observations, also those of more than 1,000 numbers, such as
    images of a second camera."""
    time_limit: Positive | None = None
    """Steps after which an episode is cut off. None means the usual number of
    each task."""
    grayscale: Switch = False
    """Whether images of Atari games are grey."""
    atari: settings.Atari = settings.Atari()
    """Settings of Atari games."""
    minecraft: settings.Minecraft = settings.Minecraft()
    """Settings of Minecraft."""


class WorldModel(Group):
    """Encoder, latent dynamics, decoder, heads."""

    GROUP = "World model"

    encoder: settings.Encoder = settings.Encoder()
    """What sees."""
    decoder: settings.Decoder = settings.Decoder()
    """What predicts observations."""
    reward_head: settings.RewardHead = settings.RewardHead()
    """What predicts rewards."""
    cont_head: settings.Head = settings.Head()
    """What predicts whether an episode goes on."""
    grad_heads: list[Name] = ["decoder", "reward", "cont"]
    """Heads whose losses train the latent dynamics and the encoder. The others
    learn on features that they cannot change."""
    units: Positive = 512
    """Units of the hidden layers of heads, actor and critic."""
    act: settings.Activation = "silu"
    """Activation function of latent dynamics, heads, actor and critic."""
    norm: Switch = True
    """Whether their hidden layers are normalised (LayerNorm)."""
    dyn_hidden: Positive = 512
    """Units of the hidden layers of the latent dynamics."""
    dyn_deter: Positive = 512
    """Units of the deterministic state."""
    dyn_stoch: Positive = 32
    """Variables of the stochastic state."""
    dyn_discrete: Natural = 32
    """Classes of each of them. 0 makes them normal."""
    dyn_rec_depth: Positive = 1
    """Steps of the recurrent cell per time step."""
    dyn_mean_act: Literal["none", "tanh5"] = "none"
    """What bounds the mean of a normal state; `tanh5` keeps it in 5."""
    dyn_std_act: Literal["sigmoid2", "sigmoid", "abs", "softplus"] = "sigmoid2"
    """What makes the standard deviation of a normal state positive."""
    dyn_min_std: Scale = 0.1
    """Smallest standard deviation of a normal state."""
    unimix_ratio: Fraction = 0.01
    """Part of the uniform distribution in discrete states."""
    initial: Literal["learned", "zeros"] = "learned"
    """The state before the first observation."""
    dyn_scale: Scale = 0.5
    """Scale of the divergence that trains the prior."""
    rep_scale: Scale = 0.1
    """Scale of the divergence that trains the posterior."""
    kl_free: Scale = 1.0
    """Divergence per time step that costs nothing, in nats."""


class Optimizer(Group):
    """How the world model is learned."""

    GROUP = "Optimizer"

    opt: Literal["adam", "adamax", "sgd", "momentum"] = "adam"
    """Optimizer of the world model, actor, critic and ensemble."""
    model_lr: Scale = 1e-4
    """Learning rate of the world model."""
    opt_eps: Scale = 1e-8
    """Epsilon of Adam, beside the corrected second moment."""
    grad_clip: Scale = 1000.0
    """Largest global norm of the world model's gradient."""
    weight_decay: Scale = 0.0
    """Part of the weights that each update of the world model takes away, times
    the learning rate."""


class Behavior(Group):
    """What is learned from imagination."""

    GROUP = "Behavior"

    actor: settings.Actor = settings.Actor()
    """The policy."""
    critic: settings.Critic = settings.Critic()
    """What predicts returns."""
    discount: Fraction = 0.997
    """Discount per decision."""
    discount_lambda: Fraction = 0.95
    """Lambda of the returns."""
    imag_horizon: Annotated[Positive, Field(ge=2)] = 15
    """Decisions to imagine."""
    imag_gradient: Literal["auto", "dynamics", "reinforce", "both"] = "auto"
    """What trains the policy: gradients through the dynamics, those of the
    policy's own log-probability, or a mixture. `auto` is `dynamics` for
    vectors, and `reinforce` for discrete actions."""
    imag_gradient_mix: Fraction = 0.0
    """Part of the dynamics in `both`."""
    reward_EMA: Switch = True
    """Whether returns are normalised by the range of recent ones."""
    eval_state_mean: Switch = False
    """Whether evaluation takes the most likely states, and not samples."""
    reference_behavior: Switch = False
    """Computes what dreamerv3-torch computes where that differs from the paper:
    an advantage of `reinforce` that is not normalised; an entropy without
    weights, whose gradient runs through the dynamics; weights that do not heed
    whether the first state is terminal."""


class Exploration(Group):
    """How to act while collecting."""

    GROUP = "Exploration"

    expl_behavior: Literal["greedy", "random", "plan2explore"] = "greedy"
    """Who acts while collecting: the policy, chance, or a policy of its own
    that seeks what the world model cannot predict (Plan2Explore)."""
    expl_until: Natural = 0
    """Steps after which the policy acts in any case. 0 means never."""
    expl_extr_scale: Scale = 0.0
    """Scale of rewards in what Plan2Explore seeks."""
    expl_intr_scale: Scale = 1.0
    """Scale of the disagreement of its ensemble."""
    disag_target: Literal["stoch", "embed", "deter", "feat"] = "stoch"
    """What the ensemble predicts."""
    disag_log: Switch = True
    """Whether the logarithm of the disagreement is sought."""
    disag_models: Annotated[Positive, Field(ge=2)] = 10
    """Members of the ensemble."""
    disag_offset: Positive = 1
    """How many decisions ahead they predict."""
    disag_layers: Natural = 4
    """Hidden layers of each."""
    disag_units: Positive = 400
    """Units of each of these layers."""
    disag_action_cond: Switch = False
    """Whether they know the action."""


class DreamerParameters(
    Run,
    Replay,
    Environment,
    WorldModel,
    Optimizer,
    Behavior,
    Exploration,
    CommonParameters,
):
    """The parameters of Dreamer, and those of all agents."""

    CHANGEABLE: ClassVar = CommonParameters.CHANGEABLE | {"video_pred_log"}
    GROUPS: ClassVar = (
        "Schedule",
        "Data",
        "Tasks",
        "World model",
        "Behavior",
        "Exploration",
        "Optimizer",
        "Networks",
        "Repeatability",
    )
    # Those of dreamerv3-torch that do nothing there, or have no use here.
    DEPRECATED: ClassVar = (
        "actor.temp",
        "compile",
        "debug",
        "device",
        "parallel",
        "reset_every",
    )
    LENGTH: ClassVar = "steps"
    # What no similar name tells.
    MEANT: ClassVar = {
        "deterministic_run": "deterministic",
        "layers": "actor.layers",
        "lr": "model_lr",
        "size": "image_size",
        "step": "steps",
        "stickey": "atari.sticky",
        "task": "tasks",
        "traindir": "offline_traindir",
        "evaldir": "offline_evaldir",
        "value": "critic",
    }
    PAGE: ClassVar = "docs/dreamer_parameters.md"

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        for name in ("encoder", "decoder"):
            coder = getattr(self, name)
            for key in ("mlp_keys", "cnn_keys"):
                _check_pattern(f"{name}.{key}", getattr(coder, key))
            if self.image_size % coder.minres:
                raise ConfigError(
                    f"Parameter '{name}.minres' must divide image_size, which "
                    f"is {self.image_size}, by a power of 2, not "
                    f"{coder.minres}."
                )
        return self

    @model_validator(mode="after")
    def _complete_images(self) -> Self:
        if self.draw_images is None:
            chosen = self.encoder.cnn_keys, self.decoder.cnn_keys
            self.draw_images = any(re.match(x, "image") for x in chosen)
        return self

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        known = {"decoder", "reward", "cont"}
        if not set(self.grad_heads) <= known:
            raise ConfigError(
                f"Parameter 'grad_heads' must name some of {sorted(known)}, "
                f"not {self.grad_heads}."
            )
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.batch_size % self.num_gpus:
            raise ConfigError(
                f"A batch has {self.batch_size} sequences (batch_size), which "
                f"cannot be shared evenly by num_gpus: {self.num_gpus}."
            )
        offset = self.disag_offset
        ahead = self.expl_behavior == "plan2explore"
        if ahead and offset >= self.batch_length:
            raise ConfigError(
                "Parameter 'disag_offset' must be below batch_length, which "
                f"is {self.batch_length}, not {offset}."
            )
        return self

    @model_validator(mode="after")
    def _check_actor(self) -> Self:
        if self.actor.min_std > self.actor.max_std:
            raise ConfigError(
                "Parameter 'actor.min_std' must be at most actor.max_std, "
                f"which is {self.actor.max_std}, not {self.actor.min_std}."
            )
        return self


def _check_pattern(name: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"Parameter {name!r} must be a regular expression, not "
            f"{pattern!r}: {error}."
        ) from None


Parameters = DreamerParameters  # What it is called in every agent's package.
