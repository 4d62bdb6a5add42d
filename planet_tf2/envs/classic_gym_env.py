"""Environments of classic `gym`, the predecessor of Gymnasium."""

import contextlib
import importlib
import inspect
import io
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class ClassicGym(gymnasium.Env):
    """Gives an environment of classic `gym` the interface of Gymnasium.

    Both of its interfaces are understood, whichever class the environment is
    of: that of `gym` 0.26 (`reset` takes the seed and returns two values,
    `step` returns five), and the one before (`seed`, `reset` that returns the
    observation, `step` that returns four values, `render(mode)`).

    Args:
      env: Object with `reset`, `step`, `observation_space` and `action_space`,
        and `render` unless it observes images.

    Raises:
      ValueError: One of its spaces has no counterpart in Gymnasium.
    """

    render_mode = "rgb_array"

    def __init__(self, env: Any):
        self._env = env
        self._widens = True
        self.observation_space = _convert(env.observation_space)
        self.action_space = _convert(env.action_space)
        inner = getattr(env, "unwrapped", env)
        self._is_new = "seed" in inspect.signature(inner.reset).parameters
        spec = getattr(env, "spec", None)
        self.max_episode_steps = getattr(spec, "max_episode_steps", None)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        if self._is_new:
            return self._env.reset(seed=seed)
        if seed is not None and hasattr(self._env, "seed"):
            self._env.seed(seed)
        return self._env.reset(), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment."""
        result = self._step(action)
        if not isinstance(result, tuple) or len(result) != 4:
            return result  # As it should be, or `CheckedInterface` complains.
        obs, reward, done, info = result
        truncated = bool(done and info.get("TimeLimit.truncated", False))
        return obs, reward, bool(done) and not truncated, truncated, info

    def _step(self, action: Any) -> Any:
        # As float32 they would not mix with Python's numbers the way they did
        # in the days of gym: its Pendulum and CarRacing break.
        if self._widens and getattr(action, "dtype", None) == np.float32:
            try:
                return self._env.step(action.astype(np.float64))
            except AssertionError:
                # Many look whether their space has the action; it has no wider
                # ones than its own.
                self._widens = False
        return self._env.step(action)

    def render(self) -> Any:
        """Returns the picture of the current state."""
        if getattr(self._env, "render_mode", None) is None:
            return self._env.render(mode="rgb_array")
        return self._env.render()

    def close(self) -> None:
        """Closes the environment."""
        if hasattr(self._env, "close"):
            self._env.close()


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
    # Its checker of environments does not work with NumPy 2.
    kwargs = {"render_mode": "rgb_array", "disable_env_checker": True}
    try:
        return ClassicGym(gym.make(env_id, **kwargs))
    except gym.error.Error as error:
        text = f"Classic gym cannot make {env_id!r}: {error}"
        raise ValueError(text) from error


def _convert(space: Any) -> gymnasium.Space:
    """Returns the same space as one of Gymnasium's.

    Kinds are told by name, so that gym need not be installed for environments
    that look like it.
    """
    if isinstance(space, gymnasium.Space):
        return space
    match type(space).__name__:
        case "Box":
            return spaces.Box(space.low, space.high, space.shape, space.dtype)
        case "Discrete":
            start = int(getattr(space, "start", 0))
            return spaces.Discrete(int(space.n), start=start)
        case "MultiDiscrete":
            return spaces.MultiDiscrete(space.nvec)
        case "MultiBinary":
            return spaces.MultiBinary(space.n)
        case "Tuple":
            return spaces.Tuple([_convert(part) for part in space.spaces])
        case "Dict":
            return spaces.Dict(
                {key: _convert(part) for key, part in space.spaces.items()}
            )
    raise ValueError(f"Gymnasium has no counterpart of the space {space!r}.")
