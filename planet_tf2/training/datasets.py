"""Makes the batches that a run learns from and is tested on."""

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from planet_tf2.data.episodes import set_aside
from planet_tf2.data.loader import SequenceBatches
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.guard import Guard

_LOGGER = logging.getLogger(__name__)


def make_batches(
    params: Mapping[str, Any],
    folder: RunFolder,
    sizes: Mapping[str, tuple[int, ...]],
    guard: Guard,
    split: str,
    seed: Sequence[int],
    start: int,
    names: Callable[[int], Sequence[str]],
) -> SequenceBatches:
    """Makes the batches of a split, see `training.batches`.

    Args:
      params: parameters of the run.
      folder: the run's folder.
      sizes: shapes of what a batch has to hold of a time step, by name.
      guard: its `check` is called before a damaged file is renamed.
      split: `train` or `test`.
      seed: determines the batches.
      start: number of the first batch.
      names: returns the episodes that there are for a batch, given its number.
    """
    directories = {
        "train": folder.train_episodes,
        "test": folder.test_episodes,
    }

    def put_aside(path: pathlib.Path) -> None:
        guard.check()
        try:
            path = set_aside(path)
        except OSError as error:
            _LOGGER.warning("Cannot rename %s: %s", path, error.strerror)
        else:
            _LOGGER.warning("A damaged episode is now %s.", path)

    return SequenceBatches(
        directories[split],
        params["batch_shape"],
        params["loader"],
        params["loader_every"],
        params["num_chunks"],
        keys=tuple(sizes),
        sizes=sizes,
        seed=seed,
        max_episodes=params["loader_max_episodes"],
        max_bytes=params["loader_max_bytes"],
        start=start,
        names=names,
        set_aside=put_aside,
    )
