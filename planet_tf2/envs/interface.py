"""From other people's environments to checked results with names."""

import contextlib
import math
import numbers
from collections.abc import Collection, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import (
    ONE_ENVIRONMENT,
    InterfaceError,
    as_array,
    what_is,
)
from planet_tf2.envs.images import find_form

_RESET = ("observation", "info")
_STEP = ("observation", "reward", "terminated", "truncated", "info")
# Numbers of an observation that cost next to nothing beside an image.
_FEW = 1000


class CheckedInterface(gymnasium.Wrapper):
    """Holds an environment to its own spaces, and names its observations.

    A result that does not fit ends in an error here, which names it, rather
    than in a broken model or in half of an episode. Numbers that only have
    another width than the space says are converted. Of the info nothing is
    kept but `simulator_steps`, and `terminal` if it is true, which a step after
    which the episode goes on may be: others may be what no process can read.

    A bare image is called `image`, everything else that is bare `state`; a dict
    keeps its names. Images stay what they are, everything else becomes float32
    (a discrete observation one-hot), and what has no fixed size is left out, as
    is everything but `image` that has more than 1,000 numbers.

    Args:
      env: The environment.
      wanted: Names of large observations to keep; None for all.

    Attributes:
      left_out: Names of those that were too large.

    Raises:
      ValueError: The environment does not have Gymnasium's interface.
    """

    def __init__(self, env: gymnasium.Env, wanted: Collection[str] | None = ()):
        super().__init__(env)
        for name in ("observation_space", "action_space"):
            try:
                setattr(self, name, as_space(getattr(env, name, None)))
            except ValueError as error:
                raise ValueError(
                    f"The environment {type(env.unwrapped).__name__} has no"
                    f" {name}, which must be one of gymnasium.spaces. {error}"
                ) from error
        self._inner = self.observation_space
        self._bare = None
        if not isinstance(self._inner, spaces.Dict):
            is_image = find_form(self._inner, named=False) is not None
            self._bare = "image" if is_image else "state"
        parts = self._named(self._inner)
        arrays = {name: _array_space(part) for name, part in parts.items()}
        if isinstance(parts.get("image"), spaces.Box):
            arrays["image"] = parts["image"]
        self.left_out = [
            name
            for name, space in arrays.items()
            if wanted is not None
            and name not in ("image", *wanted)
            and space is not None
            and math.prod(space.shape) > _FEW
        ]
        self._parts = {
            name: part
            for name, part in parts.items()
            if arrays[name] is not None and name not in self.left_out
        }
        self.observation_space = spaces.Dict(
            {name: arrays[name] for name in self._parts}
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode, or raises an InterfaceError."""
        result = self.env.reset(seed=seed, options=options)
        obs, info = _tuple("reset", result, _RESET)
        return self._observation(obs), _info(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Steps the environment, or raises an InterfaceError."""
        obs, reward, terminated, truncated, info = _tuple(
            "step", self.env.step(action), _STEP
        )
        return (
            self._observation(obs),
            float(_number("reward", reward)),
            bool(_number("terminated", terminated)),
            bool(_number("truncated", truncated)),
            _info(info),
        )

    def _named(self, value: Any) -> Mapping[str, Any]:
        return value if self._bare is None else {self._bare: value}

    def _observation(self, observation: Any) -> dict[str, np.ndarray]:
        found = _fitting(self._inner, observation)
        named = self._named(found)
        result = {}
        for name, part in self._parts.items():
            value, space = named[name], self.observation_space.spaces[name]
            if not isinstance(part, spaces.Box):
                value = spaces.flatten(part, value)
            result[name] = np.asarray(value, space.dtype).reshape(space.shape)
        return result


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


def _array_spec(spec: Any) -> spaces.Box:
    """Returns the space of an `Array` of dm_env, `BoundedArray` or not."""
    dtype = np.dtype(spec.dtype)
    low, high = -np.inf, np.inf
    if dtype.kind == "b":
        low, high = False, True
    elif dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    else:
        dtype = np.dtype(np.float32)
    low = np.asarray(getattr(spec, "minimum", low)).astype(dtype)
    high = np.asarray(getattr(spec, "maximum", high)).astype(dtype)
    return spaces.Box(
        np.broadcast_to(low, spec.shape),
        np.broadcast_to(high, spec.shape),
        spec.shape,
        dtype,
    )


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
    "Array": _array_spec,
}


def episode_limit(env: gymnasium.Env) -> int | None:
    """Returns the steps after which an environment ends its episodes itself.

    It is known of registered environments, inside of Gymnasium's `TimeLimit`,
    and where there is an attribute `max_episode_steps`.
    """
    limits = [getattr(env.spec, "max_episode_steps", None)]
    for name in ("max_episode_steps", "_max_episode_steps"):
        with contextlib.suppress(AttributeError):
            limits.append(env.get_wrapper_attr(name))
    for limit in limits:
        # Some say -1 or infinity where there is no limit.
        if isinstance(limit, numbers.Real) and 1 <= limit < math.inf:
            return int(limit)
    return None


def _array_space(space: gymnasium.Space) -> spaces.Box | None:
    if space.dtype == np.uint8 and find_form(space):
        return space
    if isinstance(space, spaces.Box):
        low, high = (
            bound.astype(np.float32).reshape(space.shape or (1,))
            for bound in (space.low, space.high)
        )
        return spaces.Box(low, high, dtype=np.float32)
    try:
        flat = spaces.flatten_space(space)
    except NotImplementedError:  # Somebody's own kind of space.
        return None
    if not isinstance(flat, spaces.Box):
        return None
    return spaces.Box(-np.inf, np.inf, flat.shape, np.float32)


def _tuple(method: str, result: Any, names: tuple[str, ...]) -> tuple:
    if isinstance(result, tuple) and len(result) == len(names):
        return result
    found = type(result).__name__
    if isinstance(result, tuple):
        found = f"a tuple of {len(result)}"
    raise InterfaceError(
        f"The environment's {method}() returned {found}, but it must return"
        f" the tuple ({', '.join(names)})."
    )


def _fitting(space: gymnasium.Space, value: Any, key: Any = None) -> Any:
    """Returns the value in the form that the space has, or raises."""
    hint = ""
    if isinstance(space, spaces.Dict):
        parts = space.spaces
        if isinstance(value, Mapping) and value.keys() == parts.keys():
            return {
                key: _fitting(part, value[key], key)
                for key, part in parts.items()
            }
        found = type(value).__name__
        if isinstance(value, Mapping):
            found = f"the entries {', '.join(map(str, value))}"
    elif isinstance(space, spaces.Box):
        array = as_array(value)
        # Limits are not looked at, which many exceed a little.
        same_kind = np.can_cast(array.dtype, space.dtype, "same_kind")
        if array.shape == space.shape and same_kind:
            return array.astype(space.dtype, copy=False)
        found = what_is(value)
        if array.ndim and array.shape[1:] == space.shape:
            hint = f" ({ONE_ENVIRONMENT})"
    elif space.contains(value):
        return value
    else:
        found = repr(value)
    name = "" if key is None else f" {key!r}"
    raise InterfaceError(
        f"The environment returned {found} as the observation{name}{hint}, but"
        f" its space is {space}."
    )


def _number(name: str, value: Any) -> Any:
    """Returns a number, a flag, or what an array of only one holds."""
    if isinstance(value, (bool, float)):
        return value
    array = as_array(value)
    if array.dtype.kind not in "biuf" or array.size != 1:
        raise InterfaceError(
            f"The environment returned the {name} {value!r}, but it must be a"
            " number, or True or False."
        )
    return array.item()


def _info(info: Any) -> dict[str, int]:
    if not isinstance(info, Mapping):
        raise InterfaceError(
            f"The environment returned {type(info).__name__} as info, but it"
            " must be a dictionary."
        )
    found = {"terminal": True} if info.get("terminal") is True else {}
    if "simulator_steps" not in info:
        return found
    steps = info["simulator_steps"]
    if not isinstance(steps, numbers.Integral) or steps < 1:
        raise InterfaceError(
            f"The environment returned {steps!r} as info['simulator_steps'],"
            " but it must be an integer, at least 1."
        )
    return {**found, "simulator_steps": int(steps)}
