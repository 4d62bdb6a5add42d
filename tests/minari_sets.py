"""Data sets of Minari, small and random."""

import warnings

import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer

BOX = spaces.Box(-1, 1, (2,), np.float32)
IMAGE = spaces.Box(0, 255, (64, 64, 3), np.uint8)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Minari's own folder."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def many(space, count):
    """Samples as Minari stores them."""
    samples = [space.sample() for _ in range(count)]
    if isinstance(space, spaces.Dict):
        return {k: np.stack([s[k] for s in samples]) for k in space}
    return np.stack(samples)


def make_minari(name, observed, acted, lengths=(6, 9, 12), break_at=None):
    """A data set of random episodes, which end and are cut off in turn."""
    observed.seed(1), acted.seed(2)
    random = np.random.default_rng(3)
    buffers = []
    for number, length in enumerate(lengths):
        last = np.arange(length) == length - 1
        rewards = random.normal(size=length).astype(np.float32)
        if number == break_at:
            rewards[2] = np.nan
        buffers.append(
            EpisodeBuffer(
                observations=many(observed, length + 1),
                actions=many(acted, length),
                rewards=rewards,
                terminations=last & (number % 2 == 0),
                truncations=last & (number % 2 == 1),
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Nobody is named as its author.
        minari.create_dataset_from_buffers(
            name,
            buffers,
            observation_space=observed,
            action_space=acted,
            jpeg_encoding=False,
        )
    return buffers
