"""Spaces of classic gym, and specs of dm_env, as spaces of Gymnasium."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


def as_space(space: Any) -> gymnasium.Space:
    """Returns the same space as one of Gymnasium's.

    Kinds are told by name, so that neither gym nor dm_env need be installed for
    environments that look like it. Numbers with a fraction become float32.

    Raises:
      ValueError: It is no space, or has no counterpart in Gymnasium.
    """
    if isinstance(space, gymnasium.Space):
        return space
    if isinstance(space, Mapping):
        return spaces.Dict({key: as_space(space[key]) for key in space})
    if isinstance(space, list | tuple):
        return spaces.Tuple([as_space(part) for part in space])
    for kind in type(space).__mro__:
        if kind.__name__ in _COUNTERPARTS:
            return _COUNTERPARTS[kind.__name__](space)
    raise ValueError(f"Gymnasium has no counterpart of the space {space!r}.")


def _array(spec: Any) -> spaces.Box:
    """Returns the space of an `Array` of dm_env, `BoundedArray` or not."""
    dtype = np.dtype(spec.dtype)
    bounds = -np.inf, np.inf
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype).min, np.iinfo(dtype).max
    elif dtype.kind == "b":
        bounds = False, True
    else:
        dtype = np.dtype(np.float32)
    low, high = (
        np.broadcast_to(np.asarray(bound).astype(dtype), spec.shape)
        for bound in (
            getattr(spec, "minimum", bounds[0]),
            getattr(spec, "maximum", bounds[1]),
        )
    )
    return spaces.Box(low, high, spec.shape, dtype)


_COUNTERPARTS = {
    "Box": lambda s: spaces.Box(s.low, s.high, s.shape, s.dtype),
    "Discrete": lambda s: spaces.Discrete(
        int(s.n), start=int(getattr(s, "start", 0))
    ),
    "MultiDiscrete": lambda s: spaces.MultiDiscrete(s.nvec),
    "MultiBinary": lambda s: spaces.MultiBinary(s.n),
    "Tuple": lambda s: as_space(tuple(s.spaces)),
    "Dict": lambda s: as_space(s.spaces),
    "DiscreteArray": lambda s: spaces.Discrete(s.num_values),
    "Array": _array,
}
