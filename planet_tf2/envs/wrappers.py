"""Wrappers that change time, actions and number types of an environment."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import InterfaceError


class ActionRepeat(gymnasium.Wrapper):
    """Repeats every action and sums the rewards.

    The observation and info are those of the last repetition. An episode that
    ends in between cuts the repetition short. `info['simulator_steps']` tells
    how many steps of the wrapped environment were done.
    """

    def __init__(self, env: gymnasium.Env, amount: int):
        """Wraps an environment.

        Args:
          env: Environment to wrap.
          amount: Simulator steps per agent step, at least 1.
        """
        super().__init__(env)
        self._amount = _positive("action repeat", amount)

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict]:
        """Repeats the action until the amount is reached or the episode ends.

        Returns:
          Tuple of observation, summed reward, terminated, truncated, info.
        """
        total_reward = 0.0
        simulator_steps = 0
        while True:
            obs, reward, terminated, truncated, info = self.env.step(action)
            total_reward += float(reward)
            simulator_steps += info.get("simulator_steps", 1)
            done = terminated or truncated
            if done or simulator_steps >= self._amount:
                break
        info = {**info, "simulator_steps": simulator_steps}
        return obs, total_reward, terminated, truncated, info


class MaximumDuration(gymnasium.Wrapper):
    """Truncates episodes after a number of steps."""

    def __init__(self, env: gymnasium.Env, duration: int):
        """Wraps an environment.

        Args:
          env: Environment to wrap.
          duration: Steps of this wrapper per episode, at least 1.
        """
        super().__init__(env)
        self._duration = _positive("maximum duration", duration)
        self._step: int | None = None

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode and the count of its steps."""
        result = self.env.reset(seed=seed, options=options)
        self._step = 0
        return result

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment; `truncated` is true on the last step.

        Raises:
          gymnasium.error.ResetNeeded: The episode is over.
        """
        _check_running(self._step is not None)
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        if not terminated and self._step >= self._duration:
            truncated = True
        if terminated or truncated:
            self._step = None
        return obs, reward, terminated, truncated, info


class MinimumDuration(gymnasium.Wrapper):
    """Stretches episodes that end early to a number of steps.

    The model trains on chunks of a fixed length, so shorter episodes would be
    of no use. After the end of the wrapped episode its last observation is
    repeated with zero reward, as in an absorbing state: an environment whose
    episode is over need not accept another step.
    """

    def __init__(self, env: gymnasium.Env, duration: int):
        """Wraps an environment.

        Args:
          env: Environment to wrap.
          duration: Least number of steps per episode, at least 1.
        """
        super().__init__(env)
        self._duration = _positive("minimum duration", duration)
        self._step: int | None = None
        self._final: tuple[Any, bool, bool] | None = None

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode and the count of its steps."""
        result = self.env.reset(seed=seed, options=options)
        self._step = 0
        self._final = None
        return result

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment, or repeats its last observation.

        `info['stretched']` is true for the steps that repeat. They count as
        no step of the simulator.

        Raises:
          gymnasium.error.ResetNeeded: The episode is over.
        """
        _check_running(self._step is not None)
        if self._final is None:
            obs, reward, terminated, truncated, info = self.env.step(action)
            if terminated or truncated:
                self._final = (obs, terminated, truncated)
        else:
            obs, terminated, truncated = self._final
            reward, info = 0.0, {"stretched": True, "simulator_steps": 0}
        self._step += 1
        if self._step < self._duration:
            terminated = truncated = False
        if terminated or truncated:
            self._step = None
        return obs, reward, terminated, truncated, info


class NormalizeActions(gymnasium.ActionWrapper):
    """Maps actions in [-1, 1] to the bounds of the environment.

    Dimensions without finite bounds stay as they are.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        space = _action_box(env)
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        self._low = np.where(bounded, space.low, -1.0).astype(np.float32)
        self._high = np.where(bounded, space.high, 1.0).astype(np.float32)
        self.action_space = spaces.Box(
            np.where(bounded, -1.0, space.low).astype(np.float32),
            np.where(bounded, 1.0, space.high).astype(np.float32),
            dtype=np.float32,
        )

    def action(self, action: np.ndarray) -> np.ndarray:
        """Scales `[A]` in [-1, 1] to the bounds."""
        return (action + 1.0) / 2.0 * (self._high - self._low) + self._low


class PadActions(gymnasium.ActionWrapper):
    """Accepts longer actions and drops what the environment does not use.

    One agent for several tasks acts in the largest of their action spaces. The
    added dimensions range over [-1, 1].
    """

    def __init__(self, env: gymnasium.Env, size: int):
        """Wraps an environment.

        Args:
          env: Environment with actions of at most that size.
          size: Number of dimensions of the padded actions.

        Raises:
          ValueError: The environment needs more dimensions than that.
        """
        super().__init__(env)
        space = _action_box(env)
        (self._size,) = space.shape
        if size < self._size:
            raise ValueError(
                f"Cannot pad actions to size {size}: the environment has"
                f" {self._size} action dimensions. Use the largest size of all"
                " tasks."
            )
        ones = np.ones(size - self._size, np.float32)
        self.action_space = spaces.Box(
            np.concatenate([space.low, -ones]).astype(np.float32),
            np.concatenate([space.high, ones]).astype(np.float32),
            dtype=np.float32,
        )

    def action(self, action: np.ndarray) -> np.ndarray:
        """Cuts `[size]` down to the environment's own dimensions."""
        return np.asarray(action)[: self._size]


class ConvertTo32Bit(gymnasium.Wrapper):
    """Converts observations and rewards to 32-bit numbers.

    Floats become float32 and wide integers int32; smaller types such as the
    uint8 of images stay. A value that is not finite is an error here, where
    the simulator that made it is known, rather than a broken model later.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.observation_space = _convert_space(env.observation_space)
        self.action_space = _convert_space(env.action_space)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        return self._convert(obs), info

    def step(
        self, action: np.ndarray
    ) -> tuple[Any, np.float32, bool, bool, dict]:
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
        return self._convert(obs), reward, terminated, truncated, info

    def _convert(self, obs):
        if isinstance(obs, dict):
            return {key: _convert_array(key, obs[key]) for key in obs}
        return _convert_array("observation", obs)


def _convert_array(key: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    dtype = _narrow(array.dtype)
    if dtype == np.int32 and not np.array_equal(_clip(array, dtype), array):
        raise InterfaceError(
            f"The environment returned {key!r} with whole numbers of more than "
            "32 bits. Observe them as floats."
        )
    array = array.astype(dtype, copy=False)
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise InterfaceError(
            f"The environment returned {key!r} with values that are not finite."
        )
    return array


def _convert_space(space: gymnasium.Space) -> gymnasium.Space:
    if isinstance(space, spaces.Dict):
        return spaces.Dict({k: _convert_space(v) for k, v in space.items()})
    if not isinstance(space, spaces.Box):
        return space
    dtype = _narrow(space.dtype)
    low, high = (_clip(x, dtype).astype(dtype) for x in (space.low, space.high))
    return spaces.Box(low, high, dtype=dtype)


def _clip(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Returns whole numbers within the bounds of a type, others as they are."""
    if array.dtype == dtype or not np.issubdtype(dtype, np.integer):
        return array
    bounds = np.iinfo(dtype)
    # Not `np.clip`, to which the lower bound of unsigned numbers is an error.
    array = np.where(array > bounds.max, bounds.max, array)
    return np.where(array < bounds.min, bounds.min, array)


def _narrow(dtype: np.dtype) -> np.dtype:
    if np.issubdtype(dtype, np.floating):
        return np.dtype(np.float32)
    if dtype in (np.int64, np.uint64, np.uint32):
        return np.dtype(np.int32)
    return np.dtype(dtype)


def _action_box(env: gymnasium.Env) -> spaces.Box:
    space = env.action_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise ValueError(
            "The action space must be a Box with one axis (continuous"
            f" actions), but it is {space}."
        )
    return space


def _check_running(running: bool) -> None:
    if not running:
        raise gymnasium.error.ResetNeeded(
            "The episode is over; call reset() before step()."
        )


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} is {value!r}, but must be a whole number.")
    if value < 1:
        raise ValueError(f"{name} is {value}, but must be at least 1.")
    return int(value)
