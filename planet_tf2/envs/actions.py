"""Wrappers that turn action spaces into one vector between -1 and 1."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

DISCRETE = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class DiscreteActions(gymnasium.ActionWrapper):
    """Offers discrete actions as vectors with an entry per choice.

    The choice with the largest entry is taken, so that a one-hot vector stands
    for its choice, and a planner that works with real numbers can propose any
    other vector as well. Several discrete actions at once stand one behind the
    other. An action that is on or off has one entry and is on above 0.
    """

    def __init__(self, env: gymnasium.Env):
        """Wraps an environment.

        Args:
          env: Environment with `Discrete`, `MultiDiscrete` or `MultiBinary`
            actions.

        Raises:
          ValueError: It has other actions.
        """
        super().__init__(env)
        size = _vector_size(env.action_space)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)

    def action(self, action: np.ndarray) -> Any:
        """Returns the choice that `[A]` stands for."""
        space = self.env.action_space
        if isinstance(space, spaces.Discrete):
            return int(np.argmax(action)) + int(space.start)
        if isinstance(space, spaces.MultiBinary):
            chosen = np.asarray(action) > 0
            return chosen.astype(space.dtype).reshape(space.shape)
        amounts = space.nvec.ravel()
        parts = np.split(np.asarray(action), np.cumsum(amounts)[:-1])
        chosen = np.array([np.argmax(part) for part in parts], space.dtype)
        return chosen.reshape(space.shape) + space.start


class FlattenActions(gymnasium.ActionWrapper):
    """Offers a `Box` of any shape as a vector.

    Dimensions without finite bounds range over [-1, 1], since both planning
    and random actions need bounds, and those with one over a width of 2 from
    there. Whole numbers are rounded to.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        space = env.action_space
        # MuJoCo writes 1e10 where a control has no bounds.
        has_low, has_high = space.low > -1e9, space.high < 1e9
        low = np.where(
            has_low, space.low, np.where(has_high, space.high - 2, -1)
        )
        high = np.where(
            has_high, space.high, np.where(has_low, space.low + 2, 1)
        )
        self.action_space = spaces.Box(
            low.astype(np.float32).ravel(),
            high.astype(np.float32).ravel(),
            dtype=np.float32,
        )

    def action(self, action: np.ndarray) -> np.ndarray:
        """Returns `[A]` in the environment's own shape and type."""
        space = self.env.action_space
        action = np.asarray(action).reshape(space.shape)
        if np.issubdtype(space.dtype, np.integer):
            action = np.rint(action)
        # Not beyond the bounds by what another number type rounds to.
        return np.clip(action.astype(space.dtype), space.low, space.high)


def vector_actions(env: gymnasium.Env) -> gymnasium.Env:
    """Wraps an environment so that its actions are a bounded vector `[A]`.

    Raises:
      ValueError: Its actions cannot be written as a vector.
    """
    space = env.action_space
    if not isinstance(space, spaces.Box):
        return DiscreteActions(env)
    if space.shape == (0,):
        raise ValueError(f"The action space {space} leaves nothing to decide.")
    return FlattenActions(env)


def _vector_size(space: gymnasium.Space) -> int:
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, spaces.MultiBinary):
        return int(np.prod(space.shape))
    raise ValueError(
        f"The action space {space} is not supported; use a Box, Discrete,"
        " MultiDiscrete or MultiBinary space."
    )
