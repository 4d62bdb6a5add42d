"""The exclusive right to work on a folder, held through a PING file.

The worker that creates PING owns the folder, and rewrites the file at regular
intervals to show that it is alive. Another worker may take over after it has
watched the file for some time without seeing it change, so clocks need not
agree. The protocol relies on operations that are atomic on local disks and on
NFS: creating a file that must not exist yet, and renaming.

These rules keep two workers from owning one folder:

- Only its owner writes to a PING file, through the file handle that it opened
  when it got the claim. After a takeover that handle leads to a file without a
  name, so an owner that was asleep cannot overwrite the claim of another.
- A claim ends only once. To end the claim with the id X, a worker first creates
  the note `PING.X.next`, with an id Y of its own; both a worker that takes over
  and an owner that releases do so. If it dies before it has replaced PING,
  others may continue in its place, by the same rule: with the note
  `PING.Y.next`.
- The file that is to replace PING is prepared as `PING.Y`. A worker that
  continues in place of Y removes that file, so that Y cannot replace PING any
  more.
- Owners call `holds()` before they write anything that matters.
- Whoever gets the claim removes the files of workers that were killed while
  they tried. A worker whose file is gone has not got the claim.
"""

import atexit
import contextlib
import json
import logging
import os
import pathlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from planet_tf2.experiment.watching import (
    Sight,
    claim_id,
    describe,
    machine_id,
    owner_is_gone,
    read,
    see,
)

_LOGGER = logging.getLogger(__name__)

# Seconds after which files of other machines, which nobody can ask, are left.
_FORGOTTEN = 24 * 3600.0


class Claim:
    """A claim on a folder, to be acquired, kept alive and released.

    Args:
      path: The PING file.
      worker: Name of the worker, for people.
      ping_every: Seconds between refreshes.

    Attributes:
      id: Tells this claim from all others.
      details: What else the PING file says, such as `step`; JSON values by
        name.
      lost: Whether the claim is known to be lost.
    """

    def __init__(
        self, path: str | os.PathLike[str], worker: str, ping_every: float
    ) -> None:
        self.path = pathlib.Path(path)
        self.id = uuid.uuid4().hex
        self.details: dict[str, Any] = {"step": None}
        self.lost = False
        self._about = {
            "worker": worker,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "machine": machine_id(),
            "ping_every": ping_every,
        }
        self._pings = 0
        self._size = 512
        self._descriptor: int | None = None
        self._released = threading.Event()
        self._pinger = threading.Thread(
            target=self._ping, name="pinger", daemon=True
        )

    def acquire(self, dead: Sight | None = None) -> bool:
        """Claims the folder.

        Args:
          dead: What was last seen of a claim that is to be replaced, since its
            owner was watched and found dead.

        Returns:
          Whether it worked. It does not if another worker has the folder or is
          faster, or if the owner came back to life.
        """
        if not dead:
            with self._prepared(self.id) as prepared:
                return _link(prepared, self.path) and self._own()
        *_, last = dead.values()
        with self._ending(claim_id(last), self.id) as prepared:
            return prepared is not None and self._replace(prepared, dead)

    def keep_alive(self) -> None:
        """Refreshes the claim in a thread, until it is released or lost."""
        self._pinger.start()

    def refresh(self) -> bool:
        """Shows others that the owner is alive.

        Returns:
          Whether the claim still holds.
        """
        if not self.holds():
            return False
        self._pings += 1
        os.pwrite(self._descriptor, self._content(self.id), 0)
        # On network file systems nobody would see it before.
        os.fsync(self._descriptor)
        return True

    def holds(self) -> bool:
        """Looks whether the claim is still there.

        If the file cannot be read, the claim counts as lost.
        """
        if self._descriptor is None:
            return False
        try:
            self.lost = self.lost or not self._is_there()
        except OSError:
            self.lost = True
        return not self.lost

    def release(self) -> None:
        """Gives the folder back. Does nothing to the claims of others."""
        atexit.unregister(self.release)
        self._released.set()
        if self._pinger.is_alive():
            self._pinger.join()
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._remove()
        os.close(self._descriptor)
        self._descriptor = None

    def _ping(self) -> None:
        while not self._released.wait(self._about["ping_every"]):
            try:
                if not self.refresh():
                    return
            except OSError as error:
                # If this goes on, others see a dead claim and take over.
                _LOGGER.warning("Cannot write %s: %s", self.path, error)

    def _is_there(self) -> bool:
        return self.id.encode() in (read(self.path) or b"")

    def _remove(self) -> None:
        """Removes PING, unless somebody is taking over."""
        if not self._is_there():
            return
        try:
            with self._ending(self.id, uuid.uuid4().hex) as prepared:
                if prepared and self._is_there():
                    self.path.unlink()
        except OSError:
            # The disk may be full. Better without a note than not at all.
            if self._is_there():
                self.path.unlink()

    def _replace(self, prepared: pathlib.Path, dead: Sight) -> bool:
        """Replaces PING, if it still is what was watched."""
        ping, *notes = dead
        ids = [claim_id(content) for content in dead.values()]
        for of in ids[1:]:
            self._file(of).unlink(missing_ok=True)
        now = see(self.path)
        if list(now) != [*dead, self._file(f"{ids[-1]}.next").name]:
            return False
        if now[ping] != dead[ping]:
            return False
        try:
            os.replace(prepared, self.path)
        except FileNotFoundError:
            return False  # Another worker continues in place of this one.
        for name in notes:
            self.path.with_name(name).unlink(missing_ok=True)
        return self._own()

    def _own(self) -> bool:
        try:
            self._descriptor = os.open(self.path, os.O_WRONLY)
        except FileNotFoundError:
            return False  # This process was asleep, and PING was removed.
        # For exits that do not pass through here.
        atexit.register(self.release)
        self._clean()
        return True

    def _clean(self) -> None:
        """Removes what claimers left behind that are gone."""
        now = os.fstat(self._descriptor).st_mtime  # By the clock of the disk.
        for path in self.path.parent.glob(f"{self.path.name}.*"):
            with contextlib.suppress(OSError):
                content, age = read(path), now - path.stat().st_mtime
                elsewhere = describe(content).get("machine") != machine_id()
                if owner_is_gone(content) or (elsewhere and age > _FORGOTTEN):
                    path.unlink()

    @contextlib.contextmanager
    def _ending(self, of: str, by: str) -> Iterator[pathlib.Path | None]:
        """Obtains the right to end a claim, by its note.

        Args:
          of: The id of that claim.
          by: The id that the note is to name.

        Yields:
          The file that is prepared to replace PING, or None if another worker
          has the right.
        """
        note = self._file(f"{of}.next")
        with self._prepared(by) as prepared:
            if not _link(prepared, note):
                yield None
                return
            try:
                yield prepared
            finally:
                with contextlib.suppress(OSError):
                    note.unlink()

    @contextlib.contextmanager
    def _prepared(self, by: str) -> Iterator[pathlib.Path]:
        """Writes `PING.<by>`, and removes it in the end."""
        prepared = self._file(by)
        try:
            _write_new(prepared, self._content(by))
            yield prepared
        finally:
            with contextlib.suppress(OSError):
                prepared.unlink()

    def _file(self, ending: str) -> pathlib.Path:
        return self.path.with_name(f"{self.path.name}.{ending}")

    def _content(self, of: str) -> bytes:
        about = {
            "id": of,
            **self._about,
            "time": utc_time(),
            **self.details,
            "pings": self._pings,
        }
        content = json.dumps(about).encode()
        # Never shorter than before, since it is written over that.
        self._size = max(self._size, len(content) + 1)
        return content.ljust(self._size - 1) + b"\n"


def utc_time() -> str:
    """Returns the time for people to see; it is never compared."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _link(prepared: pathlib.Path, path: pathlib.Path) -> bool:
    """Gives a file a second name, unless there is a file of that name.

    Copies the file where there are no hard links. Others may have removed it,
    if this process slept.
    """
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(prepared, path)
        except FileExistsError:
            # So it is, too, if NFS lost the answer and tried again.
            return os.stat(prepared).st_nlink > 1
        except OSError:
            try:
                _write_new(path, prepared.read_bytes())
            except FileExistsError:
                return False
        return True
    return False


def _write_new(path: pathlib.Path, content: bytes) -> None:
    """Writes a file that must not exist yet."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
