"""Folders of many episodes, as large as those of `cheetah_run`."""

import os
import pathlib

import numpy as np
from cases import ACTION_SIZE

from planet_tf2.data import episodes

LENGTH = 251


def fill(folder: pathlib.Path, amount: int) -> None:
    """Fills a folder with that many files, all of the same content."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (LENGTH, 8, 8, 3), np.uint8)
    image = coarse.repeat(8, 1).repeat(8, 2)
    path = episodes.save_episode(
        folder,
        {
            "image": image,
            "action": random.uniform(-1, 1, (LENGTH, ACTION_SIZE)).astype(
                np.float32
            ),
            "reward": random.uniform(0, 1, LENGTH).astype(np.float32),
        },
    )
    for _ in range(amount - 1):
        os.link(path, folder / (episodes.episode_name() + episodes.SUFFIX))
