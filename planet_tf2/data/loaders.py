"""Which episode comes next: endless streams over a folder that grows.

A loader looks at the folder, yields `every` episodes, looks again, and so on.
Episodes are decoded once and kept in memory.
"""

import logging
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from planet_tf2.data import episodes

Episode = dict[str, np.ndarray]

_LOGGER = logging.getLogger(__name__)


class EpisodesError(ValueError):
    """A folder has no episodes that can be used."""


class EpisodeCache:
    """The usable episodes of a folder, decoded.

    Args:
      directory: the folder.
      min_length: shortest usable episode, in time steps.
      keys: arrays that an episode needs, of equal sizes in all of them; the
        first usable episode decides.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        min_length: int,
        keys: Sequence[str] = (),
    ):
        self._directory = pathlib.Path(directory)
        self._min_length = min_length
        self._keys = tuple(keys)
        self._sizes: dict[str, tuple[int, ...]] | None = None
        self._episodes: dict[str, Episode] = {}
        self._rejected: dict[str, str] = {}

    def __getitem__(self, name: str) -> Episode:
        return self._episodes[name]

    def look(self) -> list[str]:
        """Reads what is new in the folder.

        Returns:
          Names of all usable episodes, oldest first.

        Raises:
          EpisodesError: if there is none; it tells why.
        """
        names = episodes.list_episodes(self._directory)
        for name in names:
            if name not in self._episodes and name not in self._rejected:
                self._read(name)
        usable = [name for name in names if name in self._episodes]
        if not usable:
            reasons = list(self._rejected.values())
            raise EpisodesError(
                f"No usable episodes in {self._directory}: "
                + ("; ".join(reasons[:3]) if reasons else "it is empty")
                + "."
            )
        return usable

    def _read(self, name: str) -> None:
        try:
            episode = episodes.load_episode(self._directory / name)
            self._check(name, episode)
        except episodes.BrokenEpisode as error:
            self._rejected[name] = str(error).rstrip(".")
            _LOGGER.warning("Skipping an episode: %s", error)
            return
        self._episodes[name] = episode

    def _check(self, name: str, episode: Episode) -> None:
        length = len(episode["reward"])
        if length < self._min_length:
            raise episodes.BrokenEpisode(
                f"{name} has {length} time steps, fewer than the "
                f"{self._min_length} of a sequence (batch_shape)."
            )
        missing = [key for key in self._keys if key not in episode]
        if missing:
            raise episodes.BrokenEpisode(f"{name} has no {missing[0]!r}.")
        sizes = {key: episode[key].shape[1:] for key in self._keys}
        self._sizes = self._sizes or sizes
        if sizes != self._sizes:
            raise episodes.BrokenEpisode(
                f"{name} has entries of the sizes {sizes}, but those of the "
                f"other episodes are {self._sizes}. It is of another task."
            )


def cache(
    store: EpisodeCache, every: int, random: np.random.Generator
) -> Iterator[Episode]:
    """Yields all episodes equally often, in random order.

    Args:
      store: the folder's episodes.
      every: episodes to yield between two looks at the folder.
      random: decides the order.
    """
    while True:
        names = store.look()
        for name in _cycle(names, every, random):
            yield store[name]


def recent(
    store: EpisodeCache, every: int, random: np.random.Generator
) -> Iterator[Episode]:
    """Yields new episodes more often than those known for longer.

    Up to `every // 2` of the episodes that appeared since the look before and
    as many of the older ones are drawn without replacement, and cycled.

    Args:
      store: the folder's episodes.
      every: episodes to yield between two looks at the folder.
      random: decides which episodes are drawn, and their order.
    """
    known: list[str] = []
    while True:
        names = store.look()
        older = [name for name in names if name in set(known)]
        newer = [name for name in names if name not in set(known)]
        drawn = [
            *_draw(newer, every // 2, random),
            *_draw(older, every // 2, random),
        ]
        known = names
        for name in _cycle(drawn, every, random):
            yield store[name]


LOADERS = {"cache": cache, "recent": recent}


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
