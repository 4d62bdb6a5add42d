"""Crafter: survive, and reach 22 achievements, in a small world of its own."""

import collections
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.suites import packages

LIMIT = 10_000


class Crafter(gymnasium.Env):
    """The game with the interface of Gymnasium.

    Observations are the image and, for the log only, `log_reward` and
    `log_achievement_<name>`, float32 `[1]`: what the step added, so that their
    sum over an episode tells how often each was reached. An episode ends with
    `terminated` where the player dies, and is truncated after 10,000 steps.

    Args:
      reward: Whether there are rewards; `log_reward` is there anyway.
      image_size: Side of the square images in pixels.

    Raises:
      ValueError: The package is missing.
    """

    render_mode = None
    max_episode_steps = LIMIT

    def __init__(self, *, reward: bool = True, image_size: int = 64):
        self._package = packages.load("crafter", "crafter")
        self._kwargs = {
            "reward": reward,
            "length": LIMIT,
            "size": (image_size, image_size),
        }
        self._make(0)
        names = packages.load("crafter.constants", "crafter").achievements
        self._counts = dict.fromkeys(sorted(names), 0)
        self.action_space = spaces.Discrete(len(self._game.action_names))
        logged = ["log_reward", *(f"log_achievement_{n}" for n in self._counts)]
        number = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        image = spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {"image": image, **dict.fromkeys(logged, number)}
        )

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode in a new world, which follows from the seed."""
        super().reset(seed=seed)
        if seed is not None:
            self._make(seed)
        image = self._game.reset()
        _order_creatures(self._game)
        self._counts = dict.fromkeys(self._counts, 0)
        return self._observe(image, 0.0, self._counts), {}

    def step(
        self, action: int
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Takes a step."""
        image, reward, done, info = self._game.step(int(action))
        obs = self._observe(image, info["reward"], info["achievements"])
        terminated = info["discount"] == 0
        return obs, float(reward), terminated, done and not terminated, {}

    def _make(self, seed: int) -> None:
        self._game = self._package.Env(seed=seed, **self._kwargs)

    def _observe(
        self, image: np.ndarray, reward: float, counts: dict[str, int]
    ) -> dict[str, Any]:
        added = {n: counts[n] - before for n, before in self._counts.items()}
        self._counts = {name: counts[name] for name in self._counts}
        logged = {f"log_achievement_{n}": value for n, value in added.items()}
        logged["log_reward"] = reward
        return {
            "image": image,
            **{n: np.array([x], np.float32) for n, x in logged.items()},
        }


class _OrderedSet(dict):
    """A set that is walked through in the order of insertion."""

    def add(self, item: Any) -> None:
        self[item] = None

    remove = dict.__delitem__


def _order_creatures(game: Any) -> None:
    """Makes equal seeds and actions give equal episodes.

    The game keeps the creatures of a region in a set and draws one of them by
    its position there, which follows from addresses in memory.
    """
    world = game._world
    chunks = collections.defaultdict(_OrderedSet)
    for creature in world.objects:
        chunks[world.chunk_key(creature.pos)].add(creature)
    world._chunks = chunks
