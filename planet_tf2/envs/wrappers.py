"""Wrappers that change the time of an environment, and check its numbers."""

from typing import Any

import gymnasium
import numpy as np

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


class CheckFinite(gymnasium.Wrapper):
    """Refuses numbers that are not finite, and returns rewards as float32.

    Such a number is an error here, where the simulator that made it is known,
    rather than a broken model later.
    """

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode.

        Raises:
          InterfaceError: An observation is not finite.
        """
        obs, info = self.env.reset(seed=seed, options=options)
        _check_finite(obs)
        return obs, info

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
        _check_finite(obs)
        return obs, reward, terminated, truncated, info


def _check_finite(observation: dict[str, np.ndarray]) -> None:
    for name, array in observation.items():
        if array.dtype != np.uint8 and not np.isfinite(array).all():
            raise InterfaceError(
                f"The environment returned {name!r} with values that are not"
                " finite."
            )
