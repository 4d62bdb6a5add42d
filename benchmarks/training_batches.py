"""Batches as a training run gets them: read and cut by a thread, one ahead."""

import functools
import itertools
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import episode_files
from cases import ACTION_SIZE

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Guard
from planet_tf2.training.batches import Batch, Batches, make_batches
from planet_tf2.training.episode_log import EpisodeLog
from planet_tf2.training.trainer import Step


def training_batches(
    place: pathlib.Path, params: Mapping[str, Any], episodes: int
) -> Iterator[Batch]:
    """Makes the folder of a run with that many episodes, and reads them.

    Args:
      place: where to make it.
      params: parameters of the run.
      episodes: number of training episodes; there is a tenth as many test
        episodes, as in a run of the preset `default`.

    Yields:
      Batches of tensors, without an end.
    """
    folder = RunFolder(place).create()
    episode_files.fill(folder.train_episodes, episodes)
    episode_files.fill(folder.test_episodes, max(1, episodes // 10))
    size = params["batch_shape"][0]
    pixels = params["image_size"]
    sizes = {
        "image": (pixels, pixels, 3),
        "action": (ACTION_SIZE,),
        "reward": (),
    }
    make = functools.partial(make_batches, params, folder, sizes, Guard())
    batches = Batches(
        make, EpisodeLog(folder), 0, lambda _, update: update * size
    )
    batches.start({"train": 0, "test": 0})
    try:
        batches.of(_step("test", 0, size))
        for update in itertools.count():
            yield batches.of(_step("train", update, size))
    finally:
        batches.close()


def _step(phase: str, update: int, size: int) -> Step:
    begin = update * size
    return Step(phase, 0, begin, begin, begin, update, size, False)
