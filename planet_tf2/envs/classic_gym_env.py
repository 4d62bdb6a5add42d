"""Environments of classic `gym`, the predecessor of Gymnasium."""

import contextlib
import importlib
import io
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from planet_tf2.envs.calls import adapt
from planet_tf2.envs.gymnasium_env import make_by_id
from planet_tf2.envs.interface import as_space


class ClassicGym(gymnasium.Env):
    """Gives an environment of classic `gym` the interface of Gymnasium.

    That of `gym` 0.26 and the one before are understood, see `calls`, whichever
    class the environment is of.

    Args:
      env: Object with `reset`, `step`, `observation_space` and `action_space`,
        and `render` unless it observes images.

    Raises:
      ValueError: One of its spaces has no counterpart in Gymnasium.
    """

    render_mode = "rgb_array"

    def __init__(self, env: Any):
        self._env = adapt(env)
        self._widens = True
        self.observation_space = as_space(env.observation_space)
        self.action_space = as_space(env.action_space)
        spec = getattr(env, "spec", None)
        self.max_episode_steps = getattr(spec, "max_episode_steps", None)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        return self._env.reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment."""
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
    return ClassicGym(make_by_id(gym, env_id, kwargs or {}))
