"""What can be set of PlaNet: networks, latent model, losses, optimizer.

How it acts is in `acting_parameters.py`. Names and defaults are those of the
original wherever it had the parameter.
"""

import logging
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from planet_tf2.agents.planet import head_parameters
from planet_tf2.agents.planet.acting_parameters import (
    Collections,
    Exploration,
    Planner,
)
from planet_tf2.configs.base_parameters import BaseParameters, Group
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

_LOGGER = logging.getLogger(__name__)

_Activation = Literal["relu", "elu", "tanh", "swish", "softplus", "none"]
_Distribution = Literal[
    "normal", "truncated_normal", "tanh_normal", "deterministic"
]
_Stddev = Annotated[Number, Field(ge=0.01)] | Literal["learned"]
_Bounds = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Networks(Group):
    """What sees, and what predicts."""

    GROUP = "Networks"

    image_bits: Annotated[Integer, Field(ge=1, le=8)] = 5
    """Bits per color channel that the model sees. 8 keeps all of them."""
    network: Literal["conv_ha"] = "conv_ha"
    """Image encoder and decoder."""
    cnn_depth: Positive = 32
    """Channels of the first convolution. The other layers of the image encoder
    and decoder scale with it. The original has 32."""
    activation: _Activation = "relu"
    """Activation function of the latent model and of the heads."""
    num_layers: Natural = 3
    """Hidden layers of the heads."""
    num_units: Positive = 300
    """Units per hidden layer of the heads."""
    reward_head_dist: _Distribution = "normal"
    """What the reward heads predict: a normal, one that is restricted to its
    bounds, one that is squashed into them, or a value without any doubt, which
    is trained by half the squared error."""
    reward_head_stddev: _Stddev = 1.0
    """Standard deviation that the reward heads predict. `learned` predicts one
    for each feature, of at least 0.01."""
    reward_head_bounds: _Bounds = [-1.0, 1.0]
    """Smallest and largest value of what the reward heads predict, if it is
    `truncated_normal` or `tanh_normal`. A reward is summed over the simulator
    steps of an agent step, so that in the control suite it lies between 0 and
    the action repeat."""
    state_head_dist: _Distribution = "normal"
    """What the heads of `state_diagnostics` predict: a normal, one that is
    restricted to its bounds, one that is squashed into them, or a value without
    any doubt, which is trained by half the squared error."""
    state_head_stddev: _Stddev = 1.0
    """Standard deviation that the heads of `state_diagnostics` predict.
    `learned` predicts one for each feature, of at least 0.01."""
    state_head_bounds: _Bounds = [-1.0, 1.0]
    """Smallest and largest value of what the heads of `state_diagnostics`
    predict, if it is `truncated_normal` or `tanh_normal`. They hold for all."""
    gradient_heads: list[Name] = ["image", "reward"]
    """Heads whose loss trains the latent model and the encoder. The other heads
    train alone, on features that they cannot change, by optimizers of their
    own. Apart from `image` and `reward` these are the heads of
    `state_diagnostics`, which have the names of the observations."""
    state_diagnostics: Switch = False
    """Predict the state components that the environment observes, such as
    `position`, with a head each, to see what the latent state knows.
    `position_loss_scale` is then the scale of that loss, 1 by default. Only
    with a single task."""


class LatentModel(Group):
    """The latent dynamics."""

    GROUP = "Latent model"

    model: Literal["rssm", "ssm", "drnn"] = "rssm"
    """Latent dynamics model: `rssm` has a deterministic and a stochastic path,
    `ssm` the stochastic one alone, `drnn` puts it between a recurrent encoder
    and a recurrent decoder."""
    model_size: Positive = 200
    """Units of the deterministic states and of the embedding layers."""
    state_size: Positive = 30
    """Dimensions of the stochastic state."""
    mean_only: Switch = False
    """Use the mean of the state in place of a sample."""
    min_stddev: Scale = 0.1
    """Smallest standard deviation of the stochastic state."""
    future_rnn: Switch = True
    """Predict the next state from the belief. Otherwise from the embedded
    previous state and action. Only `rssm` has it."""
    model_layers: Positive = 1
    """Layers of each dense stack of the latent model. In the original only
    `rssm` can have more than one."""
    drnn_encoder_to_decoder: Switch = False
    """Whether the decoder of `drnn` sees the previous encoder state."""
    drnn_sample_to_sample: Switch = True
    """Whether the stochastic state of `drnn` depends on the previous one."""
    drnn_sample_to_encoder: Switch = True
    """Whether the encoder of `drnn` sees the previous stochastic state."""
    drnn_decoder_to_encoder: Switch = False
    """Whether the encoder of `drnn` sees the previous decoder state."""
    drnn_decoder_to_sample: Switch = True
    """Whether the stochastic state of `drnn` depends on the previous decoder
    state."""
    drnn_action_to_decoder: Switch = False
    """Whether the decoder of `drnn` sees the action."""


class Losses(Group):
    """What is learned."""

    GROUP = "Losses"

    divergence_scale: Scale = 1.0
    """Scale of the divergence between posterior and prior."""
    global_div_scale: Scale = 0.0
    """Scale of the divergence between posterior and standard normal."""
    overshooting_scale: Scale = 0.0
    """Scale of latent overshooting: the divergence between posterior and priors
    that were predicted several steps ahead."""
    overshooting_reward_scale: Scale = 0.0
    """Scale of the reward loss of those predictions. Only the first release of
    the original has it."""
    overshooting_distance: Natural = 0
    """Steps that overshooting predicts ahead, 1 being what the divergence
    compares anyhow; so with less than 2 it does nothing."""
    os_stop_posterior_grad: Switch = True
    """Whether overshooting trains the predictions alone, and not the posteriors
    that they are compared with."""
    image_loss_scale: Scale = 1.0
    """Scale of the image loss."""
    reward_loss_scale: Scale = 10.0
    """Scale of the reward loss."""
    free_nats: Scale = 3.0
    """Divergence per time step that costs nothing, in nats. Overshooting has
    the same for each of its terms."""


class Optimizer(Group):
    """How it is learned."""

    GROUP = "Optimizer"

    main_learning_rate: Scale = 1e-3
    """Learning rate of Adam."""
    main_learning_rate_schedule: Literal[
        "constant", "linear", "exponential"
    ] = "constant"
    """How the learning rate decays."""
    main_learning_rate_warmup_updates: Natural = 0
    """Updates in which the learning rate rises from zero. The decay begins
    after them."""
    main_learning_rate_decay_updates: Positive = 100000
    """Updates in which the learning rate decays. Then it stays where it is."""
    main_learning_rate_final: Fraction = 0.1
    """Where the decay leads to, as a fraction of the learning rate."""
    main_adam_epsilon: Scale = 1e-4
    """Epsilon of Adam, beside the uncorrected second moment."""
    main_gradient_clipping: Scale = 1000.0
    """Largest global norm of the gradient."""


class PlanetParameters(
    Networks,
    LatentModel,
    Losses,
    Optimizer,
    Collections,
    Exploration,
    Planner,
    BaseParameters,
):
    """The parameters of PlaNet, and of the base.

    Every `<head>_loss_scale` is one too, see `head_parameters`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Scale] = Field(init=False)

    # The original accepts these and ignores them.
    DEPRECATED: ClassVar = ("bound_action", "loader_window")
    GROUPS: ClassVar = (
        "Data",
        "Networks",
        "Latent model",
        "Tasks",
        "Losses",
        "Optimizer",
        "Schedule",
        "Exploration",
        "Planner",
        "Logging",
        "Repeatability",
    )

    @classmethod
    def known(cls) -> dict[str, FieldInfo]:
        """Adds the scales of what the known tasks observe."""
        scales = head_parameters.component_scales()
        return super().known() | {name: cls.field(name) for name in scales}

    @classmethod
    def field(cls, name: Any) -> FieldInfo | None:
        """Also knows the scale of any head's loss."""
        return super().field(name) or head_parameters.scale_field(name)

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        heads = self.gradient_heads
        if len(set(heads)) < len(heads):
            raise ConfigError(
                f"Parameter 'gradient_heads' repeats one: {heads}."
            )
        head_parameters.check(dict(self))
        _check_bounds("reward_head_bounds", self.reward_head_bounds)
        _check_bounds("state_head_bounds", self.state_head_bounds)
        return self

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        exponential = self.main_learning_rate_schedule == "exponential"
        if exponential and not self.main_learning_rate_final:
            raise ConfigError(
                "Parameter 'main_learning_rate_final' must be above 0 for an "
                "exponential schedule, which never gets there, not 0.0."
            )
        return self

    @model_validator(mode="after")
    def _check_overshooting(self) -> Self:
        scale, reward_scale, distance = (
            self.overshooting_scale,
            self.overshooting_reward_scale,
            self.overshooting_distance,
        )
        if bool(scale or reward_scale) != (distance > 1):
            _LOGGER.warning(
                "Overshooting needs a distance of at least 2, which is %d, and "
                "a scale or a reward scale, which are %g and %g. There is "
                "none.",
                distance,
                scale,
                reward_scale,
            )
        return self


def _check_bounds(name: str, bounds: list[float]) -> None:
    low, high = bounds
    if low >= high:
        raise ConfigError(
            f"Parameter {name!r} must begin with the smaller bound, not "
            f"{bounds}."
        )


Parameters = PlanetParameters  # What it is called in every agent's package.
