"""Memory Maze: find objects in a maze again, from the view of the walker."""

import functools
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.dm_control_env import quiet
from planet_tf2.envs.suites import packages

# Steps of an episode: 4 per second of the maze's own time limit.
LIMITS = {"9x9": 1000, "11x11": 2000, "13x13": 3000, "15x15": 4000}
# In smaller images the border, which says what to look for, fails.
_SMALLEST = 64


class MemoryMaze(gymnasium.Env):
    """A maze with the interface of Gymnasium: an image and six actions.

    The colour of the object to look for is that of the image's border. Only
    the time limit ends an episode.

    Args:
      maze: Cells of the maze: `9x9`, `11x11`, `13x13` or `15x15`.
      image_size: Side in pixels of the images, which are never drawn smaller
        than 64.

    Raises:
      ValueError: There is no such maze, or the package is missing.
    """

    render_mode = None

    def __init__(self, maze: str, *, image_size: int = 64):
        packages.choose("The maze", maze, LIMITS)
        packages.load("memory_maze", "memorymaze")
        tasks = packages.load("memory_maze.tasks", "memorymaze")
        side = max(image_size, _SMALLEST)
        self._make = functools.partial(
            getattr(tasks, f"memory_maze_{maze}"),
            image_only_obs=True,
            camera_resolution=side,
        )
        self.max_episode_steps = LIMITS[maze]
        self._env = self._make(seed=0)
        self.observation_space = spaces.Dict(
            {"image": spaces.Box(0, 255, (side, side, 3), np.uint8)}
        )
        self.action_space = spaces.Discrete(self._env.action_spec().num_values)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode in a new maze; a seed builds all anew for it."""
        super().reset(seed=seed)
        with quiet():
            if seed is not None:
                self._env.close()
                self._env = self._make(seed=seed % 2**32)
            return {"image": self._env.reset().observation}, {}

    def step(
        self, action: int
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Takes a step."""
        time_step = self._env.step(int(action))
        last = time_step.last()
        terminated = bool(last and time_step.discount == 0)
        obs = {"image": time_step.observation}
        truncated = bool(last and not terminated)
        return obs, float(time_step.reward), terminated, truncated, {}

    def close(self) -> None:
        """Frees the maze."""
        self._env.close()
