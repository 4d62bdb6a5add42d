"""Keeps the episodes of a run and its metrics in step with each other.

A recorded episode is staged first, then announced in `metrics.jsonl`, then
published to its folder, and then a checkpoint is saved that knows how long
`metrics.jsonl` is. Wherever that chain is cut, `rollback` to the length that
the checkpoint knows takes back what came after it, so that nothing is counted
twice. Episodes that were never announced, such as those that a user puts into
the folder, stay.
"""

import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

from planet_tf2.data import episodes
from planet_tf2.tools.journal import Journal
from planet_tf2.training.run_folder import RunFolder

_LOGGER = logging.getLogger(__name__)

SPLITS = ("train", "test")


class EpisodeLog:
    """Announces and publishes episodes, and counts them.

    Every line tells in `elapsed_seconds` how long the run has been worked on,
    the time before it was resumed included and the time it was down not. Work
    that a rollback took back was work too. What lies between the last line and
    the end of a process is not known and does not count.

    Args:
      folder: the run's folder.
      check: called before anything is written; raises an exception if that is
        not allowed any more.
      clock: returns the time in seconds.

    Attributes:
      env_step: simulator steps of all training episodes of this run.
    """

    def __init__(
        self,
        folder: RunFolder,
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._folders = {
            "train": folder.train_episodes,
            "test": folder.test_episodes,
        }
        self._journal = Journal(folder.metrics, check)
        self.env_step = 0
        self._announced: dict[tuple[str, str], int] = {}
        self._clock = clock
        self._start_seconds = clock()
        self._earlier_seconds = 0.0
        for record in self._journal:
            self._count(record)
            self._earlier_seconds = max(
                self._earlier_seconds, record.get("elapsed_seconds", 0.0)
            )

    @property
    def elapsed_seconds(self) -> float:
        """Time that the run has been worked on, by this and former processes.

        Lines that older versions wrote do not tell, and count as no time.
        """
        here = self._clock() - self._start_seconds
        return round(self._earlier_seconds + here, 2)

    @property
    def position(self) -> int:
        """Length of `metrics.jsonl` in bytes."""
        return self._journal.position

    def count(self, split: str) -> int:
        """Number of episodes in the folder of `train` or `test`."""
        return len(episodes.list_episodes(self._folders[split]))

    def announced(self, split: str, task: str) -> int:
        """Number of episodes of a task that this run has collected."""
        return self._announced.get((split, task), 0)

    @property
    def announced_episodes(self) -> int:
        """Number of episodes that this run has collected."""
        return sum(self._announced.values())

    def write(self, record: dict[str, Any]) -> None:
        """Appends a line to `metrics.jsonl`."""
        self._journal.append(
            {**record, "elapsed_seconds": self.elapsed_seconds}
        )

    def sync(self) -> None:
        """Waits until the disk has all lines."""
        self._journal.sync()

    def add(
        self,
        split: str,
        task: str,
        episode: dict[str, Any],
        **details: Any,
    ) -> pathlib.Path:
        """Announces a staged episode and publishes it.

        Args:
          split: `train` or `test`.
          task: name of its task.
          episode: what `RecordEpisodes` says at the end of an episode.
          **details: more entries of the line, such as `phase` and `step`.

        Returns:
          Path of the episode file.
        """
        staged = pathlib.Path(episode["path"])
        record = {
            **details,
            "split": split,
            "task": task,
            "episode": self.count(split) + 1,
            "env_step": self.env_step,
            "simulator_steps": episode["simulator_steps"],
            "length": episode["length"],
            "return": episode["return"],
            "file": staged.name.removesuffix(".staged"),
            "elapsed_seconds": self.elapsed_seconds,
        }
        if split == "train":
            record["env_step"] += episode["simulator_steps"]
        self._journal.append(record, sync=True)
        self._count(record)
        return episodes.publish(staged, self._folders[split])

    def rollback(self, position: int) -> None:
        """Takes back everything behind a position of `metrics.jsonl`."""
        # The lines go last: a file without one would look like a user's own
        # if this were cut off as well.
        for record in self._journal.since(position):
            if "file" in record:
                path = self._folders[record["split"]] / record["file"]
                path.unlink(missing_ok=True)
                _LOGGER.info("Dropped %s, to be collected again.", path.name)
        self._journal.truncate(position)
        for folder in self._folders.values():
            episodes.clean_staged(folder)
        self.env_step = 0
        self._announced = {}
        for record in self._journal:
            self._count(record)

    def _count(self, record: dict[str, Any]) -> None:
        if "file" not in record:
            return
        key = (record["split"], record["task"])
        self._announced[key] = self._announced.get(key, 0) + 1
        if record["split"] == "train":
            self.env_step = record["env_step"]
