"""Collects episodes of random actions, to start the training from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from planet_tf2.tools.signals import RolloutStopped


def random_episodes(
    env: Any,
    num_episodes: int,
    seed: int | Sequence[int],
    start: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]]:
    """Acts uniformly at random in the action space.

    Every episode has random numbers of its own, which follow from `seed` and
    its number: episode 3 is the same whether or not the three before it are
    collected in the same call.

    Args:
      env: Environment with Gymnasium's `reset` and `step` that reports finished
        episodes in `info['episode']`, as `data.recorder` does.
      num_episodes: Number of episodes to collect.
      seed: Seed of the actions and of the environment: one or several whole
        numbers of at least 0.
      start: Number of the first episode.
      should_stop: Asked before each step.

    Returns:
      The `info['episode']` of each episode.

    Raises:
      RolloutStopped: `should_stop` returned true.
      ValueError: There are no random actions for the action space.
    """
    episodes = []
    for number in range(start, start + num_episodes):
        sequence = np.random.SeedSequence(seed, spawn_key=(number,))
        rng = np.random.default_rng(sequence)
        env.reset(seed=int(rng.integers(2**31)))
        done = False
        while not done:
            if should_stop():
                raise RolloutStopped("The program is about to stop.")
            action = _random_action(env.action_space, rng)
            _, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        episodes.append(info["episode"])
    return episodes


def _random_action(space: spaces.Space, rng: np.random.Generator) -> Any:
    if isinstance(space, spaces.Box) and space.is_bounded():
        return rng.uniform(space.low, space.high).astype(space.dtype)
    if isinstance(space, spaces.Discrete):
        return space.start + rng.integers(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start + rng.integers(space.nvec)
    if isinstance(space, spaces.MultiBinary):
        return rng.integers(2, size=space.shape, dtype=space.dtype)
    raise ValueError(f"There are no random actions for the space {space}.")
