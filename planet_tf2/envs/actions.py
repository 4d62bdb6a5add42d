"""Wrappers that turn actions into one vector between -1 and 1."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TransformAction

DISCRETE = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_UNKNOWN = (
    "The action space {} is not supported; use a Box, Discrete, MultiDiscrete"
    " or MultiBinary space."
)


def _discrete_actions(env: gymnasium.Env) -> gymnasium.Env:
    """Offers discrete actions as vectors with an entry per choice.

    The choice with the largest entry is taken, so that a one-hot vector stands
    for its choice, and a planner that works with real numbers can propose any
    other vector as well. Several discrete actions at once stand one behind the
    other. An action that is on or off has one entry and is on above 0.
    """
    space = env.action_space

    def choice(action: np.ndarray) -> Any:
        if isinstance(space, spaces.Discrete):
            return np.int64(np.argmax(action) + space.start)
        if isinstance(space, spaces.MultiBinary):
            chosen = np.asarray(action) > 0
            return chosen.astype(space.dtype).reshape(space.shape)
        parts = np.split(action, np.cumsum(space.nvec)[:-1])
        chosen = np.array([np.argmax(part) for part in parts], space.dtype)
        return chosen.reshape(space.shape) + space.start

    return TransformAction(env, choice, _unit_box(spaces.flatdim(space)))


def _box_actions(env: gymnasium.Env) -> gymnasium.Env:
    """Offers a `Box` of any shape and bounds as a vector in [-1, 1].

    Dimensions without finite bounds range over [-1, 1], since both planning
    and random actions need bounds, and those with one over a width of 2 from
    there. Whole numbers are rounded to.
    """
    space = env.action_space
    low, high = _range(space)
    is_unit = (low == -1).all() and (high == 1).all()

    def scale(action: np.ndarray) -> np.ndarray:
        if not is_unit:  # Scaling is not exact.
            action = (action + 1.0) / 2.0 * (high - low) + low
        action = np.asarray(action).reshape(space.shape)
        if np.issubdtype(space.dtype, np.integer):
            action = np.rint(action)
        # Not beyond the bounds by what another number type rounds to.
        return np.clip(action.astype(space.dtype), space.low, space.high)

    return TransformAction(env, scale, _unit_box(low.size))


def _range(space: spaces.Box) -> tuple[np.ndarray, np.ndarray]:
    """Returns what -1 and 1 stand for, see `_box_actions`."""
    # MuJoCo writes 1e10 where a control has no bounds.
    has_low, has_high = space.low > -1e9, space.high < 1e9
    low = np.where(has_high, space.high - 2, -1)
    high = np.where(has_low, space.low + 2, 1)
    low = np.where(has_low, space.low, low).astype(np.float32).ravel()
    high = np.where(has_high, space.high, high).astype(np.float32).ravel()
    return low, high


def stored_actions(
    space: gymnasium.Space, vectors: bool = False
) -> tuple[gymnasium.Space, Callable[[Any], np.ndarray]]:
    """Says how to store what somebody else did in an environment.

    A `Box` becomes what `vector_actions` would have turned into it, and a
    choice one-hot, which tells how many there are and suits all agents. Several
    choices at once stay numbers, from 0 on, unless there are to be `vectors`.

    Args:
      space: The environment's action space.
      vectors: Whether several choices become one vector, too.

    Returns:
      The space of stored actions, and what converts an action to it.

    Raises:
      ValueError: There are other actions.
    """
    if isinstance(space, spaces.Box) and space.shape != (0,):
        low, high = _range(space)
        is_unit = (low == -1).all() and (high == 1).all()
        width = np.where(high > low, high - low, 2)

        def scale(action: Any) -> np.ndarray:
            vector = np.asarray(action, np.float32).ravel()
            # Scaling is not exact.
            return vector if is_unit else (vector - low) / width * 2 - 1

        return _unit_box(int(np.prod(space.shape))), scale
    if isinstance(space, spaces.Discrete) or vectors:
        if isinstance(space, DISCRETE):

            def flatten(action: Any) -> np.ndarray:
                return spaces.flatten(space, action).astype(np.float32)

            return _unit_box(spaces.flatdim(space)), flatten
    if isinstance(space, spaces.MultiDiscrete):
        choices = space.nvec.ravel()
        numbers = spaces.MultiDiscrete(choices)
        return numbers, lambda a: (np.asarray(a) - space.start).ravel()
    if isinstance(space, spaces.MultiBinary):
        return space, np.asarray
    raise ValueError(_UNKNOWN.format(space))


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
    known = space.shape[0]
    return TransformAction(env, lambda action: action[:known], _unit_box(size))


def vector_actions(env: gymnasium.Env) -> gymnasium.Env:
    """Wraps an environment so that its actions are a vector `[A]` in [-1, 1].

    Raises:
      ValueError: Its actions cannot be written as a vector.
    """
    space = env.action_space
    if isinstance(space, DISCRETE):
        return _discrete_actions(env)
    if not isinstance(space, spaces.Box):
        raise ValueError(_UNKNOWN.format(space))
    if space.shape == (0,):
        raise ValueError(f"The action space {space} leaves nothing to decide.")
    if len(space.shape) == 1 and space == spaces.Box(-1, 1, space.shape):
        return env
    return _box_actions(env)


def _unit_box(size: int) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, (size,), np.float32)
