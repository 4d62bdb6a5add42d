"""Reads from the folders of an experiment how its runs are coming along.

Only looks, and writes nothing.
"""

import dataclasses
import os
import pathlib
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder, RunFolderError, failure_reason
from planet_tf2.experiment import watching
from planet_tf2.experiment.watching import Watch

# States of runs, and how they are shown.
STATES = {
    "running": "green",
    "stale": "yellow",
    "pending": "dim",
    "done": "blue",
    "failed": "red",
    "stopped": "magenta",
}

# How far below a folder runs are looked for, as in `logs/cheetah/00001`.
_DEPTH = 3
_RUN_NAME = re.compile(r"\d{5,}")
_LARGEST = 2**63  # Of numbers that are shown.


@dataclasses.dataclass
class RunStatus:
    """How a run is coming along. None stands for what is not known.

    Attributes:
      name: its path below the folder that was asked for.
      path: its folder, which need not exist if it is pending.
      state: `pending` (not begun, or stopped and free to go on), `running`,
        `stale` (its worker gives no sign of life any more), `done`, `failed` or
        `stopped` (ended early, by a sweep).
      worker: who works on it, or did when they gave the last sign of life.
      host: the machine of that worker.
      process: the number of its process there.
      step, max_steps: global step, and that at which it ends.
      episodes: training episodes collected, seed episodes included.
      score: mean return of the last test phase.
      updates_per_second: recent speed of training.
      ping_age_seconds: time since the last sign of life.
      seconds_left: time to its end.
      reason: why it failed, or what is wrong with its files.
    """

    name: str
    path: str
    state: str = "pending"
    worker: str | None = None
    host: str | None = None
    process: int | None = None
    step: int | None = None
    max_steps: int | None = None
    episodes: int = 0
    score: float | None = None
    updates_per_second: float | None = None
    ping_age_seconds: float | None = None
    seconds_left: float | None = None
    reason: str | None = None


class Overview:
    """The runs below a folder.

    The first look tells by the age of its PING file whether a run is stale, so
    it may be wrong if the clock differs from that of the file server by more
    than a minute. Later looks rely on the changes that were seen in between.

    Args:
      logdir: a run's folder, or any folder above.
      clock: returns the time that the age of files is measured by.
      monotonic: returns a time that never jumps.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self._logdir = pathlib.Path(logdir)
        self._clock = clock
        self._monotonic = monotonic
        self._looked = monotonic()
        self._watches: dict[pathlib.Path, Watch] = {}

    def look(self) -> list[RunStatus]:
        """Returns the state of every run, by name.

        Raises:
          RunFolderError: there is no such folder.
        """
        if not self._logdir.is_dir():
            raise RunFolderError(
                f"There is no folder {str(self._logdir)!r}. Choose the "
                "--logdir of an experiment."
            )
        now = self._monotonic()
        waited, self._looked = now - self._looked, now
        runs: dict[pathlib.Path, RunStatus] = {}
        pending: set[pathlib.Path] = set()
        for path in run_folders(self._logdir):
            status = runs[path] = RunStatus(self._name(path), str(path))
            amount = self._read(RunFolder(path), status, waited)
            if path != self._logdir:
                numbers = range(1, amount + 1)
                pending |= {path.with_name(f"{n:05d}") for n in numbers}
        for path in pending - set(runs):
            runs[path] = RunStatus(self._name(path), str(path))
        return [runs[path] for path in sorted(runs)]

    def _name(self, path: pathlib.Path) -> str:
        if path == self._logdir:
            return path.resolve().name
        return str(path.relative_to(self._logdir))

    def _read(self, folder: RunFolder, status: RunStatus, waited: float) -> int:
        """Reads a run's files; returns how many runs its experiment has."""
        config: dict[str, Any] = {}
        try:
            if folder.config.exists():
                config = folder.read_config()
        except RunFolderError as error:
            status.reason = str(error)
        status.max_steps = _number(config.get("params", {}).get("max_steps"))
        try:
            _add_metrics(status, list(Metrics(folder.metrics)))
        except (OSError, ValueError) as error:
            status.reason = f"{type(error).__name__}: {error}"
        about = self._add_claim(folder, status, waited)
        try:
            _add_end(folder, status)
        except OSError as error:
            status.reason = str(error)
        amounts = (config.get("num_runs"), about.get("num_runs"))
        counts = [a for a in amounts if isinstance(a, int) and a < 10**5]
        return max(counts, default=0)

    def _add_claim(
        self, folder: RunFolder, status: RunStatus, waited: float
    ) -> dict[str, Any]:
        """Adds what PING says, and returns it."""
        watch = self._watches.setdefault(folder.path, Watch(folder.ping, 0))
        try:
            if not watch.look(waited):
                return {}
            age = self._clock() - folder.ping.stat().st_mtime
        except OSError:
            return {}
        about = watching.describe(watch.sight.get(folder.ping.name))
        status.worker, status.host, status.process = (
            value if isinstance(value := about.get(name), form) else None
            for name, form in (("worker", str), ("host", str), ("process", int))
        )
        if not watch.alive:
            # Once it was seen to change, no clock is needed.
            watch.seconds = max(age, watch.seconds)
        status.ping_age_seconds = watch.seconds
        if watch.is_dead():
            status.state = "stale"
            return about
        status.state = "running"
        status.step = _first(about.get("step"), status.step)
        speed = _number(about.get("updates_per_second"))
        status.updates_per_second = speed or None  # 0 is not known yet.
        status.seconds_left = _number(about.get("seconds_left"))
        return about


def _add_metrics(status: RunStatus, records: list[dict[str, Any]]) -> None:
    """Adds what `metrics.jsonl` tells."""
    status.step = _first(*(record.get("step") for record in records[::-1]))
    ended = [record for record in records if "return" in record]
    status.episodes = sum(record.get("split") == "train" for record in ended)
    tests = [record for record in ended if record["phase"] == "test"]
    last = [float(r["return"]) for r in tests if r["step"] == tests[-1]["step"]]
    status.score = _number(statistics.fmean(last)) if last else None


def _add_end(folder: RunFolder, status: RunStatus) -> None:
    """Adds how a run ended, if it did."""
    if (done := watching.read(folder.done)) is not None:
        status.state = "done"
        end = watching.describe(done)
        status.step = _first(end.get("step"), status.step)
        status.score = _first(end.get("score"), status.score)
    elif folder.stopped.exists():
        status.state = "stopped"
    elif status.state != "running":
        failure = watching.read(folder.fail)
        if failure is not None:
            status.state = "failed"
            text = failure.decode(errors="replace")
            status.reason = failure_reason(text) or "no reason given"


def run_folders(logdir: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the folders of runs at or below a folder, sorted."""
    if _RUN_NAME.fullmatch(logdir.resolve().name):
        yield logdir
        return
    for directory, names, _ in os.walk(logdir):
        path = pathlib.Path(directory)
        found = sorted(name for name in names if _RUN_NAME.fullmatch(name))
        yield from (path / name for name in found)
        depth = len(path.relative_to(logdir).parts)
        below = sorted(set(names) - set(found)) if depth < _DEPTH else []
        names[:] = [name for name in below if not name.startswith(".")]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -_LARGEST < value < _LARGEST else None


def _first(*values: Any) -> float | None:
    """Returns the first of the values that is a number."""
    return next((v for v in map(_number, values) if v is not None), None)
