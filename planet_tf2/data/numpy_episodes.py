"""Batches of sequences from a folder of episodes, as a `tf.data.Dataset`."""

import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from planet_tf2.data import loaders
from planet_tf2.data.episode_cache import Episode, EpisodeCache
from planet_tf2.tools import memory

# Tell the random numbers of a seed's two uses apart.
_EPISODES, _OFFSETS = 0, 1
_BLOCK = 1024  # Random numbers to draw at a time.


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
    start: int = 0,
    names: Callable[[int], Sequence[str]] | None = None,
    set_aside: Callable[[pathlib.Path], None] | None = None,
) -> tf.data.Dataset:
    """Reads an endless stream of random sequences.

    The folder is first read when this function is called, so that problems
    with the episodes show at once, and looked at again while iterating.

    A batch follows from the seed, its number, and the episodes that were found
    when its loader looked at the folder. Given `names`, which tells what there
    was to be found, the dataset can therefore start at any batch and yield what
    one from the beginning would.

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
        of, given its number. By default those that there are. It may wait, as
        batches are prepared ahead.
      set_aside: called with the path of each file that is no episode, or not a
        whole one; by default such files are just skipped.

    Returns:
      Dataset of dictionaries: `image` uint8 `[B, T, H, W, 3]`, `action`
      float32 `[B, T, A]`, `reward` float32 `[B, T]`, each aligned as stored:
      `action[t]` and `reward[t]` lead to `image[t]`.

    Raises:
      EpisodesError: if the folder has no episode that is long enough.
    """
    batch_size, length = shape
    loader = loaders.LOADERS[loader] if isinstance(loader, str) else loader
    seed = (seed,) if isinstance(seed, int) else tuple(seed)
    store = EpisodeCache(
        pathlib.Path(directory),
        length,
        keys,
        # What is made up needs only an example.
        1 if loader is loaders.dummy else max_episodes,
        max_bytes,
        keep=loader is not loaders.reload,
        names=names and (lambda draw: names(draw * num_chunks // batch_size)),
        set_aside=set_aside,
    )
    first_draw, skipped = divmod(start * batch_size, num_chunks)
    first_look = first_draw // loader_every * loader_every
    example = store[store.look(first_look)[0]]

    def batches() -> Iterator[dict[str, np.ndarray]]:
        memory.renew()  # Since TensorFlow changed it for this generator.
        stream = loader(store, loader_every, (*seed, _EPISODES), first_draw)
        stream = sequences(
            stream, length, num_chunks, (*seed, _OFFSETS), first_draw
        )
        stream = itertools.islice(stream, skipped, None)
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
