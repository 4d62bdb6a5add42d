"""Which episode comes next: endless streams over a folder that grows.

A loader looks at the folder, yields `every` episodes, looks again, and so on.
Such a round is what its random numbers belong to:

    draw     0 1 2 ... every-1 | every ...        | 2 * every ...
    round            0         |        1         |       2
    look     ^                   ^                  ^

The draws of a round follow from the seed, the number of the round, and the
episodes that were found at this look and at the one before; nothing else is
remembered. So a loader can start at any draw, and goes on as one that has come
there by itself, if it is told what was found then.
"""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from planet_tf2.data import episodes
from planet_tf2.data.episode_cache import Episode, EpisodeCache

Seed = Sequence[int]

_LOGGER = logging.getLogger(__name__)


def cache(
    store: EpisodeCache, every: int, seed: Seed, start: int = 0
) -> Iterator[Episode]:
    """Yields all episodes equally often, in random order.

    Args:
      store: the folder's episodes.
      every: episodes to yield between two looks at the folder.
      seed: decides the order.
      start: number of the first draw.
    """
    for draw, random in _rounds(every, seed, start):
        names = store.look(draw)
        for name in _rest(_cycle(names, every, random), draw, start):
            yield store[name]


def recent(
    store: EpisodeCache, every: int, seed: Seed, start: int = 0
) -> Iterator[Episode]:
    """Yields new episodes more often than those known for longer.

    Up to `every // 2` of the episodes that appeared since the look before and
    as many of the older ones are drawn without replacement, and cycled.

    Args:
      store: the folder's episodes.
      every: episodes to yield between two looks at the folder.
      seed: decides which episodes are drawn, and their order.
      start: number of the first draw.
    """
    known: list[str] | None = None
    for draw, random in _rounds(every, seed, start):
        if known is None:
            known = store.look(draw - every) if draw else []
        names = store.look(draw)
        older = [name for name in names if name in set(known)]
        newer = [name for name in names if name not in set(known)]
        drawn = [
            *_draw(newer, every // 2, random),
            *_draw(older, every // 2, random),
        ]
        known = names
        for name in _rest(_cycle(drawn, every, random), draw, start):
            yield store[name]


def reload(
    store: EpisodeCache, every: int, seed: Seed, start: int = 0
) -> Iterator[Episode]:
    """Yields all episodes equally often, and reads each file every time.

    For more episodes than fit into memory, with a store that keeps none.

    Args:
      store: the folder's episodes.
      every: episodes to yield between two looks at the folder.
      seed: decides the order.
      start: number of the first draw.
    """
    for draw, random in _rounds(every, seed, start):
        names = store.look(draw)
        for name in _rest(_cycle(names, every, random), draw, start):
            try:
                yield store[name]
            except (episodes.BrokenEpisode, FileNotFoundError) as error:
                _LOGGER.warning("Skipping an episode: %s", error)


def dummy(
    store: EpisodeCache, every: int, seed: Seed, start: int = 0
) -> Iterator[Episode]:
    """Yields random numbers in the place of episodes.

    To see how fast training is without reading, or whether it depends on the
    data. Arrays have the names, types and sizes of those in the folder, and as
    many time steps as a sequence. Whole numbers are uniform over all that the
    type can hold, others over [-1, 1).

    Args:
      store: the folder's episodes, of which one is looked at.
      every: has no effect.
      seed: decides the numbers.
      start: number of the first draw.
    """
    del every
    example = store[store.look()[0]]
    for draw in itertools.count(start):
        random = np.random.default_rng((*seed, draw))
        yield {
            key: _random_array(
                random, (store.min_length, *array.shape[1:]), array.dtype
            )
            for key, array in sorted(example.items())
        }


LOADERS = {"cache": cache, "dummy": dummy, "recent": recent, "reload": reload}


def _rounds(
    every: int, seed: Seed, start: int
) -> Iterator[tuple[int, np.random.Generator]]:
    """Yields the first draw of each round, and the round's random numbers."""
    for number in itertools.count(start // every):
        yield number * every, np.random.default_rng((*seed, number))


def _rest(names: Iterable[str], draw: int, start: int) -> Iterator[str]:
    """Leaves out the draws of a round, from `draw` on, before `start`."""
    return itertools.islice(names, max(0, start - draw), None)


def _draw(
    names: list[str], amount: int, random: np.random.Generator
) -> list[str]:
    """Draws up to `amount` of the names without replacement."""
    return [names[i] for i in random.permutation(len(names))[:amount]]


def _cycle(
    names: list[str], amount: int, random: np.random.Generator
) -> Iterator[str]:
    """Yields `amount` names, every one once before any comes again."""
    yielded = 0
    while yielded < amount:
        for index in random.permutation(len(names))[: amount - yielded]:
            yield names[index]
            yielded += 1


def _random_array(
    random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return random.integers(
            limits.min, limits.max, shape, dtype, endpoint=True
        )
    return random.uniform(-1, 1, shape).astype(dtype)
