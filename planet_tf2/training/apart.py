"""Episodes that other processes play beside the learner: `--collectors`.

Collectors act with the newest checkpoint and leave finished episodes in a pool,
the folder `collected` of the run. As many as are due enter the data when they
are due, as ever; if too few are ready, the learner waits.

An episode in the pool is two files, of which the second, JSON, appears last
and makes it count. The learner announces a copy, and removes the files once a
checkpoint knows of it. If it is cut off before, the copy is rolled back, and
the episode taken again.
"""

import contextlib
import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from planet_tf2.data.episodes import STAGED_SUFFIX, SUFFIX
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.files import move, write_atomically
from planet_tf2.tools.signals import RolloutStopped

_LOGGER = logging.getLogger(__name__)

_PROGRAM = "planet_tf2.engines.collector"
_POLL_SECONDS = 0.5
# Episodes of a kind that wait in a pool before collectors pause.
ENOUGH = 2


class Pool:
    """Episodes that wait to enter the data of a run.

    Args:
      folder: the run's.
    """

    def __init__(self, folder: RunFolder):
        self.path = folder.path / "collected"
        self._folder = folder

    def put(self, result: Mapping[str, Any], **details: Any) -> None:
        """Adds a staged episode.

        Args:
          result: what `Collector.collect` says of it.
          **details: its `task` and `name`, and more entries of its line in
            `metrics.jsonl`.
        """
        staged = pathlib.Path(result["path"])
        name = staged.name.removesuffix(STAGED_SUFFIX)
        move(staged, self.path / f"{name}{SUFFIX}")
        record = {"result": {**result, "path": name}, **details}
        write_atomically(
            self.path / f"{name}.json", json.dumps(record), staged.parent
        )

    def ready(self) -> dict[str, dict[str, Any]]:
        """Returns what counts as an episode, by name, oldest first."""
        found = {}
        for path in sorted(self.path.glob("[!.]*.json")):
            with contextlib.suppress(FileNotFoundError):
                found[path.stem] = json.loads(path.read_text())
        return found

    def copy(self, name: str) -> str:
        """Stages a copy of an episode for the learner; returns its path."""
        place = self._folder.scratch or self._folder.train_episodes
        target = place / f"{name}{STAGED_SUFFIX}"
        target.unlink(missing_ok=True)
        source = self.path / f"{name}{SUFFIX}"
        try:
            os.link(source, target)
        except OSError:  # There are no hard links.
            shutil.copyfile(source, target)
        return str(target)

    def remove(self, name: str) -> None:
        """Removes an episode, the file that makes it count first."""
        for suffix in (".json", SUFFIX):
            (self.path / f"{name}{suffix}").unlink(missing_ok=True)


class Apart:
    """The learner's side: takes episodes, and keeps collectors running.

    Args:
      folder: the run's.
      amount: collectors to start on this machine. Others may work elsewhere.
      max_failures: how many may end in a row, with no episode in between.
      should_stop: whether the program was asked to stop.
    """

    def __init__(
        self,
        folder: RunFolder,
        amount: int,
        max_failures: int,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self._pool, self._folder = Pool(folder), folder
        self._max_failures, self._failures = max_failures, 0
        self._should_stop = should_stop
        self._log = folder.path / "collectors.txt"
        self._pool.path.mkdir(parents=True, exist_ok=True)
        self._taken: list[str] = []
        self._processes = [self._start() for _ in range(amount)]

    def forget(self) -> None:
        """Removes what was taken, once a checkpoint knows of it."""
        for name in self._taken:
            self._pool.remove(name)
        self._taken = []

    def take(
        self, wanted: list[tuple[str, str]], known: set[str]
    ) -> list[dict[str, Any]]:
        """Waits for episodes, and stages copies of them.

        Args:
          wanted: task and name of the collection of each.
          known: names of those that a checkpoint knows, to be removed.

        Returns:
          What was put into the pool, in this order; `result` names the copy.

        Raises:
          RolloutStopped: the program is about to stop.
          RuntimeError: collectors fail again and again.
        """
        while True:
            ready = self._pool.ready()
            for name in known & set(ready):
                self._pool.remove(name)
                del ready[name]
            chosen: list[dict[str, Any]] = []
            for task, kind in wanted:
                fits = (
                    name
                    for name, x in ready.items()
                    if (x["task"], x["name"]) == (task, kind)
                )
                if (name := next(fits, None)) is None:
                    break
                chosen.append(ready.pop(name))
            else:
                break
            self._keep_running()
            if self._should_stop():
                raise RolloutStopped
            time.sleep(_POLL_SECONDS)
        self._failures = 0
        self._taken = [record["result"]["path"] for record in chosen]
        for record in chosen:
            record["collected"] = record["result"]["path"]
            path = self._pool.copy(record["collected"])
            record["result"] = {**record["result"], "path": path}
        return chosen

    def _start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", _PROGRAM, str(self._folder.path)]
        with open(self._log, "ab") as log:
            return subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _keep_running(self) -> None:
        for index, process in enumerate(self._processes):
            if process.poll() is None:
                continue
            self._failures += 1
            about = f"A collector ended with {process.returncode}"
            if self._failures >= self._max_failures:
                raise RuntimeError(
                    f"{about}, as {self._failures} in a row did "
                    f"(env_max_failures). See {self._log}."
                )
            _LOGGER.warning("%s; starting another. See %s.", about, self._log)
            self._processes[index] = self._start()

    def close(self) -> None:
        """Ends the collectors of this machine."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


@contextlib.contextmanager
def private_folder(pool: Pool, name: str) -> Iterator[pathlib.Path]:
    """Yields a folder in a pool for what a collector has not finished."""
    path = pool.path / f".{name}"
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
