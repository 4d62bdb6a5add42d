"""Nested parameters of Dreamer: coders, heads, actor, critic, suites.

Names and defaults are those of dreamerv3-torch.
"""

from typing import Annotated, Literal

from pydantic import Field, Strict, WithJsonSchema

from planet_tf2.configs.common_parameters import Settings
from planet_tf2.configs.kinds import (
    Fraction,
    Integer,
    Natural,
    Number,
    Positive,
    Scale,
    Switch,
)

Activation = Literal["silu", "elu", "relu", "gelu", "tanh", "softplus"]


# Whether it is one is looked at beside all others, to say where it is not.
Pattern = Annotated[
    str, Strict(), WithJsonSchema({"format": "a regular expression"})
]


class Coder(Settings):
    """What encoder and decoder have in common."""

    mlp_keys: Pattern = "$^"
    """Vectors that it deals with: a regular expression, which is tried at the
    beginning of their names. `.*` matches all, `$^` none, `position|velocity`
    these two. Numbers, and arrays that are no images, are taken for vectors."""
    cnn_keys: Pattern = "image"
    """Images that it deals with, chosen likewise. Several are joined on their
    channels."""
    act: Activation = "silu"
    """Activation function."""
    norm: Switch = True
    """Whether hidden layers are normalised (LayerNorm)."""
    cnn_depth: Positive = 32
    """Channels of the first convolution. The others have 2, 4, 8 times as
    many; in edition 2025 all of them have what `mults` says."""
    kernel_size: Positive = 4
    """Side of the kernels."""
    minres: Positive = 4
    """Side at which convolutions of images end, and start."""
    mlp_layers: Positive = 5
    """Hidden layers for vectors."""
    mlp_units: Positive = 1024
    """Units of each of them."""
    mults: Annotated[list[Positive], Field(min_length=1)] = [2, 3, 4, 4]
    """Channels of each convolution, in multiples of `cnn_depth`."""
    strided: Switch = False
    """Whether convolutions have a stride of 2, in place of a pooling."""
    outer: Switch = False
    """Whether the outermost convolution keeps the size of the image."""


class Encoder(Coder):
    """What sees."""

    symlog_inputs: Switch = True
    """Whether vectors are squashed by symlog first."""


class Decoder(Coder):
    """What is predicted of observations."""

    cnn_sigmoid: Switch = False
    """Whether images are squashed by a sigmoid. Otherwise 0.5 is added."""
    image_dist: Literal["mse", "normal"] = "mse"
    """Distribution of images: the squared error, or a normal of variance 1,
    which has half of that and a constant."""
    vector_dist: Literal["symlog_mse", "mse"] = "symlog_mse"
    """Distribution of vectors."""
    bspace: Positive = 8
    """Blocks in which the deterministic state becomes the first pixels."""
    loss_scale: Scale = 1.0
    """Scale of the loss of every observation."""
    outscale: Scale = 1.0
    """Scale of the initial weights of output layers."""


class Head(Settings):
    """What predicts a number of a latent state."""

    layers: Natural = 2
    """Hidden layers."""
    loss_scale: Scale = 1.0
    """Scale of the loss."""
    outscale: Scale = 1.0
    """Scale of the initial weights of the output layer."""


class RewardHead(Head):
    """What predicts rewards."""

    dist: Literal["symlog_disc", "symlog_mse", "mse"] = "symlog_disc"
    """Distribution of rewards; `symlog_disc` is the two-hot of the paper."""
    outscale: Scale = 0.0
    """Scale of the initial weights of the output layer."""


class Trained(Settings):
    """The optimizer of actor or critic."""

    lr: Scale = 3e-5
    """Learning rate."""
    eps: Scale = 1e-5
    """Epsilon of Adam, beside the corrected second moment."""
    grad_clip: Scale = 100.0
    """Largest global norm of the gradient."""


class Actor(Trained):
    """The policy."""

    layers: Natural = 2
    """Hidden layers."""
    dist: Literal["auto", "normal", "trunc_normal", "onehot"] = "auto"
    """Distribution of actions. `auto` is `normal` for vectors, and `onehot` for
    discrete actions."""
    entropy: Scale = 3e-4
    """Scale of the entropy's bonus."""
    unimix_ratio: Fraction = 0.01
    """Part of the uniform distribution in `onehot`."""
    std: Literal["learned", "none"] | Number = "learned"
    """Standard deviation of vectors before it is squashed into its bounds; a
    number is one for all. Discrete actions have none."""
    min_std: Annotated[Number, Field(gt=0)] = 0.1
    """Smallest standard deviation."""
    max_std: Annotated[Number, Field(gt=0)] = 1.0
    """Largest standard deviation of `normal`."""
    outscale: Scale = 1.0
    """Scale of the initial weights of the output layer."""
    loss_scale: Scale = 1.0
    """Scale of the loss."""


class Critic(Trained):
    """What predicts returns."""

    layers: Natural = 2
    """Hidden layers."""
    dist: Literal["symlog_disc", "symlog_mse", "mse"] = "symlog_disc"
    """Distribution of returns."""
    slow_target: Switch = True
    """Whether the critic is drawn to a slow copy of itself."""
    slow_target_update: Positive = 1
    """Updates between two of the copy."""
    slow_target_fraction: Fraction = 0.02
    """Part of the critic that the copy takes over at each of them."""
    outscale: Scale = 0.0
    """Scale of the initial weights of the output layer."""
    loss_scale: Scale = 1.0
    """Scale of the loss of imagined returns."""
    replay_scale: Scale = 0.3
    """Scale of the loss of returns along what was stored."""
    slow_reg: Scale = 1.0
    """Scale of what draws the critic to its slow copy."""
    slow_returns: Switch = False
    """Whether imagined returns end with values of the slow copy."""


class LaProp(Settings):
    """LaProp: momentum of gradients that were normalised before."""

    agc: Scale = 0.3
    """Largest norm of a gradient, as a part of the norm of the weights that it
    is for. 0 does not clip."""
    beta1: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """What momentum keeps at each update."""
    beta2: Annotated[Number, Field(ge=0, lt=1)] = 0.999
    """What the mean of squared gradients keeps at each update."""
    nesterov: Switch = False
    """Whether momentum looks ahead."""
    schedule: Literal["const", "linear", "cosine"] = "const"
    """How the learning rate goes on after it was warmed up: it stays, falls to
    a tenth, or nearly to zero."""
    warmup: Natural = 1000
    """Updates in which the learning rate rises from zero, in a line."""
    anneal: Natural = 0
    """Updates after which it does not fall any more; counted from the
    first."""


class Normalizer(Settings):
    """A scale of recent values, by a moving average."""

    impl: Literal["perc", "meanstd", "none"] = "none"
    """The range between two percentiles, mean and standard deviation, or
    nothing."""
    rate: Fraction = 0.01
    """Part of the average that is replaced at each update."""
    limit: Annotated[Number, Field(gt=0)] = 1e-8
    """Smallest scale."""
    perclo: Annotated[Number, Field(ge=0, le=100)] = 5.0
    """Lower percentile."""
    perchi: Annotated[Number, Field(ge=0, le=100)] = 95.0
    """Upper percentile."""
    debias: Switch = True
    """Whether the average is corrected for having started at zero."""


class Atari(Settings):
    """The settings of Atari games."""

    sticky: Switch = True
    """Repeat the last action with probability 0.25 in place of the chosen
    one."""
    noops: Natural = 0
    """At the start of an episode nothing is done for 0 to `noops` - 1 steps."""
    lives: Literal["unused", "discount", "reset"] = "unused"
    """What a lost life means: nothing, a terminal state in an episode that goes
    on, or its end."""
    resize: Literal["opencv", "pillow", "bilinear"] = "opencv"
    """How images are made smaller: over areas, by the nearest pixel, or by a
    linear filter as wide as what a pixel covers."""
    limit_is_end: Switch = False
    """Whether an episode that 108,000 frames cut off counts as a game that is
    over, as in the authors' program of 2025."""
    actions: Literal["all", "needed"] = "all"
    """All 18 actions, or those that the game uses."""


class Minecraft(Settings):
    """The settings of Minecraft."""

    break_speed: Annotated[Integer, Field(ge=1)] = 100
    """How many times faster blocks break."""
