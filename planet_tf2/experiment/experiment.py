"""An experiment: runs with a seed each, trained by one or many workers.

```
for run in Experiment(logdir, num_runs=3):
    with run:
        score = train(run.folder, run.guard)
        run.show(score=score)
```

Each run has a folder, `00001` and so on. These files tell its state to people
and to other workers:

- PING: a worker trains it, and refreshes the file; JSON.
- DONE: it is finished, and will not be touched again; JSON.
- FAIL: it raised an exception; the traceback.
- STOPPED: a sweep ended it early, and it is left alone; JSON.

A run without any of them can be started or resumed, and so can one whose PING
is not refreshed any more. A failed run is left alone unless `retry_failed` is
set. A stop by SIGTERM or Ctrl-C is no failure: it only removes PING.
"""

import collections
import os
import pathlib
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from planet_tf2.data.run_folder import RunFolder, check_writable, make_folder
from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.run import SCRATCH, Run
from planet_tf2.experiment.watching import Watch, owner, read, see
from planet_tf2.tools.signals import Stopped

# Looks at a claim while its owner refreshes it once.
_LOOKS = 10
# Seconds until the next look for the config of a new experiment.
_SOON = 1.0


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

    Iterating yields each `Run` that is free, after claiming it. The runs that
    other workers hold are watched meanwhile, all at once, and yielded once
    their worker is gone. By default iterating ends when nobody works on any of
    the runs any more, so that the last worker takes over what others leave.

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
      wait: Waits for a number of seconds, or until it is time to stop.
      check: Called with each run's folder that has a config, when it is first
        seen and again when it is done or seen to be worked on by others, and
        with whether that is so. Raises an error if this worker would make
        another run of it. With it, whoever claims the first run of a new
        experiment defines them all: others wait until they see its config.

    Raises:
      ValueError: A number does not make sense.
      RunFolderError: Nothing can be written at `base_dir`.
    """

    def __init__(
        self,
        base_dir: str | os.PathLike[str],
        num_runs: int = 1,
        *,
        worker_name: str | None = None,
        ping_every: float = 30,
        resume_runs: bool = True,
        retry_failed: bool = False,
        wait_for_others: bool = True,
        should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = print,
        wait: Callable[[float], object] = time.sleep,
        check: Callable[[RunFolder, bool], None] | None = None,
    ) -> None:
        if num_runs < 1:
            raise ValueError(f"num_runs must be at least 1, not {num_runs}.")
        if ping_every < 0:
            raise ValueError(
                f"ping_every must be at least 0 seconds, not {ping_every}."
            )
        self._base_dir = pathlib.Path(base_dir)
        check_writable(self._base_dir)
        self._numbers = range(1, num_runs + 1)
        default_name = f"{socket.gethostname()}-{os.getpid()}"
        self._worker_name = worker_name or default_name
        self._ping_every = ping_every
        self._resume_runs = resume_runs
        self._retry_failed = retry_failed
        self._wait_for_others = wait_for_others
        self._should_stop = should_stop
        self._report = report
        self._wait = wait
        self._check = check
        self._checked: set[tuple[int, bool]] = set()
        self._failures: dict[int, bytes | None] = {}

    def folder(self, number: int) -> RunFolder:
        """Returns the folder of a run, which need not exist."""
        return RunFolder(self._base_dir / f"{number:05d}")

    def existing_folders(self) -> list[RunFolder]:
        """Returns the folders that have a config, to check them at first."""
        folders = [self.folder(number) for number in self._numbers]
        return [folder for folder in folders if folder.config.exists()]

    def __iter__(self) -> Iterator[Run]:
        watches = {}
        for number in self._numbers:
            folder = self.folder(number)
            watches[number] = Watch(folder.ping, self._ping_every)
            self._failures[number] = read(folder.fail)
            self._compare(number, watches[number])
        waited = 0.0
        while watches:
            numbers = collections.deque(watches)
            while numbers:
                number = numbers.popleft()
                watch = watches[number]
                if not self._is_wanted(number, watch, waited):
                    del watches[number]
                    continue
                if not self._is_free(number, watches):
                    continue
                if (run := self._claim(number, watch)) is None:
                    # Others began here too. Go on elsewhere than they do.
                    numbers.rotate(random.randrange(len(numbers) + 1))
                    continue
                try:
                    # Another worker may have ended it a moment ago.
                    if self._is_wanted(number, watch) and run.enclose():
                        yield run
                finally:
                    run.release()
                if not (run.lost and run.folder.ping.exists()):
                    del watches[number]
            if watches:
                waited = self._wait_for(watches.values(), not waited)

    def raise_if_left(self) -> None:
        """Tells, after iterating, whether there are runs that are not done.

        Raises:
          RunsLeft: There are; it lists them.
        """
        reasons, advice, held = [], "", True
        for number in self._numbers:
            folder = self.folder(number)
            sight = see(folder.ping)
            if folder.done.exists() or folder.stopped.exists():
                continue
            if folder.fail.exists():
                reason = f"it failed, see {folder.fail}"
                advice = " Failed runs are tried again with --retry_failed."
            elif sight:
                reason = f"{owner(sight)} works on it"
            elif self._is_kept(folder):
                continue
            else:
                reason = "it was not finished"
            reasons.append(f"{folder.path.name}: {reason}")
            held = held and bool(sight)
        if reasons:
            text = f"Not all runs are done. {'; '.join(reasons)}.{advice}"
            raise RunsLeft(text, held)

    def _compare(self, number: int, watch: Watch) -> None:
        """Has the settings of a run checked, once there are some."""
        folder = self.folder(number)
        state = number, folder.done.exists() or watch.alive
        if self._check and state not in self._checked:
            if folder.config.exists():
                self._check(folder, state[1])
                self._checked.add(state)

    def _is_free(self, number: int, watches: Mapping[int, Watch]) -> bool:
        """Whether this worker may claim a run, as far as was seen."""
        first = self._numbers[0]
        defined = not self._check or self._checked or first not in watches
        return bool(defined or number == first) and watches[number].is_dead()

    def _is_wanted(
        self, number: int, watch: Watch, waited: float | None = None
    ) -> bool:
        """Whether a run is to be worked on; says why if it is not.

        Looks at its claim first if told how long was waited since then.
        """
        if self._ping_every and waited is not None:
            watch.look(waited)
        self._compare(number, watch)
        folder = self.folder(number)
        failure = read(folder.fail)
        # What failed again since then is not tried forever.
        retry = self._retry_failed and failure == self._failures[number]
        if folder.done.exists():
            reason = f"is already done: {folder.path}"
        elif folder.stopped.exists():
            reason = f"was ended early by a sweep: {folder.stopped}"
        elif failure is not None and not retry:
            reason = f"failed before and is left alone: {folder.fail}"
        elif failure is None and self._is_kept(folder):
            reason = (
                f"was started before, and resume_runs is off: {folder.path}"
            )
        elif watch.alive and not self._wait_for_others:
            worker = owner(watch.sight)
            reason = f"is left out, since {worker} works on it: {folder.path}"
        else:
            return True
        self._report(f"Run {folder.path.name} {reason}")
        return False

    def _is_kept(self, folder: RunFolder) -> bool:
        """Whether a run was started and stays as it is, as the user asked."""
        if self._resume_runs or not folder.path.is_dir():
            return False
        claims = (folder.ping.name, SCRATCH)
        entries = folder.path.iterdir()
        return not all(entry.name.startswith(claims) for entry in entries)

    def _claim(self, number: int, watch: Watch) -> Run | None:
        """Claims a run, unless another worker was faster."""
        folder = self.folder(number)
        if self._should_stop():
            raise Stopped(f"Stopped before run {folder.path.name}.")
        make_folder(folder.path)
        if not self._ping_every:
            return Run(number, folder, None, self._should_stop, self._report)
        claim = Claim(folder.ping, self._worker_name, self._ping_every)
        claim.details["num_runs"] = len(self._numbers)
        if not claim.acquire(watch.sight):
            return None
        if watch.sight:
            self._report(
                f"Run {folder.path.name} is taken over from "
                f"{owner(watch.sight)}, which is gone."
            )
        return Run(number, folder, claim, self._should_stop, self._report)

    def _wait_for(self, watches: Iterable[Watch], is_first: bool) -> float:
        """Waits for those who hold runs, and returns for how many seconds."""
        if is_first:
            names = [
                f"{watch.path.parent.name} ({owner(watch.sight)})"
                for watch in [w for w in watches if w.sight] or watches
            ]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            self._report(
                f"Others work on run {', '.join(names[:3])}{more}. Watching "
                "whether they are alive."
            )
        if self._should_stop():
            raise Stopped("Stopped while waiting for runs of other workers.")
        seconds = self._ping_every / _LOOKS
        if self._check and not self._checked:
            seconds = min(seconds, _SOON)
        self._wait(seconds)
        return seconds
