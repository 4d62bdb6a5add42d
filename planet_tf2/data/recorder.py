"""Records the episodes of an environment as files."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

from planet_tf2.data import episodes
from planet_tf2.tools.files import StorageError

LOG_PREFIX = "log_"  # Of observations that are only to be summed up.


class RecordEpisodes(gymnasium.Wrapper):
    """Writes every finished episode to a folder.

    See `episodes` for the format. A reset in the middle of an episode drops
    what was recorded of it.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        directory: str | os.PathLike,
        staged: bool = False,
    ):
        """Wraps an environment.

        Args:
          env: Environment with a dict of observations, none of them called like
            another array of an episode, and with actions that are arrays or
            numbers (Box, Discrete, MultiDiscrete, MultiBinary).
          directory: Folder for the files; created if missing.
          staged: Whether the files wait for `episodes.publish`.

        Raises:
          StorageError: The folder cannot be created.
        """
        super().__init__(env)
        self._directory = pathlib.Path(directory)
        with self._storing():
            self._directory.mkdir(parents=True, exist_ok=True)
        self._staged = staged
        dtype = np.dtype(env.action_space.dtype)
        self._action_type = np.float32 if dtype.kind == "f" else dtype
        self._transitions: list[dict[str, np.ndarray]] | None = None
        self._simulator_steps = 0

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode and its recording."""
        self._transitions = None
        obs, info = self.env.reset(seed=seed, options=options)
        action = np.zeros(self.action_space.shape, self._action_type)
        self._transitions = []
        self._append(obs, action, 0.0, is_first=True)
        self._simulator_steps = 0
        return obs, info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment and saves the episode when it ends.

        On the last step `info['episode']` holds the file's `path`, the `return`
        (sum of rewards), the `length` in agent steps, the number of
        `simulator_steps`, and the sums of all observations `log_*`.

        Raises:
          gymnasium.error.ResetNeeded: The episode is over.
          StorageError: It cannot be saved: the disk is full, say.
        """
        if self._transitions is None:
            raise gymnasium.error.ResetNeeded(
                "The episode is over; call reset() before step()."
            )
        obs, reward, terminated, truncated, info = self.env.step(action)
        action = np.array(action, self._action_type)
        # A step after which the episode goes on can be terminal, too.
        terminal = terminated or info.get("terminal", False)
        self._append(obs, action, reward, terminal=terminal)
        self._simulator_steps += info.get("simulator_steps", 1)
        if terminated or truncated:
            info = {**info, "episode": self._save()}
        return obs, reward, terminated, truncated, info

    def _append(self, obs, action, reward, is_first=False, terminal=False):
        # Copies, because an environment may write into its arrays again.
        entry = {key: np.array(value) for key, value in obs.items()}
        entry["action"] = action
        entry["reward"] = np.float32(reward)
        entry["is_first"] = np.bool_(is_first)
        entry["terminal"] = np.bool_(terminal)
        self._transitions.append(entry)

    def _save(self) -> dict[str, Any]:
        transitions, self._transitions = self._transitions, None
        episode = {
            key: np.stack([transition[key] for transition in transitions])
            for key in transitions[0]
        }
        with self._storing():
            path = episodes.save_episode(
                self._directory, episode, staged=self._staged
            )
        return {
            "path": str(path),
            "return": float(episode["reward"].sum(dtype=np.float64)),
            "length": len(transitions) - 1,
            "simulator_steps": int(self._simulator_steps),
            **{
                key: float(array.sum(dtype=np.float64))
                for key, array in episode.items()
                if key.startswith(LOG_PREFIX)
            },
        }

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = str(self._directory)
            raise StorageError(error.errno, error.strerror, place) from error
