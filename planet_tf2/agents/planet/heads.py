"""Makes the networks that predict from latent features."""

import logging
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from planet_tf2.agents.planet import head_parameters
from planet_tf2.agents.planet.cells import POLICIES
from planet_tf2.nets.basic import FeedForward
from planet_tf2.nets.conv_ha import Decoder

Params = Mapping[str, Any]
Shapes = Mapping[str, tuple[int, ...]]

_LOGGER = logging.getLogger(__name__)


def make_heads(
    params: Params, feature_size: int, components: Shapes
) -> dict[str, Any]:
    """Makes all heads of a run, with their variables.

    Args:
      params: parameters of the run.
      feature_size: F, entries of the features.
      components: shapes of the state components to predict, by name.

    Raises:
      ConfigError: parameters name a head that there is not.
    """
    policy = POLICIES[params["precision"]]
    heads = {
        "image": Decoder(
            params["cnn_depth"], params["image_size"], dtype=policy
        ),
        "reward": _feed_forward(params, "reward", ()),
    }
    for name, shape in components.items():
        heads[name] = _feed_forward(params, "state", shape)
    head_parameters.check_heads(params, heads)
    for head in heads.values():
        head.build(feature_size)
    return heads


def head_scales(params: Params, heads: Mapping[str, Any]) -> dict[str, float]:
    """Returns the scale of every head's loss."""
    default = head_parameters.DEFAULT_SCALE
    names = {name: head_parameters.scale_name(name) for name in heads}
    return {name: params.get(names[name], default) for name in heads}


def diagnosed_components(
    params: Params, observations: gymnasium.spaces.Dict
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the state components that get a head.

    These are all observations of real numbers, if `state_diagnostics` asks
    for them.

    Args:
      params: parameters of the run.
      observations: observation space of its environment.
    """
    if not params["state_diagnostics"]:
        return {}
    shapes = {
        name: tuple(space.shape)
        for name, space in observations.items()
        if np.issubdtype(space.dtype, np.floating) and name != "image"
    }
    if not shapes:
        _LOGGER.warning(
            "Parameter 'state_diagnostics' has no effect: %s observes nothing "
            "but images.",
            params["tasks"][0],
        )
    return shapes


def _feed_forward(
    params: Params, kind: str, shape: tuple[int, ...]
) -> FeedForward:
    return FeedForward(
        shape,
        params["num_layers"],
        params["num_units"],
        params["activation"],
        params[f"{kind}_head_dist"],
        params[f"{kind}_head_stddev"],
        params[f"{kind}_head_bounds"],
        dtype=POLICIES[params["precision"]],
    )
