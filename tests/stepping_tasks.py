"""Environments with vectors, whose episodes end at any time."""

import os

import gymnasium
import numpy as np
from gymnasium import spaces


class Walk(gymnasium.Env):
    """A random walk of 1 to `longest` steps."""

    max_episode_steps = 12

    def __init__(self, longest=12):
        self.observation_space = spaces.Dict(
            {
                "place": spaces.Box(-np.inf, np.inf, (3,), np.float32),
                "log_steps": spaces.Box(-np.inf, np.inf, (), np.float32),
            }
        )
        self.action_space = spaces.Discrete(4)
        self._longest = longest

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._place = self.np_random.normal(size=3).astype(np.float32)
        self._left = int(self.np_random.integers(1, self._longest + 1))
        return self._observe(0), {}

    def step(self, action):
        self._place = self._place + self.np_random.normal(size=3)
        self._place[0] += action
        self._left -= 1
        over = self._left == 0
        return self._observe(1), float(self._place[0]), over, False, {}

    def _observe(self, steps):
        return {
            "place": self._place.astype(np.float32),
            "log_steps": np.float32(steps),
        }


class Sloppy(Walk):
    """Does something else each time, whatever the seed."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = 12
        return self._observe(0), {}

    def step(self, action):
        self._place = self._place + np.random.default_rng().normal(size=3)
        return super().step(action)


class Fragile(Walk):
    """Breaks every now and then, by a crash or an exception, as seeds say."""

    def step(self, action):
        chance = self.np_random.random()
        if chance < 0.06:
            os._exit(3)
        if chance < 0.12:
            raise OSError("the simulator is gone")
        return super().step(action)


def walk(longest=12):
    return Walk(longest)


def sloppy():
    return Sloppy()


def fragile():
    return Fragile()
