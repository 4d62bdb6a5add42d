"""Reads from the folders of an experiment how its runs are coming along.

Only looks, and writes nothing.
"""

import dataclasses
import math
import os
import pathlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    failure_reason,
)
from planet_tf2.experiment import claims
from planet_tf2.experiment.watching import Watcher, usual_ping_every
from planet_tf2.tools.journal import Journal

STATES = ("running", "stale", "pending", "done", "failed")

# How far below a folder runs are looked for, as in `logs/cheetah/00001`.
_DEPTH = 3
_RUN_NAME = re.compile(r"\d{5,}")


@dataclasses.dataclass
class RunStatus:
    """How a run is coming along. None stands for what is not known.

    Attributes:
      name: its path below the folder that was asked for.
      path: its folder, which need not exist if it is pending.
      state: `pending` (not begun, or stopped and free to go on), `running`,
        `stale` (its worker gives no sign of life any more), `done` or `failed`.
      worker: who works on it, or did when they gave the last sign of life.
      host: the machine of that worker.
      process: the number of its process there.
      step: global step.
      max_steps: global step at which it ends.
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

    Whether a run is stale is told at first by the age of its PING file, so a
    clock that differs from that of the file server by more than a minute
    may mislead. A second look at the same runs relies on what was seen to
    change in between instead.

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
        self._watcher = Watcher(0)
        self._looked: dict[pathlib.Path, float] = {}
        self._metrics: dict[pathlib.Path, _Metrics] = {}

    def look(self) -> list[RunStatus]:
        """Returns the state of every run, by name.

        Raises:
          RunFolderError: there is no such folder.
        """
        if self._logdir.is_file():
            raise RunFolderError(
                f"{str(self._logdir)!r} is a file. Choose the --logdir of an "
                "experiment."
            )
        if not self._logdir.is_dir():
            raise RunFolderError(
                f"There is no folder {str(self._logdir)!r}. Choose the "
                "--logdir of an experiment."
            )
        runs: dict[pathlib.Path, RunStatus] = {}
        amounts: dict[pathlib.Path, int] = {}
        for path in run_folders(self._logdir):
            runs[path], amount = self._read(path)
            if path != self._logdir:
                amounts[path.parent] = max(amounts.get(path.parent, 0), amount)
        for parent, amount in amounts.items():
            for number in range(1, amount + 1):
                path = parent / f"{number:05d}"
                runs.setdefault(path, RunStatus(self._name(path), str(path)))
        return [runs[path] for path in sorted(runs)]

    def _name(self, path: pathlib.Path) -> str:
        if path == self._logdir:
            return path.resolve().name
        return str(path.relative_to(self._logdir))

    def _read(self, path: pathlib.Path) -> tuple[RunStatus, int]:
        """Returns a run's status, and how many runs its experiment has."""
        folder = RunFolder(path)
        status = RunStatus(self._name(path), str(path))
        config = _read_config(folder, status)
        status.max_steps = _number(config.get("params", {}).get("max_steps"))
        amount = config.get("num_runs")
        self._add_metrics(folder, status)
        about = self._add_claim(folder, status)
        self._add_end(folder, status)
        amounts = [a for a in (amount, about.get("num_runs")) if _is_count(a)]
        return status, max(amounts, default=0)

    def _add_metrics(self, folder: RunFolder, status: RunStatus) -> None:
        metrics = self._metrics.setdefault(folder.path, _Metrics(folder))
        try:
            metrics.update()
        except (OSError, ValueError, KeyError, TypeError) as error:
            status.reason = f"{type(error).__name__}: {error}"
        status.step = metrics.step
        status.episodes = metrics.episodes
        status.score = metrics.score

    def _add_claim(
        self, folder: RunFolder, status: RunStatus
    ) -> dict[str, Any]:
        """Adds what PING says, and returns it."""
        now = self._monotonic()
        waited = now - self._looked.get(folder.ping, now)
        try:
            sight = self._watcher.look(folder.ping, waited)
            age = self._clock() - folder.ping.stat().st_mtime
        except OSError:
            sight = {}
        if not sight:
            self._watcher.forget(folder.ping)
            self._looked.pop(folder.ping, None)
            return {}
        self._looked[folder.ping] = now
        about = claims.describe(sight[folder.ping.name])
        status.worker = _text(about.get("worker"))
        status.host = _text(about.get("host"))
        status.process = _number(about.get("process"))
        status.ping_age_seconds = self._age(folder, age)
        if self._is_dead(folder, status, about):
            status.state = "stale"
            return about
        status.state = "running"
        status.step = _first(about.get("step"), status.step)
        speed, left = about.get("updates_per_second"), about.get("seconds_left")
        status.updates_per_second = _number(speed) or None
        status.seconds_left = _number(left) or None
        return about

    def _age(self, folder: RunFolder, by_clock: float) -> float:
        """Returns how old a sign of life is, as far as it was watched."""
        watched = self._watcher.unchanged_seconds(folder.ping)
        if self._watcher.is_alive(folder.ping):
            return watched
        return max(by_clock, watched)

    def _is_dead(
        self, folder: RunFolder, status: RunStatus, about: dict[str, Any]
    ) -> bool:
        if claims.owners_are_gone(self._watcher.last_sight(folder.ping)):
            return True
        return status.ping_age_seconds > 2 * usual_ping_every(about)

    def _add_end(self, folder: RunFolder, status: RunStatus) -> None:
        """Adds how a run ended, if it did."""
        if (done := claims.read(folder.done)) is not None:
            status.state = "done"
            end = claims.describe(done)
            status.step = _first(end.get("step"), status.step)
            status.score = _first(end.get("score"), status.score)
        elif status.state != "running":
            failure = claims.read(folder.fail)
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


class _Metrics:
    """What `metrics.jsonl` tells of a run, read as it grows."""

    def __init__(self, folder: RunFolder):
        self._journal = Journal(folder.metrics)
        self._forget()

    def update(self) -> None:
        """Reads what is new."""
        position = self._journal.position
        if position < self._position:
            self._forget()  # Somebody went on from an earlier checkpoint.
        try:
            records = self._journal.since(self._position)
        except ValueError:  # The same, and has got further again.
            self._forget()
            records = self._journal.since(0)
        for record in records:
            if not isinstance(record, dict):
                raise ValueError(f"{self._journal.path} holds {record!r}.")
            self._add(record)
        self._position = position

    @property
    def score(self) -> float | None:
        """Mean return of the last test phase."""
        returns = self._test_returns
        return sum(returns) / len(returns) if returns else None

    def _forget(self) -> None:
        self._position = 0
        self.step: int | None = None
        self.episodes = 0
        self._test_step: int | None = None
        self._test_returns: list[float] = []

    def _add(self, record: dict[str, Any]) -> None:
        self.step = _first(record.get("step"), self.step)
        if "return" not in record:
            return
        self.episodes += record.get("split") == "train"
        if record["phase"] == "test":
            if record["step"] != self._test_step:
                self._test_step = record["step"]
                self._test_returns = []
            self._test_returns.append(float(record["return"]))


def _read_config(folder: RunFolder, status: RunStatus) -> dict[str, Any]:
    try:
        config = folder.read_config()
    except RunFolderError as error:
        if folder.config.exists():
            status.reason = str(error)
        return {}
    return config if isinstance(config.get("params"), dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _first(*values: Any) -> float | None:
    """Returns the first of the values that is a number."""
    return next((v for v in map(_number, values) if v is not None), None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 < value < 10**5
