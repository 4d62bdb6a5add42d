"""An environment of random images, to run a program without a simulator."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class DummyEnv(gymnasium.Env):
    """Random images and rewards, which no action influences.

    Observations are `{'image': uint8 [size, size, 3]}`, actions float32
    `[action_size]` in [-1, 1], rewards uniform in [0, 1). Episodes do not end
    by themselves.
    """

    def __init__(self, size: int = 64, action_size: int = 5):
        self.observation_space = spaces.Dict(
            {"image": spaces.Box(0, 255, (size, size, 3), np.uint8)}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (action_size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode; a seed restarts the random numbers."""
        super().reset(seed=seed)
        return self._observe(), {}

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Draws the next image and reward."""
        del action
        reward = float(self.np_random.random())
        return self._observe(), reward, False, False, {}

    def _observe(self) -> dict[str, np.ndarray]:
        shape = self.observation_space["image"].shape
        image = self.np_random.integers(0, 256, shape, dtype=np.uint8)
        return {"image": image}
