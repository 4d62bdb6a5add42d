"""The episodes of a folder that training can use, within bounds."""

import logging
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType
from planet_tf2.data.episode_archive import BrokenEpisode, DamagedEpisode

Episode = dict[str, np.ndarray]

_LOGGER = logging.getLogger(__name__)


class EpisodesError(ValueError):
    """A folder has no episodes that can be used."""


class EpisodeCache:
    """The usable episodes of a folder, decoded once and kept in memory.

    Args:
      directory: the folder.
      min_length: shortest usable episode, in time steps.
      keys: arrays that an episode needs: observations, `action`, `reward`,
        `is_first`, `terminal`, `return`. No others are kept.
      max_episodes: how many episodes to keep, or None for all. Older ones are
        not used; their files stay.
      max_bytes: how much memory their arrays may take, or None. One episode is
        kept in any case, and while new ones are read, some more.
      keep: whether to keep them in memory. Otherwise files are read again each
        time, and `max_bytes` means nothing.
      names: returns the episode files, oldest first, that a batch may be made
        of, given its number. By default those that there are when it is asked,
        in the order of their names. It may wait.
      set_aside: called with the path of each file that is damaged. By default
        such files stay where they are, and are skipped.
      types: what a time step of these arrays is, by name. Episodes of others
        are converted or skipped. By default that of the first that is read.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        min_length: int,
        keys: Sequence[str],
        *,
        max_episodes: int | None = None,
        max_bytes: int | None = None,
        keep: bool = True,
        names: Callable[[int], Sequence[str]] | None = None,
        set_aside: Callable[[pathlib.Path], None] | None = None,
        types: Mapping[str, StepType] | None = None,
    ):
        self._max_episodes = max_episodes or math.inf
        self._max_bytes = (keep and max_bytes) or math.inf
        self._keep = keep
        self._names = names or (lambda batch: episodes.list_episodes(directory))
        self._set_aside = set_aside or (lambda path: None)
        self._directory = pathlib.Path(directory)
        self._min_length = min_length
        self.keys = tuple(keys)
        self._types = types
        self._bytes: dict[str, int] = {}  # Of all that were ever read.
        self._episodes: dict[str, Episode] = {}
        self._rejected: dict[str, str] = {}

    def __getitem__(self, name: str) -> Episode:
        """Returns a usable episode.

        Raises:
          BrokenEpisode: its file has become unusable since the last look.
          FileNotFoundError: its file is gone since then.
          KeyError: it was not usable.
        """
        return self._episodes[name] if self._keep else self._load(name)

    def look(self, batch: int = 0) -> list[str]:
        """Reads what is new in the folder.

        Args:
          batch: number of the batch that this look comes before.

        Returns:
          Names of the usable episodes within the bounds, oldest first.

        Raises:
          EpisodesError: if there is none; it tells why.
        """
        usable: list[str] = []
        size = 0
        for name in reversed(self._names(batch)):
            expected = size + self._bytes.get(name, 0)
            over = expected > self._max_bytes
            if usable and (over or len(usable) >= self._max_episodes):
                break
            if not self._read(name):
                continue
            size += self._bytes[name]
            if usable and size > self._max_bytes:
                break
            usable.insert(0, name)
        for name in set(self._episodes) - set(usable):
            del self._episodes[name]
        if not usable:
            reasons = list(self._rejected.values())[:3]
            text = "; ".join(reasons) or "it is empty"
            if reasons:
                text += ". Mend these files, or remove them"
            raise EpisodesError(
                f"No usable episodes in {self._directory}: {text}."
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
        except (BrokenEpisode, FileNotFoundError) as error:
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
            episode = episodes.load_episode(path, self._types)
        except DamagedEpisode:
            self._set_aside(path)
            raise
        length = len(episode["reward"])
        if length < self._min_length:
            raise BrokenEpisode(
                f"{name} has {length} time steps, fewer than the "
                f"{self._min_length} of a sequence (batch_shape)."
            )
        if self._types is None:
            missing = [key for key in self.keys if key not in episode]
            if missing:
                raise BrokenEpisode(f"{name} has no {missing[0]!r}.")
            self._types = {
                key: StepType(episode[key].dtype, episode[key].shape[1:])
                for key in self.keys
            }
        return {key: episode[key] for key in {*self.keys, "reward"}}
