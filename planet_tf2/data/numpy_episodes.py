"""Batches of random sequences from a folder of episodes.

A run takes `SequenceBatches`, in a thread (`training/batches.py`);
`numpy_episodes` makes a `tf.data.Dataset` of them, for programs of your own.
"""

import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.data import loaders
from planet_tf2.data.episode_cache import Episode, EpisodeCache
from planet_tf2.tools import memory

# Tell the random numbers of a seed's two uses apart.
_EPISODES, _OFFSETS = 0, 1
_BLOCK = 1024  # Random numbers to draw at a time.


class SequenceBatches:
    """An endless stream of batches of random sequences, as NumPy arrays.

    The folder is first read here, so that problems with the episodes show at
    once, and looked at again while iterating. Every iterator starts anew.

    A batch follows from the seed, its number, and the episodes that were found
    when its loader looked at the folder. Given `names`, which tells what there
    was to be found, iterating can therefore start at any batch and yield what
    it would yield there if it came from the beginning.

    Args:
      directory: folder of episode files.
      shape: B and T, sequences per batch and time steps per sequence.
      loader: `recent`, `cache`, `reload`, `dummy`, or a function like these.
      loader_every: episodes between two looks at the folder.
      num_chunks: sequences cut from an episode each time it is drawn.
      keys: what to yield of the episodes.
      seed: determines the order of episodes and the choice of sequences.
      max_episodes: how many episodes to draw from, the latest; None for all.
      max_bytes: how much memory their arrays may take; None for any.
      start: number of the first batch.
      names: returns the episode files, oldest first, that a batch may be made
        of, given its number. By default those that there are. It may wait.
      set_aside: called with the path of each file that is no episode, or not a
        whole one; by default such files are just skipped.
      sizes: shapes of the arrays of a time step, by name; episodes of others
        are skipped. By default the oldest episode decides.

    Attributes:
      sizes: shape and type of every array of a batch.

    Raises:
      EpisodesError: if the folder has no episode that is long enough.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        shape: Sequence[int],
        loader: str | Callable[..., Iterator[Episode]] = "recent",
        loader_every: int = 1000,
        num_chunks: int = 1,
        keys: Sequence[str] = ("image", "action", "reward"),
        seed: int | Sequence[int] = 0,
        max_episodes: int | None = None,
        max_bytes: int | None = None,
        start: int = 0,
        names: Callable[[int], Sequence[str]] | None = None,
        set_aside: Callable[[pathlib.Path], None] | None = None,
        sizes: Mapping[str, tuple[int, ...]] | None = None,
    ):
        self._batch_size, self._length = batch_size, length = shape
        loader = loaders.LOADERS[loader] if isinstance(loader, str) else loader
        self._loader, self._loader_every = loader, loader_every
        self._num_chunks = num_chunks
        self._keys = tuple(keys)
        self._seed = (seed,) if isinstance(seed, int) else tuple(seed)
        self._store = EpisodeCache(
            pathlib.Path(directory),
            length,
            keys,
            # What is made up needs only an example.
            1 if loader is loaders.dummy else max_episodes,
            max_bytes,
            keep=loader is not loaders.reload,
            names=names
            and (lambda draw: names(draw * num_chunks // batch_size)),
            set_aside=set_aside,
            sizes=sizes,
        )
        self._start, self._skipped = divmod(start * batch_size, num_chunks)
        first_look = self._start // loader_every * loader_every
        example = self._store[self._store.look(first_look)[0]]
        self.sizes: dict[str, tuple[tuple[int, ...], np.dtype]] = {
            key: (
                (batch_size, length, *example[key].shape[1:]),
                example[key].dtype,
            )
            for key in self._keys
        }

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        seed, start = self._seed, self._start
        stream = self._loader(
            self._store, self._loader_every, (*seed, _EPISODES), start
        )
        stream = sequences(
            stream, self._length, self._num_chunks, (*seed, _OFFSETS), start
        )
        stream = itertools.islice(stream, self._skipped, None)
        while True:
            group = [next(stream) for _ in range(self._batch_size)]
            yield {k: np.stack([c[k] for c in group]) for k in self._keys}


def numpy_episodes(
    directory: str | os.PathLike[str],
    shape: Sequence[int],
    *args: Any,
    **kwargs: Any,
) -> tf.data.Dataset:
    """Reads an endless stream of random sequences, one batch ahead.

    Args:
      directory: folder of episode files.
      shape: B and T, sequences per batch and time steps per sequence.
      *args, **kwargs: see `SequenceBatches`. There, `names` may wait, but not
        here: it would keep a thread from the rest of TensorFlow.

    Returns:
      Dataset of dictionaries: `image` uint8 `[B, T, H, W, 3]`, `action`
      float32 `[B, T, A]`, `reward` float32 `[B, T]`, each aligned as stored:
      `action[t]` and `reward[t]` lead to `image[t]`.

    Raises:
      EpisodesError: if the folder has no episode that is long enough.
    """
    batches = SequenceBatches(directory, shape, *args, **kwargs)

    def generate() -> Iterator[dict[str, np.ndarray]]:
        memory.renew()  # Since TensorFlow changed it for this generator.
        yield from batches

    signature = {
        key: tf.TensorSpec(*size) for key, size in batches.sizes.items()
    }
    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=signature
    )
    return dataset.prefetch(1)


def sequences(
    stream: Iterable[Episode],
    length: int,
    num_chunks: int,
    seed: Sequence[int],
    start: int = 0,
) -> Iterator[Episode]:
    """Cuts random sequences from episodes.

    With one chunk per episode its offset is uniform over all that fit. With
    more, they follow each other without overlap, and the offset of the first is
    uniform. Where that many do not fit they overlap: each has a uniform offset,
    and they are spread evenly.

    Args:
      stream: episodes, arrays `[N, ...]`, N at least `length`.
      length: time steps of a sequence.
      num_chunks: sequences to cut from each episode.
      seed: decides the offsets.
      start: number of the first episode's draw.
    """
    positions = _uniform(seed, start)
    for episode, position in zip(stream, positions, strict=False):
        available = len(episode["reward"])
        for offset in _offsets(available, length, num_chunks, position):
            end = offset + length
            yield {key: value[offset:end] for key, value in episode.items()}


def _offsets(
    available: int, length: int, num_chunks: int, position: float
) -> list[int]:
    """Returns where to cut; `position` is uniform in [0, 1)."""
    free = available - num_chunks * length
    if free >= 0:
        first = int(position * (free + 1))
        return [first + number * length for number in range(num_chunks)]
    choices = available - length + 1
    parts = [(position + n / num_chunks) % 1 for n in range(num_chunks)]
    return [min(int(part * choices), choices - 1) for part in parts]


def _uniform(seed: Sequence[int], start: int) -> Iterator[float]:
    """Yields numbers in [0, 1), of which the n-th follows from seed and n."""
    block, skipped = divmod(start, _BLOCK)
    for number in itertools.count(block):
        values = np.random.default_rng((*seed, number)).random(_BLOCK)
        yield from values[skipped:].tolist()
        skipped = 0
