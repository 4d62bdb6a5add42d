"""Runs an experiment with several seeds, by one or many workers.

```
for run in Experiment(logdir, num_runs=3):
    with run:
        score = train(run.folder, run.guard)
        run.show(score=score)
```

A run lives in a folder of its own, `00001` and so on. Three files tell its
state to people and to other workers:

- PING: a worker is at it, and refreshes the file; JSON.
- DONE: it is finished, and will not be touched again; JSON.
- FAIL: it raised an exception; the traceback.

A run with none of them can be started, or goes on from where it was, and so
does one whose PING is not refreshed any more. A failed run is left alone
unless `retry_failed` is set. A stop by SIGTERM or Ctrl-C is no failure: it
only removes PING.
"""

import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator

from planet_tf2.data.run_folder import (
    RunFolder,
    check_writable,
    make_folder,
)
from planet_tf2.experiment import claims, fencing
from planet_tf2.experiment.run import Run, was_started
from planet_tf2.experiment.watching import Watcher, owner
from planet_tf2.tools.signals import Stopped


class RunsLeft(RuntimeError):
    """Not all runs of an experiment are done, although none is worked on here.

    Attributes:
      held: Whether that is only because other workers are at it.
    """

    def __init__(self, message: str, held: bool) -> None:
        super().__init__(message)
        self.held = held


class Experiment:
    """The runs below a folder, claimed one after the other.

    Iterating yields each `Run` that is free, after claiming it. Those that
    another worker holds are watched meanwhile, all at once, and yielded when
    that worker turns out to be gone. By default iterating ends when nobody
    works on any of the runs any more, so that the last worker takes over
    whatever others leave behind.

    Args:
      base_dir: Folder of all runs.
      num_runs: Number of runs, each in a folder of its own.
      worker_name: Name for people to see. By default, host and process.
      ping_every: Seconds between refreshes of PING. A claim that does not
        change for twice as long may be taken over. 0 works without claims,
        for when there is one worker only.
      resume_runs: Whether to go on with runs that were started before.
      retry_failed: Whether to try the runs again that had failed when
        iterating began, once each.
      wait_for_others: Whether to wait for runs that living workers hold.
        Otherwise they are left out as soon as their owners show signs of life.
      should_stop: Says whether the program was asked to stop. Asked before
        each run and each wait, and by `run.guard`.
      report: Called with messages for people.
      clock: Returns the time in seconds, for people to see.
      wait: Waits for a number of seconds, or until it is time to stop.

    Attributes:
      left: Why runs were left that are not done, by number.
      held: Those of them that another worker holds.

    Raises:
      ValueError: A number does not make sense.
      RunFolderError: Nothing can be written at `base_dir`.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike[str],
        num_runs: int = 1,
        worker_name: str | None = None,
        ping_every: float = 30,
        resume_runs: bool = True,
        retry_failed: bool = False,
        wait_for_others: bool = True,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        if num_runs < 1:
            raise ValueError(f"num_runs must be at least 1, not {num_runs}.")
        if ping_every < 0:
            raise ValueError(
                f"ping_every must be at least 0 seconds, not {ping_every}."
            )
        self.base_dir = pathlib.Path(base_dir)
        check_writable(self.base_dir)
        self.left: dict[int, str] = {}
        self.held: set[int] = set()
        self._num_runs = num_runs
        default_name = f"{socket.gethostname()}-{os.getpid()}"
        self.worker_name = worker_name or default_name
        self._ping_every = ping_every
        self._resume_runs = resume_runs
        self._retry_failed = retry_failed
        self._wait_for_others = wait_for_others
        self._should_stop = should_stop
        self._report = report
        self._clock = clock
        self._wait = wait
        self._failures: dict[int, bytes | None] = {}
        self._watcher = Watcher(ping_every)

    def folder(self, number: int) -> RunFolder:
        """Returns the folder of a run, which need not exist."""
        return RunFolder(self.base_dir / f"{number:05d}")

    def existing_folders(self) -> list[RunFolder]:
        """Returns the folders that exist, to check them before starting."""
        folders = [self.folder(n) for n in range(1, self._num_runs + 1)]
        return [folder for folder in folders if folder.path.exists()]

    def __iter__(self) -> Iterator[Run]:
        numbers = list(range(1, self._num_runs + 1))
        self.left, self.held = {}, set()
        self._failures = {n: claims.read(self.folder(n).fail) for n in numbers}
        waited = 0.0
        while numbers:
            held = []
            for number in numbers:
                run = self._claim(number, waited)
                if run is _HELD:
                    held.append(number)
                elif run is not None:
                    try:
                        yield run
                    finally:
                        run.release()
                    if self._look_back(run):
                        held.append(number)
            numbers = [n for n in held if not self._is_left_out(n)]
            if numbers:
                waited = self._wait_for(numbers, first=not waited)

    def raise_if_left(self) -> None:
        """Tells, after iterating, whether there are runs that are not done.

        Raises:
          RunsLeft: There are; it lists them.
        """
        if not self.left:
            return
        runs = "; ".join(
            f"{self.folder(number).path.name}: {reason}"
            for number, reason in self.left.items()
        )
        failed = any(self.folder(n).fail.exists() for n in self.left)
        advice = " Failed runs are tried again with --retry_failed." * failed
        raise RunsLeft(
            f"Not all runs are done. {runs}.{advice}",
            held=self.held == set(self.left),
        )

    def _claim(self, number: int, waited: float) -> "Run | object | None":
        """Claims a run that is free, and looks at one that is not.

        Returns:
          The run, `_HELD` if another worker has it, or None if there is nothing
          to do.
        """
        folder = self.folder(number)
        if not self._is_wanted(number, folder):
            return None
        if self._ping_every and self._is_held(folder, waited):
            return _HELD
        if self._should_stop():
            raise Stopped(f"Stopped before run {folder.path.name}.")
        make_folder(folder.path)
        if not self._ping_every:
            return self._make_run(number, folder, None)
        scratch = fencing.scratch_folders(folder)
        claim = claims.Claim(
            folder.ping, self.worker_name, self._ping_every, self._clock
        )
        claim.details["num_runs"] = self._num_runs
        former = self._obtain(folder, claim)
        if former is None:
            return _HELD
        run = self._make_run(number, folder, claim)
        try:
            fencing.open_scratch(folder, claim.id)
            if scratch or former:
                fencing.shut_out(folder, scratch, former)
        except OSError:
            lost = run.is_lost()
            run.release()
            if lost:
                return _HELD  # It has been taken over in its turn.
            raise
        # Another worker may have been at it until a moment ago.
        if self._is_wanted(number, folder):
            return run
        run.release()
        return None

    def _is_wanted(self, number: int, folder: RunFolder) -> bool:
        name = f"Run {folder.path.name}"
        if folder.done.exists():
            self._report(f"{name} is already done: {folder.path}")
            return False
        failure = claims.read(folder.fail)
        if failure is not None:
            # What failed again since then is not tried forever.
            if self._retry_failed and failure == self._failures[number]:
                return True
            self.left[number] = f"it failed, see {folder.fail}"
            self._report(
                f"{name} failed before and is left alone: {folder.fail}"
            )
            return False
        if not self._resume_runs and was_started(folder):
            self._report(
                f"{name} was started before, and resume_runs is off: "
                f"{folder.path}"
            )
            return False
        return True

    def _is_held(self, folder: RunFolder, waited: float) -> bool:
        """Whether another worker has a run, as far as can be known by now."""
        if self._watcher.look(folder.ping, waited):
            return not self._watcher.is_dead(folder.ping)
        self._watcher.forget(folder.ping)
        return False

    def _obtain(
        self, folder: RunFolder, claim: claims.Claim
    ) -> list[str] | None:
        """Gets a claim that is free or dead.

        Returns:
          The ids of the claims that were taken over, or None if another worker
          was faster.
        """
        sight = self._watcher.last_sight(folder.ping)
        if not sight:
            return [] if claim.acquire() else None
        if not claim.take_over(sight):
            return None
        self._watcher.forget(folder.ping)
        self._report(
            f"Run {folder.path.name} is taken over from {owner(sight)}, which "
            "is gone."
        )
        return [claims.claim_id(content) for content in sight.values()]

    def _make_run(
        self, number: int, folder: RunFolder, claim: claims.Claim | None
    ) -> Run:
        return Run(
            number,
            folder,
            claim,
            should_stop=self._should_stop,
            report=self._report,
            clock=self._clock,
        )

    def _look_back(self, run: Run) -> bool:
        """Takes down how a run ended, if not well.

        Returns:
          Whether another worker has taken it over and is at it.
        """
        folder = self.folder(run.number)
        if folder.done.exists():
            return False
        if folder.fail.exists():
            self.left[run.number] = f"it failed, see {folder.fail}"
        elif not run.lost:
            self.left[run.number] = "it was not finished"
        elif folder.ping.exists():
            return True
        else:
            self.left[run.number] = "its folder or the claim on it was removed"
        return False

    def _is_left_out(self, number: int) -> bool:
        """Whether to leave a run to the worker that has it."""
        folder = self.folder(number)
        if self._wait_for_others or not self._watcher.is_alive(folder.ping):
            return False
        who = owner(self._watcher.last_sight(folder.ping))
        self.left[number] = f"{who} works on it"
        self.held.add(number)
        self._report(
            f"Run {folder.path.name} is left out, since {who} works on it: "
            f"{folder.path}"
        )
        return True

    def _wait_for(self, numbers: list[int], first: bool) -> float:
        """Waits for a while, and returns how many seconds."""
        if first:
            folders = [self.folder(number) for number in numbers[:3]]
            names = [
                f"{folder.path.name} ({owner(claims.see(folder.ping))})"
                for folder in folders
            ]
            more = f" and {len(numbers) - 3} more" * (len(numbers) > 3)
            what = "Looking"
            if self._wait_for_others:
                what = "Waiting, and watching"
            self._report(
                f"Others work on run {', '.join(names)}{more}. {what} whether "
                "they are alive."
            )
        if self._should_stop():
            raise Stopped("Stopped while waiting for runs of other workers.")
        pings = [self.folder(number).ping for number in numbers]
        seconds = self._watcher.wait_seconds(pings)
        self._wait(seconds)
        return seconds


# Stands for a run that another worker has.
_HELD = object()
