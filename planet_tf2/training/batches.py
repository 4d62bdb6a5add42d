"""The batch that belongs to a step, however often a run was cut off.

A batch follows from the run's seed, the number of its update, and the episodes
that were announced before the step of that update. Batches are prepared ahead
of their step, but a look at the episodes waits until their step has begun:

    step          0          5         10         15
    made ahead      batch 1    batch 2    batch 3
    looks at     what was announced up to step 10 ^  (then it may go on)

Neither the time that preparing takes nor where a run is resumed makes a
difference therefore.

Who waits is a thread of Python. Inside of a `tf.data.Dataset` it would be one
of TensorFlow's, of which there may be as few as one, and the step that
everything waits for would lack it.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.training.episode_log import SPLITS, EpisodeLog
from planet_tf2.training.trainer import Step

Batch = Mapping[str, Any]
# Makes the batches of a split from its name, a seed, the number of the first
# one, and a function from a batch's number to names of episodes.
MakeBatches = Callable[
    [str, Sequence[int], int, Callable[[int], Sequence[str]]], Iterable[Batch]
]


class Batches:
    """Hands out the batches of both splits.

    Args:
      make: makes the batches of a split, as NumPy arrays.
      log: knows which episodes there were.
      seed: the run's seed.
      step_of: returns the global step of an update, given the phase and the
        number of the update.
    """

    def __init__(
        self,
        make: MakeBatches,
        log: EpisodeLog,
        seed: int,
        step_of: Callable[[str, int], int],
    ):
        self._make = make
        self._log = log
        self._seed = seed
        self._step_of = step_of
        self._begun = threading.Condition()
        self._step: int | None = None
        self._closed = False
        self._next: dict[str, int] = {}
        self._last: dict[str, Batch] = {}
        self._sources: dict[str, Iterable[Batch]] = {}
        self._ahead: dict[str, _Ahead] = {}

    def start(self, first: Mapping[str, int]) -> None:
        """Reads the episodes, so that problems with them show at once.

        Args:
          first: numbers of the first updates to come, by split.
        """
        self._next = dict(first)
        for number, split in enumerate(SPLITS):
            seed = (self._seed, number)
            names = self._names_of(split)
            self._sources[split] = self._make(split, seed, first[split], names)

    def of(self, step: Step) -> Batch:
        """Returns the batch of a step; repeated calls return the same.

        Args:
          step: none that comes before one that was asked for earlier.
        """
        split = step.phase
        with self._begun:
            self._step = step.global_step
            self._begun.notify_all()
        if split not in self._ahead:
            self._ahead[split] = _Ahead(self._sources[split], split)
        assert step.update >= self._next[split] - 1, "It went by."
        while self._next[split] <= step.update:
            self._last[split] = self._ahead[split].get()
            self._next[split] += 1
        return self._last[split]

    def close(self) -> None:
        """Ends all preparations."""
        with self._begun:
            self._closed = True
            self._begun.notify_all()
        for ahead in self._ahead.values():
            ahead.close()
        self._ahead.clear()
        self._sources.clear()
        self._last.clear()

    def _names_of(self, split: str) -> Callable[[int], list[str]]:
        def names(number: int) -> list[str]:
            """Returns the episodes for a batch, as soon as all are known."""
            step = self._step_of(split, number)
            with self._begun:
                # Before the first step is the time to look for problems.
                self._begun.wait_for(
                    lambda: (
                        self._closed or self._step is None or self._step >= step
                    )
                )
                if self._closed:
                    raise _Closed
            return self._log.episodes_until(split, step)

        return names


class _Closed(Exception):
    """Nobody needs the batch any more."""


class _Ahead:
    """Makes batches in a thread of its own, and hands them out in order."""

    def __init__(self, source: Iterable[Batch], name: str):
        self._source = source
        self._made: queue.Queue[Batch | Exception] = queue.Queue(1)
        self._closed = False
        self._thread = threading.Thread(
            target=self._work, name=f"{name} batches", daemon=True
        )
        self._thread.start()

    def get(self) -> Batch:
        """Returns the next batch, as tensors.

        Raises:
          Exception: what went wrong in making it.
        """
        made = self._made.get()
        if isinstance(made, Exception):
            raise made
        return made

    def close(self) -> None:
        """Waits until the thread has ended, whatever it is waiting for."""
        self._closed = True
        try:
            self._made.get_nowait()
        except queue.Empty:
            pass
        self._thread.join()

    def _work(self) -> None:
        try:
            for batch in self._source:
                # Where the memory of the program is, as it may be large.
                with tf.device("CPU:0"):
                    tensors = {k: tf.constant(v) for k, v in batch.items()}
                self._made.put(tensors)
                if self._closed:
                    return
        except _Closed:
            pass
        except Exception as error:
            self._made.put(error)
