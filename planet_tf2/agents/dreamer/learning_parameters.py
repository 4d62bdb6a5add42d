"""What can be set of how Dreamer learns: world model, behavior, exploration."""

from typing import Annotated, Literal

from pydantic import Field

from planet_tf2.agents.dreamer import settings
from planet_tf2.configs.common_parameters import Group
from planet_tf2.configs.kinds import (
    Fraction,
    Name,
    Natural,
    Positive,
    Scale,
    Switch,
)


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
    learn on features that they cannot change. In edition 2025 the critic is one
    of them, `repval`, by what it learns of replay."""
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
    dyn_blocks: Positive = 8
    """Blocks of the deterministic state, which is recurrent within each."""
    dyn_layers: Positive = 1
    """Hidden layers of the recurrent cell, in blocks."""
    img_layers: Natural = 2
    """Hidden layers of the prior."""
    obs_layers: Positive = 1
    """Hidden layers of the posterior."""
    dyn_absolute: Switch = False
    """Whether the posterior sees the embedding alone, and no deterministic
    state."""
    dyn_outscale: Scale = 1.0
    """Scale of the initial weights of prior and posterior's output layers."""
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

    opt: Literal["adam", "adamax", "sgd", "momentum", "laprop"] = "adam"
    """Optimizer of the world model, actor, critic and ensemble. Edition 2025
    has a single one, `laprop`."""
    model_lr: Scale = 1e-4
    """Learning rate of the world model; in edition 2025 of everything."""
    opt_eps: Scale = 1e-8
    """Epsilon of the optimizer, beside the corrected second moment."""
    grad_clip: Scale = 1000.0
    """Largest global norm of the world model's gradient."""
    weight_decay: Scale = 0.0
    """Part of all weights that an update takes away, times the learning rate in
    edition 2025, where only kernels lose it."""
    laprop: settings.LaProp = settings.LaProp()
    """LaProp: clipping, momentum, schedule of the learning rate."""


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
    retnorm: settings.Normalizer = settings.Normalizer()
    """What imagined returns are divided by to be advantages."""
    valnorm: settings.Normalizer = settings.Normalizer()
    """What the critic's targets are normalised by."""
    advnorm: settings.Normalizer = settings.Normalizer()
    """What advantages are normalised by once more."""
    contdisc: Switch = True
    """Whether the discount is learned, as a part of whether an episode goes
    on, rather than multiplied."""
    imag_last: Natural = 0
    """Time steps at the end of each sequence to imagine from, and, in edition
    2025, to learn values of replay at. 0 means all."""
    ac_grads: Switch = False
    """Whether actor and critic also train the states that imagination starts
    from."""
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
