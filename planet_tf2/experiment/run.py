"""One run of an experiment: the lock around its training, and the fence.

A worker that slept for too long, so that another took over its run, wakes up in
the middle of its work. It checks its claim before it writes, but may have
fallen asleep between the check and the writing. So the new owner puts up a
fence first:

- A file that is replaced as a whole is written in a *scratch folder* that
  belongs to the claim, and renamed to its place (`tools.files.replacing`). The
  new owner removes the scratch folders of earlier claims, so that renaming
  fails.
- A file that is appended to is opened first, and written to after another check
  of the claim. The new owner replaces these files by copies. A worker that
  opened one before has a file without a name in hand, and one that opens it
  afterwards finds that its claim is lost.
"""

import contextlib
import json
import logging
import pathlib
import shutil
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from planet_tf2.data.run_folder import RunFolder, logging_to
from planet_tf2.experiment.claims import Claim, utc_time
from planet_tf2.tools.files import replacing, write_atomically
from planet_tf2.tools.journal import encodable
from planet_tf2.tools.signals import Guard, Stopped

# Of the names of scratch folders; the id of a claim comes behind.
SCRATCH = ".scratch-"


class ClaimLost(RuntimeError):
    """Another worker has taken over the run. Write nothing more to it."""


class Run:
    """A run that this process has claimed; `with run:` is the lock around it.

    The `with` block trains, and ends in one of these ways:

    - It reaches its end: DONE is written.
    - The claim was lost: it ends without an error, and nothing is written.
    - `Stopped`, an exit or an interruption: passed on, and nothing is written.
    - Any other exception: FAIL is written, and a line of the log; the
      exception is passed on.

    In any case the claim is given back.

    Args:
      number: Counted from 1, to be added to the seed.
      folder: Its `RunFolder`.
      claim: The claim on it, or None if there is one worker only.
      should_stop: Whether the program was asked to stop.
      report: Called with messages for people.

    Attributes:
      number, folder: See above.
      guard: What to hand to those who train.
    """

    def __init__(
        self,
        number: int,
        folder: RunFolder,
        claim: Claim | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = print,
    ) -> None:
        self.number = number
        self.folder = folder
        # Whoever lost the claim is to stop too; saving then finds it out.
        self.guard = Guard(
            lambda: self.lost or should_stop(), self.check, self.show
        )
        self._claim = claim
        self._report = report
        self._shown: dict[str, Any] = {"step": None, "score": None}
        self._lock = self._locked()
        if claim:
            claim.keep_alive()

    def __enter__(self) -> "Run":
        return self._lock.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._lock.__exit__(*error)

    @contextlib.contextmanager
    def _locked(self) -> Iterator["Run"]:
        if self.folder.fail.exists() and not self.is_lost():
            name = self.folder.path.name
            self._report(f"Run {name} failed before; trying again.")
            self.folder.fail.unlink(missing_ok=True)
        try:
            yield self
            self.check()
            self._write_done()
        except Stopped:
            raise
        except Exception as error:
            if not self.is_lost():
                self._write_fail(error)
                raise
            # The folder is another worker's, and so is any failure.
            self._report(self._lost_message())
        finally:
            self.release()

    @property
    def lost(self) -> bool:
        """Whether the claim is known to be lost."""
        return self._claim is not None and self._claim.lost

    def is_lost(self) -> bool:
        """Looks whether the run is not this worker's any more."""
        return self._claim is not None and not self._claim.holds()

    def check(self) -> None:
        """Raises `ClaimLost` if the run is not this worker's any more.

        Reads a small file, so that it can be called before each writing.
        """
        if self.is_lost():
            raise ClaimLost(self._lost_message())

    def show(self, **details: Any) -> None:
        """Lets others see something in PING from the next refresh on.

        Args:
          **details: Values that JSON can hold, and NumPy numbers. The last
            `step` and `score` go to DONE as well.
        """
        self._shown = {**self._shown, **encodable(details)}
        if self._claim:
            self._claim.details = {**self._claim.details, **self._shown}

    def enclose(self) -> bool:
        """Makes `folder.scratch`, and shuts out earlier owners.

        Returns:
          Whether it worked. It does not if another worker took over in turn.

        Raises:
          OSError: The disk is full, say, although the claim still holds.
        """
        if self._claim is None:
            return True
        former = set(self.folder.path.glob(f"{SCRATCH}*"))
        if self.is_lost():
            return False  # Some of these may belong to a newer claim.
        self.folder.scratch = self.folder.path / f"{SCRATCH}{self._claim.id}"
        try:
            self.folder.scratch.mkdir(exist_ok=True)
            self._shut_out(former)
        except OSError:
            if self.is_lost():
                return False
            raise
        return True

    def release(self) -> None:
        """Gives the claim back. Nothing happens the second time."""
        if self.folder.scratch is not None:
            shutil.rmtree(self.folder.scratch, ignore_errors=True)
        if self._claim:
            self._claim.release()

    def _shut_out(self, former: set[pathlib.Path]) -> None:
        """Keeps owners of other scratch folders from finishing anything."""
        for path in former:
            # Atomic, so that nothing can be written to what is being removed.
            removed = self.folder.scratch / path.name
            with contextlib.suppress(FileNotFoundError):
                path.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)
        for path in _appended_files(self.folder) if former else []:
            with (
                open(path, "rb") as old,
                replacing(path, self.folder.scratch) as new,
            ):
                shutil.copyfileobj(old, new, 2**20)

    def _lost_message(self) -> str:
        path, ping = self.folder.path, self.folder.ping
        if ping.exists():
            return f"Run {path.name} belongs to another worker now: {path}"
        return f"Run {path.name} is left, since somebody removed {ping}."

    def _write_done(self) -> None:
        shown = {name: self._shown[name] for name in ("step", "score")}
        text = json.dumps({"time": utc_time(), **shown}) + "\n"
        write_atomically(self.folder.done, text, self.folder.scratch)

    def _write_fail(self, error: Exception) -> None:
        step = self._shown["step"]
        where = "at the start" if step is None else f"at step {step}"
        lines = traceback.format_exception(error)
        text = "".join([f"{utc_time()} {where}\n\n", *lines])
        summary = getattr(error, "summary", None) or str(error)
        about = f"The run failed. {type(error).__name__}: {summary}"
        record = logging.LogRecord(
            __name__, logging.ERROR, __file__, 0, about, None, None
        )
        try:
            write_atomically(self.folder.fail, text, self.folder.scratch)
            with logging_to(self.folder.log) as log:
                # By no logger: the program shows the error to people itself.
                if not self.is_lost():
                    log.handle(record)
        except OSError as second:
            self._report(f"Cannot write {self.folder.fail}: {second.strerror}.")
            return
        self._report(
            f"Run {self.folder.path.name} failed; the traceback is in "
            f"{self.folder.fail}. To try it again, add --retry_failed."
        )


def _appended_files(folder: RunFolder) -> list[pathlib.Path]:
    """Returns the files that a former owner may have open."""
    files = [folder.metrics, folder.log]
    for directory in (folder.train, folder.test):
        # Each process begins an event file of its own.
        events = list(directory.glob("events.out.tfevents.*"))
        files += sorted(events, key=lambda path: path.stat().st_mtime)[-1:]
    return [path for path in files if path.exists()]
