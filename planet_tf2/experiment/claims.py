"""The exclusive right to work on a folder, held through a PING file.

Whoever creates PING owns the folder, and rewrites the file again and again
to show that they are alive. Somebody else may take over once they have
watched the file for some time without seeing it change, so nothing depends
on clocks that agree. All of it rests on operations that the system carries
out as a whole, on local disks and on NFS: making a file that must not exist
yet, and renaming.

These rules keep two workers from owning one folder:

- Only its owner writes into a PING file, through the file handle that it was
  created with. After a takeover that handle leads to a file without a name,
  so an owner that was asleep cannot overwrite the claim of another.
- A claim ends only once. Whoever wants to end the claim with the id X, be it
  another worker that takes over or the owner that gives it back, first has to
  create the note `PING.X.next`, with an id of its own. If they die
  before they have replaced PING, the same holds for them: the right to go on
  in place of Y is the note `PING.Y.next`.
- A claim that is to replace PING is prepared as `PING.Y`. Whoever goes on in
  place of Y removes that file, so that Y cannot replace PING any more.
- Owners ask `holds()` before they write anything that matters.
"""

import atexit
import contextlib
import errno
import hashlib
import json
import os
import pathlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

# Contents have a multiple of so many bytes, so that they rarely change size.
_BLOCK = 512
# What file systems without hard links say when asked for one.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

# What there is to see of a claim: PING and the notes that lead on from it, in
# this order, as name and content. Empty if nobody claims the folder.
Sight = dict[str, bytes]


class Claim:
    """A claim on a folder, to be acquired, refreshed and released.

    Args:
      path: The PING file.
      worker: Name of the worker, for people.
      ping_every: Seconds between refreshes, for whoever watches.
      clock: Returns the time in seconds. Only shown, never compared.

    Attributes:
      id: Tells this claim from all others.
      details: What else the PING file says, such as `step`; JSON values by
        name.
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
        self.id = uuid.uuid4().hex
        self.details: dict[str, Any] = {"step": None}
        self._about = {
            "worker": worker,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "machine": machine_id(),
            "ping_every": ping_every,
        }
        self._clock = clock
        self._pings = 0
        self._size = 0
        self._descriptor: int | None = None
        # Refreshing and releasing happen in different threads.
        self._mutex = threading.Lock()

    def acquire(self) -> bool:
        """Claims the folder if nobody else does."""
        prepared = self._prepare(self.id)
        with _removed_in_the_end(prepared):
            if not _link(prepared, self.path):
                return False
        return self._own()

    def take_over(self, watched: Sight) -> bool:
        """Replaces a claim that was watched and found dead.

        Args:
          watched: What there was to see of that claim.

        Returns:
          Whether it worked. Not so if the claim came back to life, or if
          another worker is faster.
        """
        if not watched:
            return False
        *_, last = watched.values()
        prepared = self._prepare(self.id)
        with _removed_in_the_end(prepared):
            note = self._note(claim_id(last))
            if not _link(prepared, note):
                return False
            with _removed_in_the_end(note):
                return self._replace(prepared, note, watched)

    def refresh(self) -> bool:
        """Shows others that the owner is alive.

        Returns:
          Whether the claim still holds.
        """
        with self._mutex:
            if not self.holds():
                return False
            self._pings += 1
            os.pwrite(self._descriptor, self._content(self.id), 0)
            # On network file systems nobody would see it before.
            os.fsync(self._descriptor)
            return True

    def holds(self) -> bool:
        """Looks whether the claim is still there.

        A file that cannot be read counts as a claim that was lost, since
        whoever cannot see it cannot know.
        """
        if self._descriptor is None:
            return False
        try:
            return self.id.encode() in (read(self.path) or b"")
        except OSError:
            return False

    def release(self) -> None:
        """Gives the folder back. Leaves the claims of others alone."""
        atexit.unregister(self.release)
        with self._mutex:
            if self._descriptor is None:
                return
            with contextlib.suppress(OSError):
                self._remove()
            os.close(self._descriptor)
            self._descriptor = None

    def _remove(self) -> None:
        """Removes PING, unless somebody is taking over."""
        if not self.holds():
            return
        try:
            prepared = self._prepare(uuid.uuid4().hex)
        except OSError:
            # The disk is full. Better without a note than not at all.
            self.path.unlink()
            return
        with _removed_in_the_end(prepared):
            note = self._note(self.id)
            if not _link(prepared, note):
                return
            with _removed_in_the_end(note):
                if self.holds():
                    self.path.unlink()

    def _replace(
        self, prepared: pathlib.Path, note: pathlib.Path, watched: Sight
    ) -> bool:
        """Replaces PING, if it still is what was watched."""
        _, *before = watched.values()
        for content in before:
            self._prepared(claim_id(content)).unlink(missing_ok=True)
        now = see(self.path)
        if list(now) != [*watched, note.name]:
            return False
        if now[self.path.name] != watched[self.path.name]:
            return False
        try:
            os.replace(prepared, self.path)
        except FileNotFoundError:
            return False  # Another one goes on in place of this one.
        for name in list(watched)[1:]:
            self.path.with_name(name).unlink(missing_ok=True)
        return self._own()

    def _own(self) -> bool:
        try:
            self._descriptor = os.open(self.path, os.O_WRONLY)
        except FileNotFoundError:
            return False  # This process was asleep, and PING was removed.
        # For exits that do not pass through here.
        atexit.register(self.release)
        return True

    def _prepare(self, new_id: str) -> pathlib.Path:
        prepared = self._prepared(new_id)
        try:
            with open(prepared, "xb") as file:
                file.write(self._content(new_id))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            prepared.unlink(missing_ok=True)
            raise
        return prepared

    def _prepared(self, of: str) -> pathlib.Path:
        return self.path.with_name(f"{self.path.name}.{of}")

    def _note(self, of: str) -> pathlib.Path:
        return _note(self.path, of)

    def _content(self, of: str) -> bytes:
        seconds = self._clock()
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
        about = {
            "id": of,
            **self._about,
            "time": when,
            **self.details,
            "pings": self._pings,
        }
        content = json.dumps(about).encode()
        blocks = len(content) // _BLOCK + 1
        self._size = max(self._size, blocks * _BLOCK)
        return content.ljust(self._size - 1) + b"\n"


def see(path: pathlib.Path) -> Sight:
    """Returns what there is to see of the claim on a folder.

    Args:
      path: The PING file.

    Raises:
      OSError: A file is there but cannot be read.
    """
    sight: Sight = {}
    name: pathlib.Path = path
    while (content := read(name)) is not None and name.name not in sight:
        sight[name.name] = content
        name = _note(path, claim_id(content))
    return sight


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


def claim_id(content: bytes) -> str:
    """Returns what tells a claim from all others."""
    found = describe(content).get("id")
    if isinstance(found, str) and found.isalnum() and len(found) <= 64:
        return found
    # A file that somebody else wrote.
    return hashlib.sha256(content).hexdigest()[:32]


def owners_are_gone(sight: Sight) -> bool:
    """Returns whether nobody is left who could care about a claim."""
    return all(owner_is_gone(content) for content in sight.values())


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
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return _is_zombie(process)


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


def _is_zombie(process: int) -> bool:
    """Whether a process has ended and only waits for its parent to notice."""
    try:
        text = pathlib.Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    # Its state comes after the name, which is in parentheses.
    return text.rpartition(")")[2].split()[:1] == ["Z"]


def _note(path: pathlib.Path, of: str) -> pathlib.Path:
    return path.with_name(f"{path.name}.{of}.next")


def _link(prepared: pathlib.Path, path: pathlib.Path) -> bool:
    """Gives a file a second name, if there is no file of that name yet."""
    try:
        os.link(prepared, path)
    except FileExistsError:
        # Over a network the answer to a first try may have been lost.
        return os.stat(prepared).st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _copy(prepared, path)
    return True


def _copy(prepared: pathlib.Path, path: pathlib.Path) -> bool:
    """Does the same where a file can only have one name."""
    content = prepared.read_bytes()
    try:
        with open(path, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def _removed_in_the_end(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
