"""The batch of a step, of agents that learn from running episodes too.

It follows from the run's seed, the number of the update, and what there is to
learn from right before it. There is no `look` at a folder: what is collected is
in memory at once.
"""

import logging
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.data.episode_archive import BrokenEpisode, DamagedEpisode
from planet_tf2.data.episode_cache import EpisodesError
from planet_tf2.data.episodes import load_episode
from planet_tf2.data.replay import Episode, Replay, size_of
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Guard
from planet_tf2.training.batches import Batch, set_aside
from planet_tf2.training.episode_log import SPLITS, EpisodeLog
from planet_tf2.training.trainer import Step

_LOGGER = logging.getLogger(__name__)

_BATCH = 5  # As a use of a run's seed, see `stages`.


class ReplayBatches:
    """Draws the batches of both splits from memory.

    Args:
      replays: what to draw from, by split.
      shape: B and T, sequences per batch and time steps per sequence.
      folder, seed: those of the run.
      guard: its `check` is called before a damaged file is renamed.
    """

    def __init__(
        self,
        replays: Mapping[str, Replay],
        shape: tuple[int, int],
        folder: RunFolder,
        seed: int,
        guard: Guard = Guard(),
    ):
        self._replays, self._shape, self._seed = replays, tuple(shape), seed
        self._folder, self._guard = folder, guard
        self._folders = {
            "train": folder.train_episodes,
            "test": folder.test_episodes,
        }
        self._last: tuple[tuple[str, int] | None, Batch] = (None, {})

    def decisions(self, split: str) -> int:
        """How many of them are in memory."""
        return self._replays[split].decisions

    def load(
        self, log: EpisodeLog, pause: Callable[[], None] = lambda: None
    ) -> dict[str, int]:
        """Reads the files of finished episodes, as far as there is room.

        Args:
          log: knows them.
          pause: called after each; may raise an exception.

        Returns:
          The decisions in a user's own episodes, by split.
        """
        foreign = dict.fromkeys(SPLITS, 0)
        for split in SPLITS:
            replay, others = self._replays[split], set(log.foreign(split))
            found: list[Episode] = []
            decisions = size = 0
            for name in reversed(log.files(split)):
                pause()
                episode = self._read(split, self._folders[split] / name)
                if episode is None:
                    continue
                decisions += (length := len(episode["reward"]) - 1)
                size += size_of(episode)
                if found and not replay.has_room(decisions, size):
                    break
                found.append(episode)
                foreign[split] += length if name in others else 0
            for episode in reversed(found):
                replay.add(episode)
        return foreign

    def add(self, split: str, path: pathlib.Path) -> None:
        """Reads an episode that was played outside of the replay."""
        episode = self._read(split, path)
        if episode is not None:
            self._replays[split].add(episode)

    def of(self, step: Step) -> Batch:
        """Returns the batch of a step, as tensors; the same if asked again.

        Raises:
          EpisodesError: there is nothing to learn from.
        """
        name = step.phase, step.update
        if self._last[0] != name:
            seed = self._seed, _BATCH, SPLITS.index(step.phase), step.update
            try:
                batch = self._draw(step, seed)
            except IndexError:
                raise EpisodesError(
                    f"No usable episodes in {self._folders[step.phase]}."
                ) from None
            with tf.device("CPU:0"):
                tensors = {k: tf.constant(v) for k, v in batch.items()}
            self._last = name, tensors
        return self._last[1]

    def close(self) -> None:
        """Does nothing, as nothing goes on in the background."""

    @property
    def saved(self) -> dict[str, Any]:
        """What checkpoints hold, by name."""
        return {}

    def flush(self) -> None:
        """Puts what there is to be saved into the variables."""

    def resume(self) -> None:
        """Is told that all is there that was read and played again."""

    def _draw(
        self, step: Step, seed: tuple[int, ...]
    ) -> Mapping[str, np.ndarray]:
        return self._replays[step.phase].sample(seed, *self._shape)

    def _read(self, split: str, path: pathlib.Path) -> Episode | None:
        replay = self._replays[split]
        try:
            return replay.part_of(load_episode(path, replay.types))
        except (BrokenEpisode, FileNotFoundError) as error:
            if isinstance(error, DamagedEpisode):
                set_aside(self._folder, split, self._guard, path)
            _LOGGER.warning("Skipping an episode: %s", error)
            return None
