"""The exclusive right to work on a folder, held through a PING file.

Whoever creates PING owns the folder, and rewrites the file again and again
to show that they are alive. Somebody else may take over once they have
watched the file for some time without seeing it change, so nothing depends
on clocks that agree.

Three rules keep two workers from owning one folder:

- Only its owner writes into a PING file, through the file handle that it was
  created with. After a takeover that handle leads to a file without a name,
  so an owner that was asleep cannot overwrite the claim of another.
- Replacing or removing PING happens while holding PING.lock, and only after
  another look at what it says.
- Owners ask `holds()` before they write anything that matters.
"""

import atexit
import contextlib
import json
import os
import pathlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

_SIZE = 512  # Bytes, so that each rewriting covers the one before.


class Claim:
    """A claim on a folder, to be acquired, refreshed and released.

    Args:
      path: The PING file.
      worker: Name of the worker, for people.
      ping_every: Seconds between refreshes, for whoever watches.
      clock: Returns the time in seconds. Only shown, never compared.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        worker: str,
        ping_every: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = pathlib.Path(path)
        self.ping_every = ping_every
        self.step: int | None = None
        self._lock = self.path.with_name(self.path.name + ".lock")
        self._id = uuid.uuid4().hex
        self._about = {
            "id": self._id,
            "worker": worker,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "machine": machine_id(),
            "ping_every": ping_every,
        }
        self._clock = clock
        self._pings = 0
        self._descriptor: int | None = None
        # Refreshing and releasing happen in different threads.
        self._mutex = threading.Lock()

    def acquire(self) -> bool:
        """Claims the folder if nobody else does."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            self._own(os.open(self.path, flags, 0o666))
        except FileExistsError:
            return False
        return True

    def take_over(self, watched: bytes) -> bool:
        """Replaces a claim that was watched and found dead.

        Args:
          watched: What the PING file of that claim says.

        Returns:
          Whether it worked. Not so if the claim came back to life, or if
          another worker is faster.
        """
        with self._alone() as alone:
            if not alone or read(self.path) != watched:
                return False
            new = self.path.with_name(f"{self.path.name}.{self._id}")
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            self._own(os.open(new, flags, 0o666))
            os.replace(new, self.path)
            return True

    def refresh(self) -> bool:
        """Shows others that the owner is alive.

        Returns:
          Whether the claim still holds.
        """
        with self._mutex:
            if not self.holds():
                return False
            self._pings += 1
            os.pwrite(self._descriptor, self._content(), 0)
            return True

    def holds(self) -> bool:
        """Looks whether the claim is still there.

        A file that cannot be read counts as a claim that was lost, since
        whoever cannot see it cannot know.
        """
        if self._descriptor is None:
            return False
        try:
            return self._id.encode() in (read(self.path) or b"")
        except OSError:
            return False

    def release(self) -> None:
        """Gives the folder back. Leaves the claims of others alone."""
        atexit.unregister(self.release)
        with self._mutex:
            if self._descriptor is None:
                return
            with contextlib.suppress(OSError), self._alone() as alone:
                # Otherwise somebody is taking over right now.
                if alone and self.holds():
                    self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def clear_lock(self) -> None:
        """Removes the lock of a worker that died while holding it.

        The lock is held for less than a millisecond at a time, so one that
        was seen all through a watch is dead.
        """
        dead = self._lock.with_name(f"{self._lock.name}.{self._id}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._lock, dead)
            dead.unlink()

    @property
    def lock_content(self) -> bytes | None:
        """What the lock says, or None if nobody holds it."""
        return read(self._lock)

    def _own(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.pwrite(descriptor, self._content(), 0)
        # For exits that do not pass through here.
        atexit.register(self.release)

    def _content(self) -> bytes:
        seconds = self._clock()
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
        about = {
            **self._about,
            "time": when,
            "step": self.step,
            "pings": self._pings,
        }
        return json.dumps(about).encode().ljust(_SIZE - 1) + b"\n"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Yields whether the lock could be taken, and holds it if so."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            descriptor = os.open(self._lock, flags, 0o666)
        except FileExistsError:
            yield False
            return
        try:
            os.write(descriptor, self._id.encode())
            os.close(descriptor)
            yield True
        finally:
            with contextlib.suppress(OSError):
                os.unlink(self._lock)


def read(path: pathlib.Path) -> bytes | None:
    """Returns what a file says, or None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def describe(content: bytes | None) -> dict[str, Any]:
    """Returns what a PING file says about its owner, as far as known."""
    try:
        about = json.loads(content or b"")
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def stays(
    content: bytes | None,
    look: Callable[[], bytes | None],
    seconds: float,
    wait: Callable[[float], None] = time.sleep,
    looks: int = 20,
) -> bool:
    """Returns whether a file says the same for some time.

    Args:
      content: What it said at first.
      look: Returns what it says now.
      seconds: How long to watch.
      wait: Waits for a number of seconds.
      looks: How often to look. Watching ends at the first change.
    """
    for _ in range(looks):
        wait(seconds / looks)
        if look() != content:
            return False
    return True


def owner_is_gone(content: bytes | None) -> bool:
    """Returns whether the owner's process is known not to exist any more.

    Only known on the owner's machine. False means nothing.
    """
    about = describe(content)
    process, machine = about.get("process"), about.get("machine")
    if not isinstance(process, int) or process <= 0:
        return False
    if not machine or machine != machine_id():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def machine_id() -> str | None:
    """Returns what tells apart the process numbers of two machines.

    Containers, and one machine before and after a restart, are different.
    None if it cannot be found out.
    """
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
    return f"{socket.gethostname()} {boot.strip()} {namespace}"
