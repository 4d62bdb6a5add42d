"""Keeps the episodes of a run and its metrics in step with each other.

A recorded episode is staged first, then announced in `metrics.jsonl`, then
published to its folder, and then a checkpoint is saved that knows how long
`metrics.jsonl` is. Wherever that chain is cut, `rollback` to the length that
the checkpoint knows takes back what came after it, so that nothing is counted
twice. Episodes that were never announced, such as those that a user puts into
the folder, stay.

So `metrics.jsonl` is also the list of the episodes that there were at any step,
in their order. Those of a user count as older than all others, from the next
time on that the run is started or resumed.
"""

import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.data import episodes
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Guard

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
      guard: its `check` is called before anything is written.
      clock: returns the time in seconds.

    Attributes:
      saved_position: variable, to be part of checkpoints: the length of
        `metrics.jsonl` at the last `flush`, in bytes.
    """

    def __init__(
        self,
        folder: RunFolder,
        guard: Guard = Guard(),
        clock: Callable[[], float] = time.monotonic,
    ):
        self._folders = {
            "train": folder.train_episodes,
            "test": folder.test_episodes,
        }
        self._journal = Metrics(folder.metrics, guard.check)
        self.saved_position = tf.Variable(0, dtype=tf.int64, trainable=False)
        earlier = [r.get("elapsed_seconds", 0.0) for r in self._journal]
        self._clock = clock
        self._start_seconds = clock() - max(earlier, default=0.0)
        self._read()

    @property
    def env_step(self) -> int:
        """Simulator steps of all training episodes of this run."""
        own = self._own["train"]
        return own[-1]["env_step"] if own else 0

    def count(self, split: str) -> int:
        """Number of episodes of `train` or `test`, those of a user included."""
        return len(self._foreign[split]) + len(self._own[split])

    def episodes_until(self, split: str, step: int) -> list[str]:
        """Lists the files that there were at a global step, oldest first.

        May be called by another thread.
        """
        own = self._own[split]
        return [
            *self._foreign[split],
            *(r["file"] for r in own if r.get("step", 0) <= step),
        ]

    def announced(self, split: str, task: str | None = None) -> int:
        """Number of episodes that this run collected, of a task or of all."""
        own = self._own[split]
        return sum(task in (None, record["task"]) for record in own)

    def decisions(self, split: str, task: str) -> int:
        """Number of decisions in the episodes that this run collected."""
        own = self._own[split]
        return sum(r["length"] for r in own if r["task"] == task)

    def episodes_at(self, split: str, step: int) -> list[dict[str, Any]]:
        """Returns the lines of the episodes of a global step."""
        return [r for r in self._own[split] if r.get("step", 0) == step]

    def own(self, split: str) -> list[dict[str, Any]]:
        """Returns the lines of all episodes that this run collected."""
        return list(self._own[split])

    def foreign(self, split: str) -> list[str]:
        """Lists a user's own files."""
        return list(self._foreign[split])

    def files(self, split: str) -> list[str]:
        """Lists all files, oldest first."""
        return [*self.foreign(split), *(r["file"] for r in self._own[split])]

    def refresh(self) -> dict[str, int]:
        """Reads what another process has announced meanwhile.

        Returns:
          Number of episodes by split, as far as their files can be seen.
        """
        for record in self._journal.since(self._position):
            split = record.get("split")
            if "file" not in record or record in self._own[split]:
                continue
            if not (self._folders[split] / record["file"]).exists():
                break
            self._own[split].append(record)
        else:
            self._position = self._journal.position
        return {split: self.count(split) for split in SPLITS}

    def write(self, record: dict[str, Any], sync: bool = False) -> None:
        """Appends a line to `metrics.jsonl`, and on request waits for it."""
        seconds = round(self._clock() - self._start_seconds, 2)
        self._journal.append({**record, "elapsed_seconds": seconds}, sync)

    def flush(self) -> None:
        """Waits until the disk has all lines, and keeps their length."""
        self._journal.sync()
        self.saved_position.assign(self._journal.position)

    def add(
        self, split: str, task: str, episode: dict[str, Any], **details: Any
    ) -> pathlib.Path:
        """Announces a staged episode and publishes it.

        Args:
          split: `train` or `test`.
          task: name of its task.
          episode: what `RecordEpisodes` says at the end of an episode; all but
            its path becomes part of the line.
          **details: more entries of the line, such as `phase` and `step`.

        Returns:
          Path of the episode file.
        """
        staged = self._in_order(split, pathlib.Path(episode["path"]))
        new_steps = episode["simulator_steps"] if split == "train" else 0
        record = {
            **details,
            "split": split,
            "task": task,
            "episode": self.count(split) + 1,
            "env_step": self.env_step + new_steps,
            **{key: value for key, value in episode.items() if key != "path"},
            "file": staged.name.removesuffix(".staged"),
        }
        self.write(record, sync=True)
        path = episodes.publish(staged, self._folders[split])
        self._own[split].append(record)
        return path

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
        self._read()

    def _read(self) -> None:
        """Finds out what there is: announced episodes, and a user's own."""
        self._own: dict[str, list[dict[str, Any]]] = {s: [] for s in SPLITS}
        self._position = self._journal.position  # For `refresh`.
        for record in self._journal:
            if "file" in record:
                self._own[record["split"]].append(record)
        self._foreign: dict[str, list[str]] = {}
        for split, folder in self._folders.items():
            own = {record["file"] for record in self._own[split]}
            found = episodes.list_episodes(folder)
            self._foreign[split] = [name for name in found if name not in own]

    def _in_order(self, split: str, staged: pathlib.Path) -> pathlib.Path:
        """Renames an episode, if need be, to sort behind those before it.

        Environments that end their episodes at the same time name them in any
        order, and a clock may go back.
        """
        own = self._own[split]
        if not own or staged.name > own[-1]["file"]:
            return staged
        name = episodes.episode_name(own[-1]["file"]) + episodes.STAGED_SUFFIX
        return staged.rename(staged.with_name(name))
