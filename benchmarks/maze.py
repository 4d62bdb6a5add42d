"""A maze whose reward chance does not find: what is exploration worth?

One corridor in bends, with the start at one end and the only reward at the
other. `tasks: ["benchmarks.maze:Snake"]`.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

_MOVES = ((0, 1), (0, -1), (1, 0), (-1, 0))


class Snake(gymnasium.Env):
    """Walks a corridor that goes to and fro.

    Observes the place, row and column from the middle in halves of a cell, and
    acts by four moves; one into a wall does nothing. An episode ends with a
    reward of 1 at the end of the corridor, or after some steps.

    Args:
      columns: cells of a row.
      turns: how often the corridor turns back; every other row is its own.
      steps: of an episode.
    """

    def __init__(self, columns: int = 9, turns: int = 2, steps: int = 100):
        self._free = np.ones((2 * turns + 1, columns), bool)
        self._free[1::2] = False
        self._free[1::4, -1] = self._free[3::4, 0] = True
        self._goal = (2 * turns, 0 if turns % 2 else columns - 1)
        self._steps = steps
        self.action_space = spaces.Discrete(len(_MOVES))
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None):
        super().reset(seed=seed)
        self._place, self._time = (0, 0), 0
        return self._seen(), {}

    def step(self, action: int):
        self._time += 1
        place = np.add(self._place, _MOVES[action])
        inside = np.all((place >= 0) & (place < self._free.shape))
        if inside and self._free[tuple(place)]:
            self._place = tuple(place)
        found = self._place == self._goal
        cut = self._time >= self._steps
        return self._seen(), float(found), found, cut, {}

    def _seen(self) -> np.ndarray:
        middle = (np.array(self._free.shape) - 1) / 2
        return (np.subtract(self._place, middle) / 2).astype(np.float32)
