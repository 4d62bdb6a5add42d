"""Batches as a training run gets them: read and cut by a thread, one ahead."""

import functools
import itertools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from cases import ACTION_SIZE

from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Guard
from planet_tf2.training.batches import Batch, Batches, make_batches
from planet_tf2.training.episode_log import EpisodeLog
from planet_tf2.training.trainer import Step

# Steps of an episode of `cheetah_run`, the first frame included.
_LENGTH = 251


def training_batches(
    place: pathlib.Path, params: Mapping[str, Any], amount: int
) -> Iterator[Batch]:
    """Makes the folder of a run with that many episodes, and reads them.

    Args:
      place: where to make it.
      params: parameters of the run.
      amount: number of training episodes; there is a tenth as many test
        episodes, as in a run of the preset `default`.

    Yields:
      Batches of tensors, without an end.
    """
    folder = RunFolder(place).create()
    size, pixels = params["batch_shape"][0], params["image_size"]
    _fill(folder.train_episodes, amount, pixels)
    _fill(folder.test_episodes, max(1, amount // 10), pixels)
    types = {
        "image": StepType(np.uint8, (pixels, pixels, 3)),
        "action": StepType(np.float32, (ACTION_SIZE,)),
        "reward": StepType(np.float32),
    }
    make = functools.partial(make_batches, params, folder, types, Guard())
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


def _fill(folder: pathlib.Path, amount: int, pixels: int) -> None:
    """Fills a folder with that many files, all of the same content."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (_LENGTH, 8, 8, 3), np.uint8)
    image = coarse.repeat(pixels // 8, 1).repeat(pixels // 8, 2)
    path = episodes.save_episode(
        folder,
        {
            "image": image,
            "action": random.uniform(-1, 1, (_LENGTH, ACTION_SIZE)).astype(
                np.float32
            ),
            "reward": random.uniform(0, 1, _LENGTH).astype(np.float32),
        },
    )
    for _ in range(amount - 1):
        os.link(path, folder / (episodes.episode_name() + episodes.SUFFIX))


def _step(phase: str, update: int, size: int) -> Step:
    begin = update * size
    return Step(phase, 0, begin, begin, begin, update, size, False)
