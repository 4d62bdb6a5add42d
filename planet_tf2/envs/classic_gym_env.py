"""Environments of classic `gym`, the predecessor of Gymnasium."""

import contextlib
import importlib
import inspect
import io
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from planet_tf2.envs.arguments import explain_refusal
from planet_tf2.envs.foreign_spaces import as_space


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
        self.observation_space = as_space(env.observation_space)
        self.action_space = as_space(env.action_space)
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


def make_classic_gym(
    env_id: str, kwargs: Mapping[str, Any] | None = None
) -> gymnasium.Env:
    """Makes an environment of classic `gym` by its id, and its arguments.

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
    fixed = {"render_mode": "rgb_array", "disable_env_checker": True}
    kwargs = kwargs or {}
    try:
        return ClassicGym(gym.make(env_id, **fixed, **kwargs))
    except TypeError as error:
        registry = gym.envs.registration.registry
        explain_refusal(registry, env_id, kwargs, error)
        raise
    except gym.error.Error as error:
        text = f"Classic gym cannot make {env_id!r}: {error}"
        raise ValueError(text) from error
