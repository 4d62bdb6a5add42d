"""Runs an experiment with several seeds, by one or many workers.

```
for run in Experiment(logdir, process_fn, num_runs=3):
    for score in run:
        print(score)
```

A run lives in a folder of its own, `00001` and so on. Three files tell its
state to people and to other workers:

- PING: a worker is at it, and refreshes the file; JSON.
- DONE: it is finished, and will not be touched again; JSON.
- FAIL: it raised an exception; the traceback.

A run without DONE can go on. By default it does when the experiment is
started again, also after a FAIL, which is removed as soon as a worker tries
again. A stop by SIGTERM or Ctrl-C is no failure: it only removes PING.
"""

import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator

from planet_tf2.training import claims
from planet_tf2.training.run import ProcessFn, Run, Stop, was_started
from planet_tf2.training.run_folder import (
    RunFolder,
    check_writable,
    make_folder,
)
from planet_tf2.training.signals import Stopped


class Experiment:
    """The runs below a folder, claimed one after the other.

    Iterating yields each `Run` that is free, after claiming it. Runs that
    are done, or that a living worker holds, are reported and left out. Runs
    that somebody seems to hold come last, since it takes a while of watching
    to know.

    Args:
      base_dir: Folder of all runs.
      process_fn: Called with the `RunFolder` and the `Run`. Yields scores
        until the run is done; raises `Stopped` when it ends early because
        `run.stop_requested`.
      num_runs: Number of runs, each in a folder of its own.
      worker_name: Name for people to see. By default, host and process.
      ping_every: Seconds between refreshes of PING. A claim that does not
        change for twice as long may be taken over. 0 works without claims,
        for when there is one worker only.
      resume_runs: Whether to go on with runs that were started before.
      stop: Says whether to stop. Asked between runs, and for
        `run.stop_requested`.
      report: Called with messages for people.
      clock: Returns the time in seconds, for people to see.
      wait: Waits for a number of seconds.

    Raises:
      ValueError: A number does not make sense.
      RunFolderError: Nothing can be written at `base_dir`.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike[str],
        process_fn: ProcessFn,
        num_runs: int = 1,
        worker_name: str | None = None,
        ping_every: float = 30,
        resume_runs: bool = True,
        *,
        stop: Stop | None = None,
        report: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        if num_runs < 1:
            raise ValueError(f"num_runs must be at least 1, not {num_runs}.")
        if ping_every < 0:
            raise ValueError(
                f"ping_every must be at least 0 seconds, not {ping_every}."
            )
        self.base_dir = pathlib.Path(base_dir)
        check_writable(self.base_dir)
        self._process_fn = process_fn
        self._num_runs = num_runs
        default_name = f"{socket.gethostname()}-{os.getpid()}"
        self.worker_name = worker_name or default_name
        self._ping_every = ping_every
        self._resume_runs = resume_runs
        self._stop = stop
        self._report = report
        self._clock = clock
        self._wait = wait

    def folder(self, number: int) -> RunFolder:
        """Returns the folder of a run, which need not exist."""
        return RunFolder(self.base_dir / f"{number:05d}")

    def existing_folders(self) -> list[RunFolder]:
        """Returns the folders that exist, to check them before starting."""
        folders = [self.folder(n) for n in range(1, self._num_runs + 1)]
        return [folder for folder in folders if folder.path.exists()]

    def __iter__(self) -> Iterator["Run"]:
        claimed = []
        for number in range(1, self._num_runs + 1):
            if self._ping_every and self.folder(number).ping.exists():
                claimed.append(number)
            else:
                yield from self._start(number)
        for number in claimed:
            yield from self._start(number)

    def _start(self, number: int) -> Iterator["Run"]:
        folder = self.folder(number)
        if not self._wanted(folder):
            return
        if self._stop and self._stop.requested:
            raise Stopped(f"Stopped before run {folder.path.name}.")
        make_folder(folder.path)
        claim = None
        if self._ping_every:
            claim = self._claim(folder)
            if claim is None:
                return
        run = Run(
            number,
            folder,
            self._process_fn,
            claim,
            stop=self._stop,
            report=self._report,
            clock=self._clock,
        )
        try:
            # Another worker may have been at it until a moment ago.
            if self._wanted(folder):
                yield run
        finally:
            run.release()

    def _wanted(self, folder: RunFolder) -> bool:
        name = f"Run {folder.path.name}"
        if folder.done.exists():
            self._report(f"{name} is already done: {folder.path}")
            return False
        if not self._resume_runs and was_started(folder):
            self._report(
                f"{name} was started before, and resume_runs is off: "
                f"{folder.path}"
            )
            return False
        return True

    def _claim(self, folder: RunFolder) -> claims.Claim | None:
        claim = claims.Claim(
            folder.ping, self.worker_name, self._ping_every, self._clock
        )
        if claim.acquire():
            return claim
        content = claims.read(folder.ping)
        if self._is_alive(folder, content, claim):
            self._report(
                f"Run {folder.path.name} is left out, since "
                f"{_owner(content)} works on it: {folder.path}"
            )
            return None
        if content is not None and claim.take_over(content):
            self._report(
                f"Run {folder.path.name} is taken over from "
                f"{_owner(content)}, which is gone."
            )
            return claim
        if claim.acquire():
            return claim
        self._report(
            f"Run {folder.path.name} was claimed by "
            f"{_owner(claims.read(folder.ping))} just now: {folder.path}"
        )
        return None

    def _is_alive(
        self, folder: RunFolder, content: bytes | None, claim: claims.Claim
    ) -> bool:
        """Finds out whether the owner of a claim still pings."""
        lock = claim.lock_content
        if content is None or (claims.owner_is_gone(content) and not lock):
            return False
        theirs = claims.describe(content).get("ping_every")
        theirs = theirs if isinstance(theirs, (int, float)) else 0
        seconds = 2 * max(self._ping_every, theirs)
        self._report(
            f"Run {folder.path.name} is claimed by {_owner(content)}. "
            f"Watching for up to {seconds:g} seconds whether it is alive."
        )
        unchanged = claims.stays(
            content, lambda: claims.read(folder.ping), seconds, self._wait
        )
        if unchanged and lock and claim.lock_content == lock:
            claim.clear_lock()
        return not unchanged and folder.ping.exists()


def _owner(content: bytes | None) -> str:
    about = claims.describe(content)
    if not about:
        return "another worker"
    return (
        f"worker {about.get('worker')} (process {about.get('process')} on "
        f"{about.get('host')})"
    )
