"""Wrappers that change time and number types of an environment."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import InterfaceError


class ActionRepeat(gymnasium.Wrapper):
    """Repeats every action and sums the rewards.

    The observation and info are those of the last repetition. An episode that
    ends in between cuts the repetition short. `info['simulator_steps']` tells
    how many steps of the simulator were done.

    Args:
      env: Environment to wrap.
      amount: Simulator steps per agent step, at least 1.
    """

    def __init__(self, env: gymnasium.Env, amount: int):
        super().__init__(env)
        self._amount = amount

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Repeats the action until the amount is reached or the episode ends.

        Returns:
          Tuple of observation, summed reward, terminated, truncated, info.
        """
        total_reward, steps, over = 0.0, 0, False
        while not over and steps < self._amount:
            obs, reward, terminated, truncated, info = self.env.step(action)
            total_reward += float(reward)
            steps += info.get("simulator_steps", 1)
            over = terminated or truncated
        info = {**info, "simulator_steps": steps}
        return obs, total_reward, terminated, truncated, info


class Duration(gymnasium.Wrapper):
    """Bounds the number of steps of an episode.

    Longer episodes are truncated. Shorter ones are stretched, since a model
    that trains on chunks of a fixed length cannot use them: the last
    observation is repeated with zero reward, as in an absorbing state. An
    environment whose episode is over need not accept another step.

    Args:
      env: Environment to wrap.
      maximum: Steps of this wrapper after which episodes are truncated.
      minimum: Steps that shorter episodes are stretched to.
    """

    def __init__(self, env: gymnasium.Env, maximum: int, minimum: int = 1):
        super().__init__(env)
        self._maximum, self._minimum = maximum, minimum
        self._step: int | None = None
        self._end: tuple[Any, bool, bool] | None = None

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode and the count of its steps."""
        result = self.env.reset(seed=seed, options=options)
        self._step, self._end = 0, None
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment, or repeats its last observation.

        An episode that is stretched ends as the environment's own did:
        terminated or truncated. Repetitions count as no simulator steps.

        Raises:
          gymnasium.error.ResetNeeded: The episode is over.
        """
        if self._step is None:
            raise gymnasium.error.ResetNeeded(
                "The episode is over; call reset() before step()."
            )
        self._step += 1
        if self._end is None:
            obs, reward, terminated, truncated, info = self.env.step(action)
            if not terminated and self._step >= self._maximum:
                truncated = True
            if terminated or truncated:
                self._end = obs, terminated, truncated
        else:
            obs, terminated, truncated = self._end
            reward, info = 0.0, {"simulator_steps": 0}
        if self._step < self._minimum:
            terminated = truncated = False
        if terminated or truncated:
            self._step = None
        return obs, reward, terminated, truncated, info


class ConvertTo32Bit(gymnasium.Wrapper):
    """Converts named observations and rewards to 32-bit numbers.

    Floats become float32 and wide integers int32; smaller types such as the
    uint8 of images stay. A value that is not finite is an error here, where
    the simulator that made it is known, rather than a broken model later.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.observation_space = spaces.Dict(
            {
                name: _convert_space(space)
                for name, space in env.observation_space.items()
            }
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        return _convert(obs), info

    def step(self, action: Any) -> tuple[Any, np.float32, bool, bool, dict]:
        """Steps the environment.

        Raises:
          InterfaceError: An observation or the reward is not finite.
        """
        obs, reward, terminated, truncated, info = self.env.step(action)
        reward = np.float32(reward)
        if not np.isfinite(reward):
            raise InterfaceError(
                f"The environment returned the reward {reward}."
            )
        return _convert(obs), reward, terminated, truncated, info


def _convert(observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    converted = {}
    for name, array in observation.items():
        narrow = array.astype(_narrow(array.dtype), copy=False)
        if np.issubdtype(narrow.dtype, np.floating):
            if not np.isfinite(narrow).all():
                raise InterfaceError(
                    f"The environment returned {name!r} with values that are"
                    " not finite."
                )
        elif narrow is not array and not np.array_equal(narrow, array):
            raise InterfaceError(
                f"The environment returned {name!r} with whole numbers of more"
                " than 32 bits. Observe them as floats."
            )
        converted[name] = narrow
    return converted


def _convert_space(space: spaces.Box) -> spaces.Box:
    dtype = _narrow(space.dtype)
    low, high = space.low, space.high
    if dtype == np.int32:
        bounds = np.iinfo(dtype)
        # As floats, since NumPy refuses to clip unsigned numbers below zero.
        low, high = (
            np.clip(bound.astype(np.float64), bounds.min, bounds.max)
            for bound in (low, high)
        )
    return spaces.Box(low.astype(dtype), high.astype(dtype), dtype=dtype)


def _narrow(dtype: np.dtype) -> np.dtype:
    if np.issubdtype(dtype, np.floating):
        return np.dtype(np.float32)
    if dtype in (np.int64, np.uint64, np.uint32):
        return np.dtype(np.int32)
    return np.dtype(dtype)
