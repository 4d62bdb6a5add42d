"""Tells dead claims from living ones by watching them for change."""

import pathlib
from collections.abc import Iterable
from typing import Any

from planet_tf2.experiment import claims

# Looks at a claim before it counts as dead.
_LOOKS = 20
_LONGEST = 24 * 3600.0


class Watcher:
    """Watches the claims on any number of folders at once.

    A claim is dead if nothing about it changes in twice the time within which
    its owner wanted to refresh it. That time is made up of the watcher's own
    waiting, so no clocks are compared. If the watcher itself is asleep in
    between, that counts as a single wait.

    A claim is also dead if its owner is known not to exist any more, which can
    only be known on one and the same machine.

    Args:
      ping_every: Seconds between refreshes that the watcher takes for usual.
        Claims that name a longer time are watched for longer.
    """

    def __init__(self, ping_every: float) -> None:
        self._ping_every = ping_every
        self._sights: dict[pathlib.Path, claims.Sight] = {}
        self._seconds: dict[pathlib.Path, float] = {}
        self._alive: set[pathlib.Path] = set()

    def look(self, path: pathlib.Path, waited: float = 0) -> claims.Sight:
        """Looks at a claim.

        Args:
          path: Its PING file.
          waited: Seconds that were waited since the last look.

        Returns:
          What there is to see; see `is_dead`.
        """
        sight = claims.see(path)
        if sight == self._sights.get(path):
            self._seconds[path] += waited
        else:
            if self._is_same_owner(path, sight):
                self._alive.add(path)
            else:
                self._alive.discard(path)
            self._seconds[path] = 0.0
        self._sights[path] = sight
        return sight

    def last_sight(self, path: pathlib.Path) -> claims.Sight:
        """What the last look at a claim showed."""
        return self._sights.get(path, {})

    def forget(self, path: pathlib.Path) -> None:
        """Stops watching a claim."""
        self._sights.pop(path, None)
        self._seconds.pop(path, None)
        self._alive.discard(path)

    def is_dead(self, path: pathlib.Path) -> bool:
        """Whether a claim that was looked at may be taken over."""
        if claims.owners_are_gone(self._sights[path]):
            return True
        return self._seconds_left(path) < 1e-6

    def is_alive(self, path: pathlib.Path) -> bool:
        """Whether a claim was seen to be refreshed since it was first seen."""
        return path in self._alive

    def unchanged_seconds(self, path: pathlib.Path) -> float:
        """For how long a claim was watched since it last changed."""
        return self._seconds.get(path, 0.0)

    def wait_seconds(self, paths: Iterable[pathlib.Path]) -> float:
        """How long to wait until the next look at some claims."""
        times = [self._seconds_left(p) for p in paths if p in self._sights]
        longest = 2 * self._ping_every / _LOOKS
        return min([longest, *(max(time, longest / 10) for time in times)])

    def _seconds_left(self, path: pathlib.Path) -> float:
        every = self._ping_every
        for content in self._sights[path].values():
            every = max(every, usual_ping_every(claims.describe(content), 0))
        return 2 * every - self._seconds[path]

    def _is_same_owner(self, path: pathlib.Path, sight: claims.Sight) -> bool:
        before = self._sights.get(path)
        if not before or not sight:
            return False
        ids = [claims.claim_id(s[path.name]) for s in (before, sight)]
        return ids[0] == ids[1]


def owner(sight: claims.Sight) -> str:
    """Says who holds a claim, as far as known."""
    about = claims.describe(next(iter(sight.values()), None))
    if not about:
        return "another worker"
    return (
        f"worker {about.get('worker')} (process {about.get('process')} on "
        f"{about.get('host')})"
    )


def usual_ping_every(about: dict[str, Any], default: float = 30) -> float:
    """Returns the seconds between signs of life that a PING file names.

    Args:
      about: What the file says.
      default: What to return if it does not say anything sensible.
    """
    value = about.get("ping_every")
    # Nobody should have to wait forever because of what a file says.
    usable = isinstance(value, (int, float)) and 0 < value <= _LONGEST
    return value if usable else default
