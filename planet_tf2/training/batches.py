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

import concurrent.futures
import functools
import logging
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.data.conversion import StepType
from planet_tf2.data.episode_cache import EpisodeCache
from planet_tf2.data.episodes import DAMAGED_SUFFIX
from planet_tf2.data.loader import sequence_batches
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.journal import Journal
from planet_tf2.tools.signals import Guard
from planet_tf2.training.episode_log import SPLITS, EpisodeLog
from planet_tf2.training.trainer import Step

_LOGGER = logging.getLogger(__name__)

Batch = Mapping[str, Any]


class Batches:
    """Hands out the batches of both splits.

    Args:
      make: makes the batches of a split, as NumPy arrays, from its name, a
        seed, the number of the first one, and a function from the number of a
        batch to names of episodes.
      log: knows which episodes there were.
      seed: the run's seed.
      step_of: returns the global step of an update, given the phase and the
        number of the update.
    """

    def __init__(
        self,
        make: Callable[..., Iterator[Batch]],
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
        self._threads = concurrent.futures.ThreadPoolExecutor(len(SPLITS))
        self._sources: dict[str, Iterator[Batch]] = {}
        self._last: dict[str, tuple[int, Batch | None]] = {}

    def start(self, first: Mapping[str, int]) -> None:
        """Reads the episodes, so that problems with them show at once.

        Args:
          first: numbers of the first updates to come, by split; of those that
            have episodes.
        """
        for number, split in enumerate(SPLITS):
            if split not in first:
                continue
            names = functools.partial(self._names, split)
            seed = self._seed, number
            source = self._make(split, seed, first[split], names)
            self._sources[split] = self._made_ahead(source)
            self._last[split] = first[split] - 1, None

    def of(self, step: Step) -> Batch:
        """Returns the batch of a step, as tensors; the same if asked again.

        Args:
          step: none that comes before one that was asked for earlier.

        Raises:
          Exception: what went wrong in making it.
        """
        with self._begun:
            self._step = step.global_step
            self._begun.notify_all()
        update, batch = self._last[step.phase]
        assert update <= step.update, "It went by."
        for _ in range(update, step.update):
            batch = next(self._sources[step.phase])
        self._last[step.phase] = step.update, batch
        return batch

    def close(self) -> None:
        """Waits until nothing is prepared any more."""
        with self._begun:
            self._closed = True
            self._begun.notify_all()
        self._threads.shutdown()

    def _made_ahead(self, source: Iterator[Batch]) -> Iterator[Batch]:
        """Yields tensors while a thread makes those that come next."""

        def make() -> Batch:
            # Where the memory of the program is, as it may be large.
            with tf.device("CPU:0"):
                return {k: tf.constant(v) for k, v in next(source).items()}

        ahead = self._threads.submit(make)
        while True:
            batch = ahead.result()
            ahead = self._threads.submit(make)
            yield batch

    def _names(self, split: str, number: int) -> list[str]:
        """Returns the episodes for a batch, as soon as all are known."""
        step = self._step_of(split, number)
        with self._begun:
            # Before the first step is the time to look for problems.
            self._begun.wait_for(
                lambda: self._closed or self._step is None or self._step >= step
            )
            if self._closed:
                raise concurrent.futures.CancelledError
        return self._log.episodes_until(split, step)


def step_types(agent: Agent) -> dict[str, StepType]:
    """Returns what an agent needs of a stored time step, by name."""
    spaces = {**agent.observation_space, "action": agent.action_space}
    dtypes = {name: space.dtype for name, space in spaces.items()}
    dtypes |= dict.fromkeys(("is_first", "terminal"), np.dtype(bool))
    # Floats of any width are stored as these.
    dtypes = {name: x for name, x in dtypes.items() if x.kind != "f"}
    return {
        name: StepType(dtypes.get(name, np.float32), shape)
        for name, shape in agent.batch_spec.items()
    }


def make_batches(
    params: Mapping[str, Any],
    folder: RunFolder,
    types: Mapping[str, StepType],
    guard: Guard,
    split: str,
    seed: Sequence[int],
    start: int,
    names: Callable[[int], Sequence[str]],
) -> Iterator[Batch]:
    """Makes the batches of a split from the episodes of a run.

    Args:
      params, folder: those of the run.
      types: what a batch has to hold of a time step, by name.
      guard: its `check` is called before a damaged file is renamed, which only
        happens to those that the run has written.
      split, seed, start, names: see `make` of `Batches`.
    """

    shape, loader = params["batch_shape"], params["loader"]
    cache = EpisodeCache(
        folder.train_episodes if split == "train" else folder.test_episodes,
        shape[1],
        tuple(types),
        # What is made up needs only an example.
        max_episodes=1 if loader == "dummy" else params["loader_max_episodes"],
        max_bytes=params["loader_max_bytes"],
        keep=loader != "reload",
        names=names,
        set_aside=functools.partial(set_aside, folder, split, guard),
        types=types,
    )
    return sequence_batches(
        cache,
        shape,
        loader,
        params["loader_every"],
        params["num_chunks"],
        seed=seed,
        start=start,
    )


def set_aside(
    folder: RunFolder, split: str, guard: Guard, path: pathlib.Path
) -> None:
    """Renames a damaged file, if it is one that the run has written."""
    about = {"split": split, "file": path.name}.items()
    own = any(about <= r.items() for r in Journal(folder.metrics))
    if not own or path.is_symlink():
        return
    guard.check()
    damaged = path.with_name(path.name + DAMAGED_SUFFIX)
    try:
        path.replace(damaged)
    except OSError as error:
        _LOGGER.warning("Cannot rename %s: %s", path, error.strerror)
    else:
        _LOGGER.warning("A damaged episode is now %s.", damaged)
