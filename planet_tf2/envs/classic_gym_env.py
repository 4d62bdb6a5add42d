"""Environments of classic `gym`, the predecessor of Gymnasium."""

import contextlib
import importlib
import inspect
import io
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import InterfaceError


class ClassicGym(gymnasium.Env):
    """Gives an environment of classic `gym` the interface of Gymnasium.

    Both of its interfaces are understood, whichever class the environment is
    of: that of `gym` 0.26 (`reset` takes the seed and returns two values,
    `step` returns five), and the one before (`seed`, `reset` that returns the
    observation, `step` that returns four values, `render(mode)`).
    """

    render_mode = "rgb_array"

    def __init__(self, env: Any):
        """Wraps an environment.

        Args:
          env: Object with `reset`, `step`, `observation_space` and
            `action_space`, and `render` unless it observes images.

        Raises:
          ValueError: One of its spaces has no counterpart in Gymnasium.
        """
        self._env = env
        self._widens = True
        self.observation_space = _convert(env.observation_space)
        self.action_space = _convert(env.action_space)
        inner = getattr(env, "unwrapped", env)
        known = inspect.signature(inner.reset).parameters
        self._reset_takes_seed = "seed" in known
        self._renders_by_mode = getattr(env, "render_mode", None) is None
        spec = getattr(env, "spec", None)
        self.max_episode_steps = getattr(spec, "max_episode_steps", None)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        if self._reset_takes_seed:
            result = self._env.reset(seed=seed)
        else:
            if seed is not None and hasattr(self._env, "seed"):
                self._env.seed(seed)
            result = self._env.reset()
        if self._has_info(result):
            return result
        return result, {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment.

        Raises:
          InterfaceError: The environment's own `step` returned neither four nor
            five values.
        """
        result = self._step(action)
        if isinstance(result, tuple) and len(result) == 5:
            return result
        if isinstance(result, tuple) and len(result) == 4:
            obs, reward, done, info = result
            truncated = bool(done and info.get("TimeLimit.truncated", False))
            return obs, reward, bool(done) and not truncated, truncated, info
        raise InterfaceError(
            "The environment's step() must return (observation, reward, done,"
            " info), or (observation, reward, terminated, truncated, info)."
        )

    def _step(self, action: Any) -> Any:
        is_narrow = getattr(action, "dtype", None) == np.float32
        if not (is_narrow and self._widens):
            return self._env.step(action)
        # As float32 they would not mix with Python's numbers the way they did
        # in the days of gym: its Pendulum and CarRacing break.
        try:
            return self._env.step(action.astype(np.float64))
        except AssertionError:
            # Many look whether their space has the action; it has no wider ones
            # than its own. If that was not the reason, this fails as well.
            result = self._env.step(action)
            self._widens = False
            return result

    def render(self) -> Any:
        """Returns the picture of the current state."""
        if self._renders_by_mode:
            return self._env.render(mode="rgb_array")
        return self._env.render()

    def close(self) -> None:
        """Closes the environment."""
        if hasattr(self._env, "close"):
            self._env.close()

    def _has_info(self, result: Any) -> bool:
        if not (isinstance(result, tuple) and len(result) == 2):
            return False
        if not isinstance(result[1], dict):
            return False
        # An observation may be a pair as well.
        paired = isinstance(self.observation_space, spaces.Tuple)
        return not (paired and self.observation_space.contains(result))


def make_classic_gym(env_id: str) -> gymnasium.Env:
    """Makes an environment of classic `gym` by its id.

    Raises:
      ValueError: `gym` is not installed, or has no such environment.
    """
    try:
        # It says at length that it is out of date.
        with contextlib.redirect_stderr(io.StringIO()):
            gym = importlib.import_module("gym")
    except ImportError as error:
        raise ValueError(
            f"classic_gym:{env_id} needs the package gym, which is not"
            " installed: pip install -e '.[gym]'. Most of its environments are"
            f" in Gymnasium too: gym:{env_id}."
        ) from error
    try:
        # Its checker of environments does not work with NumPy 2.
        env = gym.make(
            env_id, render_mode="rgb_array", disable_env_checker=True
        )
        return ClassicGym(env)
    except gym.error.Error as error:
        raise ValueError(f"Classic gym cannot make {env_id!r}: {error}") from (
            error
        )


def _convert(space: Any) -> gymnasium.Space:
    """Returns the same space as one of Gymnasium's."""
    if isinstance(space, gymnasium.Space):
        return space
    kind = type(space).__name__
    if kind not in _SPACES:
        raise ValueError(
            f"The space {space!r} of the environment has no counterpart in"
            " Gymnasium."
        )
    return _SPACES[kind](space)


# By name, so that gym need not be installed for environments that look like it.
_SPACES = {
    "Box": lambda s: spaces.Box(s.low, s.high, s.shape, s.dtype),
    "Discrete": lambda s: spaces.Discrete(
        int(s.n), start=int(getattr(s, "start", 0))
    ),
    "MultiDiscrete": lambda s: spaces.MultiDiscrete(s.nvec),
    "MultiBinary": lambda s: spaces.MultiBinary(s.n),
    "Tuple": lambda s: spaces.Tuple([_convert(part) for part in s.spaces]),
    "Dict": lambda s: spaces.Dict(
        {key: _convert(part) for key, part in s.spaces.items()}
    ),
}
