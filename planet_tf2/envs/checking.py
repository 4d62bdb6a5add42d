"""Checks what environments of others return, close to where it comes from."""

import numbers
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import InterfaceError


class CheckResults(gymnasium.Wrapper):
    """Makes sure that an environment keeps to its own spaces.

    A result that does not fit ends in an error here, which names it, rather
    than in a broken model or in half of an episode. Numbers that only have
    another width than the space says are converted. Of the info nothing is
    kept but `simulator_steps`: it may hold what no other process can read.
    """

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode.

        Raises:
          InterfaceError: The result is not a tuple of observation and info, or
            the observation does not fit the observation space.
        """
        result = _tuple(
            "reset", self.env.reset(seed=seed, options=options), _RESET
        )
        return self._observation(result[0]), _info(result[1])

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Steps the environment.

        Raises:
          InterfaceError: The result is not a tuple of observation, reward,
            terminated, truncated and info, the observation does not fit the
            observation space, or the reward is not a finite number.
        """
        obs, reward, terminated, truncated, info = _tuple(
            "step", self.env.step(action), _STEP
        )
        return (
            self._observation(obs),
            _reward(reward),
            _flag("terminated", terminated),
            _flag("truncated", truncated),
            _info(info),
        )

    def _observation(self, observation: Any) -> Any:
        return _fitting("the observation", self.observation_space, observation)


_RESET = ("observation", "info")
_STEP = ("observation", "reward", "terminated", "truncated", "info")


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


def _fitting(name: str, space: gymnasium.Space, value: Any) -> Any:
    """Returns the value in the form that the space has, or raises."""
    if isinstance(space, spaces.Dict):
        return _fitting_dict(name, space, value)
    if isinstance(space, spaces.Box):
        return _fitting_box(name, space, value)
    if not space.contains(value):
        raise InterfaceError(
            f"The environment returned {name} {value!r}, which is not in its"
            f" space {space}."
        )
    return value


def _fitting_dict(name: str, space: spaces.Dict, value: Any) -> dict:
    if not isinstance(value, Mapping) or set(value) != set(space):
        found = type(value).__name__
        if isinstance(value, Mapping):
            found = f"the entries {', '.join(map(str, value))}"
        raise InterfaceError(
            f"The environment returned {found} as {name}, but its observation"
            f" space has the entries {', '.join(space)}."
        )
    return {
        key: _fitting(f"the observation {key!r}", part, value[key])
        for key, part in space.items()
    }


def _fitting_box(name: str, space: spaces.Box, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != space.shape:
        raise InterfaceError(
            f"The environment returned {name} with shape {list(array.shape)},"
            f" but its space says {list(space.shape)}."
        )
    if not np.can_cast(array.dtype, space.dtype, "same_kind"):
        raise InterfaceError(
            f"The environment returned {name} as {array.dtype}, but its space"
            f" says {space.dtype}."
        )
    if np.issubdtype(array.dtype, np.floating) and np.isnan(array).any():
        raise InterfaceError(f"The environment returned {name} with NaN in it.")
    return array.astype(space.dtype, copy=False)


def _reward(reward: Any) -> float:
    array = np.asarray(reward)
    known = array.dtype.kind in "biuf" and array.size == 1
    if not known or not np.isfinite(array).all():
        raise InterfaceError(
            f"The environment returned the reward {reward!r}, but it must be a"
            " finite number."
        )
    return float(array.reshape(()))


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral | np.ndarray) and np.size(value) == 1:
        return bool(value)
    raise InterfaceError(
        f"The environment returned {value!r} as {name}, but it must be True or"
        " False."
    )


def _info(info: Any) -> dict[str, int]:
    if not isinstance(info, Mapping):
        raise InterfaceError(
            f"The environment returned {type(info).__name__} as info, but it"
            " must be a dictionary."
        )
    if "simulator_steps" not in info:
        return {}
    steps = info["simulator_steps"]
    whole = isinstance(steps, numbers.Integral) and not isinstance(steps, bool)
    if not whole or steps < 1:
        raise InterfaceError(
            f"The environment returned {steps!r} as info['simulator_steps'],"
            " but it must be a whole number of at least 1."
        )
    return {"simulator_steps": int(steps)}
