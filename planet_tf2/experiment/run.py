"""One run of an experiment: the lock around its training."""

import contextlib
import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.experiment import fencing
from planet_tf2.experiment.claims import Claim, utc_time
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.guard import Guard
from planet_tf2.tools.journal import encodable
from planet_tf2.tools.signals import Stopped


class ClaimLost(RuntimeError):
    """Another worker has taken over the run. Write nothing more to it."""


class Run:
    """A run that this process has claimed; `with run:` is the lock around it.

    The `with` block trains, and ends in one of these ways:

    - It reaches its end: DONE is written.
    - The claim was lost: it ends without an error, and nothing is written.
    - `Stopped`, an exit or an interruption: passed on, and nothing is written.
    - Any other exception: FAIL is written, and the exception passed on.

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
        name, fail = self.folder.path.name, self.folder.fail
        if fail.exists() and not self.is_lost():
            self._report(f"Run {name} failed before; trying again.")
            fail.unlink(missing_ok=True)
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
                # The folder is another worker's, and so is the failure.
                kind = type(error).__name__
                self._report(f"{self._lost_message()} ({kind})")
                return
            self._write_fail(error)
            raise
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

    def release(self) -> None:
        """Gives the claim back. Nothing happens the second time."""
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
        text = json.dumps({"time": utc_time(), **shown}) + "\n"
        write_atomically(self.folder.done, text, self.folder.scratch)

    def _write_fail(self, error: Exception) -> None:
        step = self._shown["step"]
        where = "at the start" if step is None else f"at step {step}"
        lines = traceback.format_exception(error)
        text = "".join([f"{utc_time()} {where}\n\n", *lines])
        try:
            write_atomically(self.folder.fail, text, self.folder.scratch)
        except OSError as second:
            self._report(f"Cannot write {self.folder.fail}: {second.strerror}.")
            return
        self._report(
            f"Run {self.folder.path.name} failed; the traceback is in "
            f"{self.folder.fail}. To try it again, add --retry_failed."
        )
