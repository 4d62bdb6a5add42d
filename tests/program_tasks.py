"""An environment with everything that there may be to observe and to choose."""

import gymnasium
import numpy as np
from gymnasium import spaces

SIDE = 32


class Room(gymnasium.Env):
    """A dot moves by two choices, for 9 steps or until it leaves the room."""

    max_episode_steps = 9

    def __init__(self):
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8),
                "side": spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8),
                "place": spaces.Box(-np.inf, np.inf, (2,), np.float32),
            }
        )
        self.action_space = spaces.MultiDiscrete([3, 2])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._place = self.np_random.integers(8, 24, 2)
        return self._observe(), {}

    def step(self, action):
        moves = (int(action[0]) - 1) * 2, 2 if action[1] else -2
        self._place = self._place + moves
        over = bool((self._place < 0).any() or (self._place >= SIDE).any())
        reward = 1.0 - abs(self._place[0] - 16) / 16
        return self._observe(), reward, over, False, {}

    def _observe(self):
        image = np.full((SIDE, SIDE, 3), 40, np.uint8)
        row, column = np.clip(self._place, 2, SIDE - 2)
        image[row - 2 : row + 2, column - 2 : column + 2] = 200, 90, 40
        return {
            "image": image,
            "side": image[::-1, :, :1],
            "place": (self._place / 16 - 1).astype(np.float32),
        }


def room():
    return Room()
