"""What to learn from, what to learn, and how.

Part of the list in `parameters.py`.
"""

from planet_tf2.configs.kinds import (
    Bool,
    Float,
    FloatOr,
    Int,
    ListOf,
    Optional,
    Text,
)
from planet_tf2.configs.parameter import grouped

_ACTIVATIONS = ("relu", "elu", "tanh", "swish", "softplus", "none")
_DISTRIBUTIONS = ("normal", "truncated_normal", "tanh_normal", "deterministic")


def _head(kind: str, title: str, about_bounds: str) -> tuple[tuple, ...]:
    """Returns the parameters of what one kind of head predicts."""
    return (
        (
            f"{kind}_head_dist",
            "normal",
            Text(_DISTRIBUTIONS),
            f"What {title} predict: a normal, one that is restricted to its "
            "bounds, one that is squashed into them, or a value without any "
            "doubt, which is trained by half the squared error.",
        ),
        (
            f"{kind}_head_stddev",
            1.0,
            FloatOr(("learned",), 0.01),
            f"Standard deviation that {title} predict. `learned` predicts one "
            "for each feature, of at least 0.01.",
        ),
        (
            f"{kind}_head_bounds",
            [-1.0, 1.0],
            ListOf(Float(), length=2),
            f"Smallest and largest value of what {title} predict, if it is "
            f"`truncated_normal` or `tanh_normal`. {about_bounds}",
        ),
    )


DATA = grouped(
    "Data",
    (
        "batch_shape",
        [50, 50],
        ListOf(Int(1), length=2),
        "Sequences per batch, and agent steps per sequence.",
    ),
    (
        "micro_batches",
        1,
        Int(1),
        "Parts in which a batch is computed, one after the other. More parts "
        "need less memory and a little more time, and learn the same but for "
        "the random numbers. They have to divide the sequences of a batch.",
    ),
    (
        "num_chunks",
        1,
        Int(1),
        "Sequences that are cut out of an episode each time it is drawn. "
        "Those of an episode that is too short for that many overlap.",
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
        Text(("recent", "cache", "reload", "dummy")),
        "How episodes are drawn. `cache` draws from all of them evenly; "
        "`recent` takes half of its episodes from the latest ones; `reload` "
        "does as `cache`, but keeps none in memory and reads files anew; "
        "`dummy` makes up random ones, to time or test the rest.",
    ),
    (
        "loader_every",
        1000,
        Int(2),
        "Episodes that the loader draws before it looks for new files.",
    ),
    (
        "loader_max_episodes",
        None,
        Optional(Int(1)),
        "Episodes of each split to draw from, the latest ones. All by default.",
    ),
    (
        "loader_max_bytes",
        None,
        Optional(Int(1)),
        "Memory in bytes for the episodes of each split. Those that do not "
        "fit, the oldest, stay on disk. Unbounded by default. With `reload` "
        "all of them stay there.",
    ),
)

NETWORKS = grouped(
    "Networks",
    ("network", "conv_ha", Text(("conv_ha",)), "Image encoder and decoder."),
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
    (
        "precision",
        "float32",
        Text(("float32", "bfloat16", "float16")),
        "What the networks compute in. The latent state, losses, weights and "
        "the optimizer stay in float32. `bfloat16` pays on GPUs and on CPUs "
        "that have it in AVX-512 or AMX, `float16` on GPUs that lack "
        "bfloat16.",
    ),
    (
        "num_gpus",
        1,
        Int(1),
        "GPUs that share each batch, if there are any. They have to divide "
        "the sequences of a batch evenly.",
    ),
    ("num_layers", 3, Int(0), "Hidden layers of the heads."),
    ("num_units", 300, Int(1), "Units per hidden layer of the heads."),
    *_head(
        "reward",
        "the reward heads",
        "A reward is summed over the simulator steps of an agent step, so that "
        "in the control suite it lies between 0 and the action repeat.",
    ),
    *_head("state", "the heads of `state_diagnostics`", "They hold for all."),
    (
        "gradient_heads",
        ["image", "reward"],
        ListOf(Text()),
        "Heads whose loss trains the latent model and the encoder. The other "
        "heads train alone, on features that they cannot change, by optimizers "
        "of their own. Apart from `image` and `reward` these are the heads of "
        "`state_diagnostics`, which have the names of the observations.",
    ),
    (
        "state_diagnostics",
        False,
        Bool(),
        "Predict the state components that the environment observes, such as "
        "`position`, with a head each, to see what the latent state knows. "
        "`position_loss_scale` is then the scale of that loss, 1 by default. "
        "Only with a single task.",
    ),
)

MODEL = grouped(
    "Latent model",
    (
        "model",
        "rssm",
        Text(("rssm", "ssm", "drnn")),
        "Latent dynamics model: `rssm` has a deterministic and a stochastic "
        "path, `ssm` the stochastic one alone, `drnn` puts it between a "
        "recurrent encoder and a recurrent decoder.",
    ),
    (
        "model_size",
        200,
        Int(1),
        "Units of the deterministic states and of the embedding layers.",
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
        "previous state and action. Only `rssm` has it.",
    ),
    (
        "model_layers",
        1,
        Int(1),
        "Layers of each dense stack of the latent model. In the original only "
        "`rssm` can have more than one.",
    ),
    (
        "drnn_encoder_to_decoder",
        False,
        Bool(),
        "Whether the decoder of `drnn` sees the previous encoder state.",
    ),
    (
        "drnn_sample_to_sample",
        True,
        Bool(),
        "Whether the stochastic state of `drnn` depends on the previous one.",
    ),
    (
        "drnn_sample_to_encoder",
        True,
        Bool(),
        "Whether the encoder of `drnn` sees the previous stochastic state.",
    ),
    (
        "drnn_decoder_to_encoder",
        False,
        Bool(),
        "Whether the encoder of `drnn` sees the previous decoder state.",
    ),
    (
        "drnn_decoder_to_sample",
        True,
        Bool(),
        "Whether the stochastic state of `drnn` depends on the previous "
        "decoder state.",
    ),
    (
        "drnn_action_to_decoder",
        False,
        Bool(),
        "Whether the decoder of `drnn` sees the action.",
    ),
)

LOSSES = grouped(
    "Losses",
    (
        "divergence_scale",
        1.0,
        Float(0),
        "Scale of the divergence between posterior and prior.",
    ),
    (
        "global_div_scale",
        0.0,
        Float(0),
        "Scale of the divergence between posterior and standard normal.",
    ),
    (
        "overshooting_scale",
        0.0,
        Float(0),
        "Scale of latent overshooting: the divergence between posterior and "
        "priors that were predicted several steps ahead.",
    ),
    (
        "overshooting_reward_scale",
        0.0,
        Float(0),
        "Scale of the reward loss of those predictions. Only the first release "
        "of the original has it.",
    ),
    (
        "overshooting_distance",
        0,
        Int(0),
        "Steps that overshooting predicts ahead, 1 being what the divergence "
        "compares anyhow; so with less than 2 it does nothing.",
    ),
    (
        "os_stop_posterior_grad",
        True,
        Bool(),
        "Whether overshooting trains the predictions alone, and not the "
        "posteriors that they are compared with.",
    ),
    ("image_loss_scale", 1.0, Float(0), "Scale of the image loss."),
    ("reward_loss_scale", 10.0, Float(0), "Scale of the reward loss."),
    (
        "free_nats",
        3.0,
        Float(0),
        "Divergence per time step that costs nothing, in nats. Overshooting "
        "has the same for each of its terms.",
    ),
)

OPTIMIZER = grouped(
    "Optimizer",
    ("main_learning_rate", 1e-3, Float(0), "Learning rate of Adam."),
    (
        "main_learning_rate_schedule",
        "constant",
        Text(("constant", "linear", "exponential")),
        "How the learning rate decays.",
    ),
    (
        "main_learning_rate_warmup_updates",
        0,
        Int(0),
        "Updates in which the learning rate rises from zero. The decay begins "
        "after them.",
    ),
    (
        "main_learning_rate_decay_updates",
        100000,
        Int(1),
        "Updates in which the learning rate decays. Then it stays where it is.",
    ),
    (
        "main_learning_rate_final",
        0.1,
        Float(0, 1),
        "Where the decay leads to, as a fraction of the learning rate.",
    ),
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
