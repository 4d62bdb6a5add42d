"""Wrappers that turn actions into one vector between -1 and 1."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TransformAction

DISCRETE = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class DiscreteActions(gymnasium.ActionWrapper):
    """Offers discrete actions as vectors with an entry per choice.

    The choice with the largest entry is taken, so that a one-hot vector stands
    for its choice, and a planner that works with real numbers can propose any
    other vector as well. Several discrete actions at once stand one behind the
    other. An action that is on or off has one entry and is on above 0.

    Args:
      env: Environment with actions of one of the spaces in `DISCRETE`.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        size = spaces.flatdim(env.action_space)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)

    def action(self, action: np.ndarray) -> Any:
        """Returns the choice that `[A]` stands for."""
        space = self.env.action_space
        if isinstance(space, spaces.Discrete):
            return int(np.argmax(action)) + int(space.start)
        if isinstance(space, spaces.MultiBinary):
            chosen = np.asarray(action) > 0
            return chosen.astype(space.dtype).reshape(space.shape)
        parts = np.split(action, np.cumsum(space.nvec)[:-1])
        chosen = np.array([np.argmax(part) for part in parts], space.dtype)
        return chosen.reshape(space.shape) + space.start


class BoxActions(gymnasium.ActionWrapper):
    """Offers a `Box` of any shape and bounds as a vector in [-1, 1].

    Dimensions without finite bounds range over [-1, 1], since both planning
    and random actions need bounds, and those with one over a width of 2 from
    there. Whole numbers are rounded to.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        space = env.action_space
        # MuJoCo writes 1e10 where a control has no bounds.
        has_low, has_high = space.low > -1e9, space.high < 1e9
        low = np.where(has_high, space.high - 2, -1)
        high = np.where(has_low, space.low + 2, 1)
        low = np.where(has_low, space.low, low)
        high = np.where(has_high, space.high, high)
        self._low = low.astype(np.float32).ravel()
        self._high = high.astype(np.float32).ravel()
        self._is_unit = (self._low == -1).all() and (self._high == 1).all()
        self.action_space = spaces.Box(-1.0, 1.0, self._low.shape, np.float32)

    def action(self, action: np.ndarray) -> np.ndarray:
        """Returns `[A]` in the environment's own bounds, shape and type."""
        space = self.env.action_space
        if not self._is_unit:  # Scaling is not exact.
            width = self._high - self._low
            action = (action + 1.0) / 2.0 * width + self._low
        action = np.asarray(action).reshape(space.shape)
        if np.issubdtype(space.dtype, np.integer):
            action = np.rint(action)
        # Not beyond the bounds by what another number type rounds to.
        return np.clip(action.astype(space.dtype), space.low, space.high)


def pad_actions(env: gymnasium.Env, size: int) -> gymnasium.Env:
    """Makes an environment accept longer vectors, of which it drops the end.

    One agent for several tasks acts in the largest of their action spaces.

    Args:
      env: Environment with actions in [-1, 1] of at most that size.
      size: Number of dimensions of the padded actions.

    Raises:
      ValueError: The environment needs more dimensions, or other actions.
    """
    space = env.action_space
    if not isinstance(space, spaces.Box) or size < space.shape[0]:
        raise ValueError(
            f"Cannot pad actions to size {size}: the environment has"
            f" {spaces.flatdim(space)} action dimensions, {space}. Use vectors"
            " of the largest size of all tasks."
        )
    padded = spaces.Box(-1.0, 1.0, (size,), np.float32)
    known = space.shape[0]
    return TransformAction(env, lambda action: action[:known], padded)


def vector_actions(env: gymnasium.Env) -> gymnasium.Env:
    """Wraps an environment so that its actions are a vector `[A]` in [-1, 1].

    Raises:
      ValueError: Its actions cannot be written as a vector.
    """
    space = env.action_space
    if isinstance(space, DISCRETE):
        return DiscreteActions(env)
    if not isinstance(space, spaces.Box):
        raise ValueError(
            f"The action space {space} is not supported; use a Box, Discrete,"
            " MultiDiscrete or MultiBinary space."
        )
    if space.shape == (0,):
        raise ValueError(f"The action space {space} leaves nothing to decide.")
    if len(space.shape) == 1 and space == spaces.Box(-1, 1, space.shape):
        return env
    return BoxActions(env)
