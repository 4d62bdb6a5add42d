"""One run of an experiment: the lock around its training."""

import contextlib
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.experiment import fencing
from planet_tf2.experiment.claims import Claim
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.guard import Guard
from planet_tf2.tools.journal import encodable
from planet_tf2.tools.signals import Stopped

_LOGGER = logging.getLogger(__name__)


class ClaimLost(RuntimeError):
    """Another worker has taken over the run. Write nothing more to it."""


class Run:
    """A run that this process has claimed; `with run:` is the lock around it.

    The `with` block trains, and ends in one of these ways:

    - It comes to its end: DONE is written.
    - The claim was lost: the block ends without an error, and the folder is
      left alone.
    - `Stopped`, or an exit or interruption: no FAIL, passed on.
    - Any other exception: FAIL is written, passed on.

    Whichever it is, the claim is given back.

    Attributes:
      number: Counted from 1, to be added to the seed.
      folder: Its `RunFolder`.
      resumed: Whether the run was started before.
      lost: Whether the claim is known to be lost.
      guard: What those who train have to know of the run.
    """

    def __init__(
        self,
        number: int,
        folder: RunFolder,
        claim: Claim | None = None,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.number = number
        self.folder = folder
        self.resumed = was_started(folder)
        self.lost = False
        self.guard = Guard(lambda: self.stop_requested, self.check, self.show)
        self._claim = claim
        self._should_stop = should_stop
        self._report = report
        self._clock = clock
        self._shown: dict[str, Any] = {"step": None, "score": None}
        self._pinger = Pinger(claim).start() if claim else None
        self._lock = self._locked()

    def __enter__(self) -> "Run":
        return self._lock.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._lock.__exit__(*error)

    @contextlib.contextmanager
    def _locked(self) -> Iterator["Run"]:
        if self.folder.fail.exists() and not self.is_lost():
            self._report(
                f"Run {self.folder.path.name} failed before; trying again."
            )
            self.folder.fail.unlink(missing_ok=True)
        try:
            yield self
            self.check()
            self._write_done()
        except ClaimLost as error:
            self._report(str(error))
        except Stopped:
            raise
        except Exception as error:
            if self.is_lost():
                # Whatever went wrong, it did so in somebody else's folder.
                kind = type(error).__name__
                self._report(f"{self._lost_message()} ({kind})")
                return
            self._write_fail(error)
            raise
        finally:
            self.release()

    @property
    def stop_requested(self) -> bool:
        """Whether to save and raise `Stopped` at the next good moment.

        Also once the claim is lost; saving then raises `ClaimLost`.
        """
        if self._pinger and self._pinger.lost:
            return True
        return self._should_stop()

    def show(self, **details: Any) -> None:
        """Lets others see something in PING from the next refresh on.

        Args:
          **details: Values that JSON can hold, and NumPy numbers. The last
            `step` and `score` go to DONE as well.
        """
        self._shown = {**self._shown, **encodable(details)}
        if self._claim:
            self._claim.details = {**self._claim.details, **self._shown}

    def check(self) -> None:
        """Makes sure that the run is still this worker's.

        Reads a small file, so it is cheap enough to be called before each
        writing.

        Raises:
          ClaimLost: Another worker has taken over, or the folder is gone.
        """
        if self.is_lost():
            raise ClaimLost(self._lost_message())

    def is_lost(self) -> bool:
        """Looks whether the run is not this worker's any more."""
        if self._claim and not self._claim.holds():
            self.lost = True
        return self.lost

    def release(self) -> None:
        """Gives the claim back. Nothing happens the second time."""
        if self._pinger:
            self._pinger.stop()
        fencing.close_scratch(self.folder)
        if self._claim:
            self._claim.release()

    def _lost_message(self) -> str:
        name, path = self.folder.path.name, self.folder.path
        if not path.exists():
            return f"The folder of run {name} is gone: {path}"
        if not self.folder.ping.exists():
            return (
                f"Somebody removed the claim on run {name}, so this worker "
                f"leaves it: {self.folder.ping}"
            )
        return f"Run {name} belongs to another worker now: {path}"

    def _write_done(self) -> None:
        shown = {name: self._shown[name] for name in ("step", "score")}
        text = json.dumps({"time": self._time(), **shown}) + "\n"
        write_atomically(self.folder.done, text, self.folder.scratch)

    def _write_fail(self, error: Exception) -> None:
        step = self._shown["step"]
        where = "at the start" if step is None else f"at step {step}"
        text = f"{self._time()} {where}\n\n" + "".join(
            traceback.format_exception(error)
        )
        try:
            write_atomically(self.folder.fail, text, self.folder.scratch)
            self._report(
                f"Run {self.folder.path.name} failed; the traceback is in "
                f"{self.folder.fail}. To try it again, add --retry_failed."
            )
        except OSError as second:
            self._report(f"Cannot write {self.folder.fail}: {second.strerror}.")

    def _time(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock()))


class Pinger:
    """Thread that refreshes a claim until told to stop, or until it is lost.

    Args:
      claim: The claim to refresh.
      stopping: An event; its `wait` sets the pace.

    Attributes:
      lost: Whether the claim was found to be lost.
    """

    def __init__(
        self, claim: Claim, stopping: threading.Event | None = None
    ) -> None:
        self.lost = False
        self._claim = claim
        self._stopping = stopping or threading.Event()
        self._thread = threading.Thread(
            target=self._ping, name="pinger", daemon=True
        )

    def start(self) -> "Pinger":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops, and waits until the thread has ended."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _ping(self) -> None:
        while not self._stopping.wait(self._claim.ping_every):
            try:
                if not self._claim.refresh():
                    self.lost = True
                    return
            except OSError as error:
                # If this goes on, others see a dead claim and take over.
                _LOGGER.warning("Cannot write %s: %s", self._claim.path, error)


def was_started(folder: RunFolder) -> bool:
    """Returns whether a run's folder has more in it than claims."""
    if not folder.path.is_dir():
        return False
    ping = folder.ping.name
    return any(
        not entry.name.startswith(ping) and not fencing.is_scratch(entry.name)
        for entry in folder.path.iterdir()
    )
