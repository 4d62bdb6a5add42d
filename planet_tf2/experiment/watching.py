"""What others see of a claim, and whether its owner is alive."""

import contextlib
import hashlib
import os
import pathlib
import socket
from typing import Any

import psutil
import pydantic_core

from planet_tf2.tools.files import opener
from planet_tf2.tools.plain_text import one_line

# What others see of a claim: PING and the notes that lead on from it, in this
# order, as name and content. Empty if nobody claims the folder.
Sight = dict[str, bytes]

# Seconds between refreshes: usually, and at most.
_USUAL, _LONGEST = 30.0, 24 * 3600.0


class Watch:
    """Watches a claim to find out whether its owner is alive.

    A claim is dead if it does not change in twice the time within which its
    owner wanted to refresh it. This time is the sum of the watcher's own waits,
    so no clocks are compared. If the watcher itself sleeps in between, that
    counts as a single wait.

    A claim is also dead if the process of its owner is known to have ended,
    which can only be known on the same machine.

    Args:
      path: The PING file.
      ping_every: Seconds between refreshes that the watcher expects. A claim
        that names a longer time is watched for longer.

    Attributes:
      sight: What the last look showed.
      seconds: Time for which the claim was watched since it last changed.
      alive: Whether it was refreshed since it was first seen.
    """

    def __init__(self, path: pathlib.Path, ping_every: float) -> None:
        self.path = path
        self.sight: Sight = {}
        self.seconds = 0.0
        self.alive = False
        self._ping_every = ping_every

    def look(self, waited: float = 0.0) -> Sight:
        """Returns what the claim shows, see `see`.

        Args:
          waited: Seconds that were waited since the last look.
        """
        before, self.sight = self.sight, see(self.path)
        if self.sight == before:
            self.seconds += waited
        else:
            both = [s.get(self.path.name) for s in (before, self.sight)]
            owners = [None if c is None else claim_id(c) for c in both]
            self.alive = None not in owners and owners[0] == owners[1]
            self.seconds = 0.0
        return self.sight

    def is_dead(self) -> bool:
        """Whether the folder may be claimed, as far as was seen."""
        # Whether nobody is left who could refresh or end the claim.
        gone = all(owner_is_gone(content) for content in self.sight.values())
        return gone or self.seconds >= self._patience()

    def _patience(self) -> float:
        """Seconds without a change after which the claim is dead."""
        every = self._ping_every
        for content in self.sight.values():
            named = describe(content).get("ping_every")
            # No file may make others wait forever.
            usable = isinstance(named, int | float) and 0 < named <= _LONGEST
            every = max(every, named if usable else _USUAL)
        return 2 * every


def owner(sight: Sight) -> str:
    """Says who holds a claim, as far as known."""
    about = describe(next(iter(sight.values()), None))
    if not about:
        return "another worker"
    return (
        f"worker {about.get('worker')} (process {about.get('process')} on "
        f"{about.get('host')})"
    )


def see(path: pathlib.Path) -> Sight:
    """Returns what others see of the claim on a folder.

    Args:
      path: The PING file.

    Raises:
      OSError: A file is there but cannot be read.
    """
    sight: Sight = {}
    name = path
    while (content := read(name)) is not None and name.name not in sight:
        sight[name.name] = content
        name = path.with_name(f"{path.name}.{claim_id(content)}.next")
    return sight


def read(path: pathlib.Path) -> bytes | None:
    """Returns what a file says, or None if there is none."""
    try:
        with open(path, "rb", opener=opener) as file:
            return file.read()
    except FileNotFoundError:
        return None


def describe(content: bytes | None) -> dict[str, Any]:
    """Returns what a PING file says about its owner, as far as known.

    Texts are such that they can be shown.
    """
    try:
        about = pydantic_core.from_json(content or b"")
    except ValueError:
        return {}
    if not isinstance(about, dict):
        return {}
    return {
        key: one_line(value) if isinstance(value, str) else value
        for key, value in about.items()
    }


def claim_id(content: bytes) -> str:
    """Returns the id of a claim, or a hash if it has none."""
    found = describe(content).get("id")
    if isinstance(found, str) and found.isalnum() and len(found) <= 64:
        return found
    return hashlib.sha256(content).hexdigest()[:32]


def owner_is_gone(content: bytes | None) -> bool:
    """Whether the owner's process is known to have ended, on this machine."""
    about = describe(content)
    process, machine = about.get("process"), about.get("machine")
    if not isinstance(process, int) or process <= 0:
        return False
    if not machine or machine != machine_id():
        return False
    try:
        # Unlike psutil, this also knows of processes that /proc hides.
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    with contextlib.suppress(psutil.Error):
        # A zombie has ended and only waits for its parent to notice.
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    return False


def machine_id() -> str | None:
    """Returns a name of the machine within which process numbers are unique.

    Each container has one of its own, and each start of a machine. None if it
    cannot be found out.
    """
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    return f"{socket.gethostname()} {boot.strip()} {namespace}"
