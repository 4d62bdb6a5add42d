"""Batches of random sequences from a folder of episodes that grows.

A loader looks at the folder, draws `every` episodes, looks again, and so on.
Such a round is what its random numbers belong to:

    draw     0 1 2 ... every-1 | every ...        | 2 * every ...
    round            0         |        1         |       2
    look     ^                   ^                  ^

The draws of a round follow from the seed, the number of the round, and the
episodes that were found at this look and at the one before; nothing else is
remembered. Therefore a loader can start at any draw, and continues like one
that has come there by itself, if it is told what was found then.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from planet_tf2.data.episode_archive import BrokenEpisode
from planet_tf2.data.episode_cache import Episode, EpisodeCache

Seed = Sequence[int]
# Returns the names of the usable episodes at a draw, oldest first.
Look = Callable[[int], list[str]]

# Tell the random numbers of a seed's two uses apart.
_EPISODES, _OFFSETS = 0, 1
_BLOCK = 1024  # Random numbers to draw at a time.
_LOGGER = logging.getLogger(__name__)


def sequence_batches(
    cache: EpisodeCache,
    shape: Sequence[int],
    loader: str = "recent",
    loader_every: int = 1000,
    num_chunks: int = 1,
    *,
    seed: int | Seed = 0,
    start: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of random sequences without end, as NumPy arrays.

    The folder is first read here, so that problems with the episodes show at
    once, and looked at again while iterating. One can start at any batch, and
    gets what would come there from the beginning, if the cache is told what
    there was then.

    Args:
      cache: the episodes, and which of their arrays to yield.
      shape: B and T, sequences per batch and time steps per sequence.
      loader: how episodes are drawn. `recent` prefers new ones, `dummy` makes
        up random numbers, and others draw all equally often.
      loader_every: episodes between two looks at the folder.
      num_chunks: sequences cut from an episode each time it is drawn.
      seed: determines the order of episodes and the choice of sequences.
      start: number of the first batch.

    Raises:
      EpisodesError: if the folder has no episode that is long enough.
    """
    size, length = shape
    seed = (seed,) if isinstance(seed, int) else tuple(seed)
    first, skipped = divmod(start * size, num_chunks)
    order, places = (*seed, _EPISODES), (*seed, _OFFSETS)

    def look(draw: int) -> list[str]:
        return cache.look(draw * num_chunks // size)

    def stored() -> Iterator[Episode]:
        """Yields an episode for each draw, but for files that have gone bad."""
        recent = loader == "recent"
        for name in draws(look, loader_every, order, first, recent=recent):
            try:
                yield cache[name]
            except (BrokenEpisode, FileNotFoundError) as error:
                _LOGGER.warning("Skipping an episode: %s", error)

    def batches() -> Iterator[dict[str, np.ndarray]]:
        episodes = stored()
        if loader == "dummy":
            example = cache[look(0)[0]]
            episodes = made_up(example, length, order, first)
        stream = sequences(episodes, length, num_chunks, places, first)
        stream = itertools.islice(stream, skipped, None)
        while True:
            group = [next(stream) for _ in range(size)]
            yield {k: np.stack([c[k] for c in group]) for k in cache.keys}

    look(first // loader_every * loader_every)
    return batches()


def draws(
    look: Look, every: int, seed: Seed, start: int = 0, *, recent: bool = False
) -> Iterator[str]:
    """Draws names of episodes in random order, all equally often.

    With `recent`, new episodes are drawn more often than those known for
    longer: up to `every // 2` of the episodes that appeared since the look
    before and as many of the older ones are drawn without replacement, and
    cycled.

    Args:
      look: looks at the folder.
      every: episodes to draw between two looks at the folder.
      seed: decides which episodes are drawn, and their order.
      start: number of the first draw.
      recent: whether to prefer new ones.
    """
    first = start // every
    known = set(look((first - 1) * every)) if recent and first else set()
    for number in itertools.count(first):
        random = np.random.default_rng((*seed, number))
        names = look(number * every)
        if recent:
            older = [name for name in names if name in known]
            newer = [name for name in names if name not in known]
            known = set(names)
            names = [
                group[index]
                for group in (newer, older)
                for index in random.permutation(len(group))[: every // 2]
            ]
        skipped = max(0, start - number * every)
        yield from itertools.islice(_cycle(names, random), skipped, every)


def made_up(
    example: Episode, length: int, seed: Seed, start: int = 0
) -> Iterator[Episode]:
    """Yields random numbers in the place of episodes.

    To see how fast training is without reading, or whether it depends on the
    data. Whole numbers are uniform over all that the type can hold, truth
    values over both, others over [-1, 1).

    Args:
      example: an episode, which decides names, types and sizes.
      length: time steps of the episodes.
      seed: decides the numbers.
      start: number of the first draw.
    """
    for draw in itertools.count(start):
        random = np.random.default_rng((*seed, draw))
        episode = {}
        for key, array in sorted(example.items()):
            shape, dtype = (length, *array.shape[1:]), array.dtype
            if dtype.kind == "b":
                episode[key] = random.integers(0, 2, shape).astype(bool)
            elif dtype.kind in "iu":
                low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
                episode[key] = random.integers(
                    low, high, shape, dtype, endpoint=True
                )
            else:
                episode[key] = random.uniform(-1, 1, shape).astype(dtype)
        yield episode


def sequences(
    stream: Iterable[Episode],
    length: int,
    num_chunks: int,
    seed: Seed,
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
    parts = np.arange(num_chunks)
    positions = _uniform(seed, start)
    for episode, position in zip(stream, positions, strict=False):
        choices = len(episode["reward"]) - length + 1
        free = choices - (num_chunks - 1) * length
        if free > 0:
            offsets = int(position * free) + parts * length
        else:
            spread = (position + parts / num_chunks) % 1
            offsets = np.minimum(spread * choices, choices - 1).astype(int)
        for offset in offsets:
            end = offset + length
            yield {key: value[offset:end] for key, value in episode.items()}


def _cycle(names: list[str], random: np.random.Generator) -> Iterator[str]:
    """Yields names for ever, every one once before any comes again."""
    while True:
        for index in random.permutation(len(names)):
            yield names[index]


def _uniform(seed: Seed, start: int) -> Iterator[float]:
    """Yields numbers in [0, 1), of which the n-th follows from seed and n."""
    block, skipped = divmod(start, _BLOCK)
    for number in itertools.count(block):
        values = np.random.default_rng((*seed, number)).random(_BLOCK)
        yield from values[skipped:].tolist()
        skipped = 0
