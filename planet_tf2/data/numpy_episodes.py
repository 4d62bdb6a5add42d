"""Batches of sequences from a folder of episodes, as a `tf.data.Dataset`."""

import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from planet_tf2.data.loaders import LOADERS, Episode, EpisodeCache
from planet_tf2.tools import memory


def numpy_episodes(
    directory: str | os.PathLike[str],
    shape: Sequence[int],
    loader: str | Callable[..., Iterator[Episode]] = "recent",
    loader_every: int = 1000,
    num_chunks: int = 1,
    keys: Sequence[str] = ("image", "action", "reward"),
    seed: int | Sequence[int] = 0,
    max_episodes: int | None = None,
    max_bytes: int | None = None,
) -> tf.data.Dataset:
    """Reads an endless stream of random sequences.

    The folder is first read when this function is called, so that problems
    with the episodes show at once, and looked at again while iterating.

    Args:
      directory: folder of episode files.
      shape: B and T, sequences per batch and time steps per sequence.
      loader: `recent`, `cache`, or a function like these.
      loader_every: episodes between two looks at the folder.
      num_chunks: sequences cut from an episode each time it is drawn.
      keys: what to yield of the episodes.
      seed: determines the order of episodes and the choice of sequences.
      max_episodes: how many episodes to draw from, the latest; None for all.
      max_bytes: how much memory their arrays may take; None for any.

    Returns:
      Dataset of dictionaries: `image` uint8 `[B, T, H, W, 3]`, `action`
      float32 `[B, T, A]`, `reward` float32 `[B, T]`, each aligned as stored:
      `action[t]` and `reward[t]` lead to `image[t]`.

    Raises:
      EpisodesError: if the folder has no episode that is long enough.
    """
    batch_size, length = shape
    loader = LOADERS[loader] if isinstance(loader, str) else loader
    store = EpisodeCache(
        pathlib.Path(directory), length, keys, max_episodes, max_bytes
    )
    example = store[store.look()[0]]

    def batches() -> Iterator[dict[str, np.ndarray]]:
        memory.renew()  # Since TensorFlow changed it for this generator.
        random = np.random.default_rng(seed)
        stream = sequences(
            loader(store, loader_every, random), length, num_chunks, random
        )
        while True:
            group = [next(stream) for _ in range(batch_size)]
            yield {k: np.stack([chunk[k] for chunk in group]) for k in keys}

    signature = {
        key: tf.TensorSpec(
            (batch_size, length, *example[key].shape[1:]), example[key].dtype
        )
        for key in keys
    }
    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=signature
    )
    return dataset.prefetch(1)


def sequences(
    stream: Iterator[Episode],
    length: int,
    num_chunks: int,
    random: np.random.Generator,
) -> Iterator[Episode]:
    """Cuts random sequences from episodes.

    With one chunk per episode its offset is uniform over all that fit. With
    more, they follow each other without overlap, as many of them as fit, and
    the offset of the first is uniform.

    Args:
      stream: episodes, arrays `[N, ...]`, N at least `length`.
      length: time steps of a sequence.
      num_chunks: sequences to cut from each episode.
      random: decides the offsets.
    """
    for episode in stream:
        available = len(episode["reward"])
        chunks = min(num_chunks, available // length)
        offset = random.integers(available - chunks * length + 1)
        for _ in range(chunks):
            end = offset + length
            yield {key: value[offset:end] for key, value in episode.items()}
            offset = end
