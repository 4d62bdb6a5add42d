"""The episodes of a folder that training can use, within bounds."""

import logging
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from planet_tf2.data import episodes

Episode = dict[str, np.ndarray]

_LOGGER = logging.getLogger(__name__)


class EpisodesError(ValueError):
    """A folder has no episodes that can be used."""


class EpisodeCache:
    """The usable episodes of a folder, decoded once and kept in memory.

    Args:
      directory: the folder.
      min_length: shortest usable episode, in time steps.
      keys: arrays that an episode needs. No others are kept.
      max_episodes: how many episodes to keep, or None for all. Older ones are
        not used; their files stay.
      max_bytes: how much memory their arrays may take, or None. One episode is
        kept in any case.
      keep: whether to keep them in memory. Otherwise files are read again each
        time, and `max_bytes` means nothing.
      names: returns the episode files, oldest first, that there were at a draw,
        given its number. By default those that there are when it is asked, in
        the order of their names.
      set_aside: called with the path of each file that is no episode, or not a
        whole one. By default such files stay where they are, and are skipped.
      sizes: shapes of a time step of these arrays, by name; episodes of others
        are skipped. By default those of the oldest usable episode.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        min_length: int,
        keys: Sequence[str] = (),
        *,
        max_episodes: int | None = None,
        max_bytes: int | None = None,
        keep: bool = True,
        names: Callable[[int], Sequence[str]] | None = None,
        set_aside: Callable[[pathlib.Path], None] | None = None,
        sizes: Mapping[str, tuple[int, ...]] | None = None,
    ):
        self._max_episodes = max_episodes or math.inf
        self._max_bytes = (keep and max_bytes) or math.inf
        self._keep = keep
        self._names = names or (lambda draw: episodes.list_episodes(directory))
        self._set_aside = set_aside or (lambda path: None)
        self._bytes: dict[str, int] = {}
        self._directory = pathlib.Path(directory)
        self.min_length = min_length
        self._keys = tuple(keys)
        self._sizes = sizes and {key: tuple(sizes[key]) for key in self._keys}
        self._episodes: dict[str, Episode] = {}
        self._rejected: dict[str, str] = {}

    def __getitem__(self, name: str) -> Episode:
        """Returns a usable episode.

        Raises:
          BrokenEpisode: its file has become unusable since the last look.
          FileNotFoundError: its file is gone since then.
          KeyError: it was not usable.
        """
        if self._keep:
            return self._episodes[name]
        return self._load(name)

    def look(self, draw: int = 0) -> list[str]:
        """Reads what is new in the folder.

        Args:
          draw: number of the draw that this look comes before.

        Returns:
          Names of the usable episodes within the bounds, oldest first.

        Raises:
          EpisodesError: if there is none; it tells why.
        """
        usable: list[str] = []
        names = self._names(draw)
        if self._sizes is None:
            # The oldest usable one decides what the others have to look like.
            any(self._read(name) for name in names)
        for name in reversed(names):
            if self._is_full(usable, name):
                break
            if self._read(name):
                usable.insert(0, name)
                self._make_room(usable, names)
                if name not in usable:
                    break
        for name in set(self._episodes) - set(usable):
            del self._episodes[name]
        if not usable:
            reasons = list(self._rejected.values())[:3] or ["it is empty"]
            raise EpisodesError(
                f"No usable episodes in {self._directory}: "
                f"{'; '.join(reasons)}."
            )
        return usable

    def _read(self, name: str) -> bool:
        """Makes sure that an episode is known, if it can be used."""
        if name in self._rejected:
            return False
        if name in (self._episodes if self._keep else self._bytes):
            return True
        try:
            episode = self._load(name)
        except (episodes.BrokenEpisode, FileNotFoundError) as error:
            self._rejected[name] = str(error).rstrip(".")
            _LOGGER.warning("Skipping an episode: %s", error)
            return False
        if self._keep:
            self._episodes[name] = episode
        self._bytes[name] = sum(array.nbytes for array in episode.values())
        return True

    def _load(self, name: str) -> Episode:
        path = self._directory / name
        try:
            episode = episodes.load_episode(path)
        except episodes.BrokenEpisode as error:
            # If the system cannot read it now, it may still be whole.
            if not isinstance(error.__cause__, OSError):
                self._set_aside(path)
            raise
        self._check(name, episode)
        if self._keys:
            needed = {*self._keys, "reward"}
            episode = {key: episode[key] for key in needed}
        return episode

    def _is_full(self, names: list[str], further: str) -> bool:
        """Whether there is no room for one more; unknown sizes count as 0."""
        size = self._size(names) + self._bytes.get(further, 0)
        over = size > self._max_bytes or len(names) >= self._max_episodes
        return bool(names) and over

    def _make_room(self, wanted: list[str], names: Sequence[str]) -> None:
        """Drops the oldest until the others fit, but not the latest wanted.

        Only older episodes than the wanted ones are in memory beside them, so
        that those go first.
        """
        if self._size(self._episodes) <= self._max_bytes:
            return
        age = {name: number for number, name in enumerate(names)}
        by_age = sorted(self._episodes, key=lambda name: age.get(name, -1))
        for oldest in by_age:
            fits = self._size(self._episodes) <= self._max_bytes
            if fits or oldest == wanted[-1]:
                break
            del self._episodes[oldest]
            if oldest in wanted:
                wanted.remove(oldest)

    def _size(self, names: Iterable[str]) -> int:
        return sum(self._bytes[name] for name in names)

    def _check(self, name: str, episode: Episode) -> None:
        length = len(episode["reward"])
        if length < self.min_length:
            raise episodes.BrokenEpisode(
                f"{name} has {length} time steps, fewer than the "
                f"{self.min_length} of a sequence (batch_shape)."
            )
        missing = [key for key in self._keys if key not in episode]
        if missing:
            raise episodes.BrokenEpisode(f"{name} has no {missing[0]!r}.")
        sizes = {key: episode[key].shape[1:] for key in self._keys}
        self._sizes = self._sizes or sizes
        if sizes != self._sizes:
            raise episodes.BrokenEpisode(
                f"{name} has entries of the sizes {sizes}, but {self._sizes} "
                "are needed. It is of another task, or has images of another "
                "size."
            )
