"""Sweeps on Ray Tune: it decides what to start and to stop.

A trial is the ordinary training of a run in a process of its own, and what it
came to is read from its folder. So Ray keeps nothing that matters: with every
start of a sweep, it is told anew what the folders know.
"""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray import tune

from planet_tf2.engines.optuna_search import make_optuna
from planet_tf2.engines.schedulers import (
    STEP,
    VALUE,
    make_scheduler,
    may_change,
)
from planet_tf2.engines.space import draw
from planet_tf2.engines.sweep import Result, Sweep, Trial
from planet_tf2.envs.child_process import child_environ
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.plain_text import one_line

_LOST = 20  # Times that an actor of a trial may be lost with its machine.
_TRIES = 5  # Starts of a process that does not get on.
_GRACE = 60.0  # Seconds to save in.
# Of Ray: it is to send nothing home, to leave Ctrl-C to us, to write no logs
# besides ours, to take the end of a trial that failed early, and not to slow
# training down for others.
_VARIABLES = {
    "RAY_worker_niceness": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
}


class RunTrial(tune.Trainable):
    """Keeps the process of a trial going, and tells Ray what comes of it."""

    def setup(self, config: dict[str, Any]) -> None:
        self._about = config["run"]
        self._sweep = Sweep(pathlib.Path(self._about["sweep"]))
        self._trial = self._sweep.trial(self.trial_name)
        self._metric = self._sweep.settings["metric"]
        self._process: subprocess.Popen | None = None
        self._told, self._size, self._tries = 0, -1, 0

    def step(self) -> dict[str, Any]:
        while True:
            over = bool(self._trial.state)
            if over and self._process:
                self._process.wait()
            begin = time.monotonic()
            results = self._trial.results(self._metric)
            fresh = [r for r in results if r.step > self._told]
            if over and len(fresh) < 2:
                return {**_as_result(results), "done": True}
            if fresh:
                self._told = fresh[0].step
                return _as_result(fresh[:1])
            self._keep_going()
            # Reading long logs must not take much of the time.
            time.sleep(max(0.5, 20 * (time.monotonic() - begin)))

    def _keep_going(self) -> None:
        """Starts the process if there is none (any more)."""
        if self._process and self._process.poll() is None:
            return
        if self._process and self._process.returncode == 1:
            if not self._trial.state:
                self._trial.fail(self._last_words())
            return
        log = self._trial.run.metrics
        size = log.stat().st_size if log.exists() else 0
        self._tries = self._tries + 1 if size == self._size else 1
        self._size = size
        if self._tries > _TRIES:
            code = self._process.returncode
            self._trial.fail(
                f"It ended {_TRIES} times ({code}) and got no further."
            )
            return
        self._process = self._start()

    def _start(self) -> subprocess.Popen:
        module, path = "planet_tf2.engines.trial", self._trial.path
        changes = {"OMP_NUM_THREADS": self._about["threads"]}
        with open(path / "output.txt", "ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", module, str(path), str(os.getpid())],
                cwd=self._about["cwd"],
                env=child_environ(changes),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _last_words(self) -> str:
        text = (self._trial.path / "output.txt").read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return one_line(lines[-1] if lines else "It ended without a word.", 400)

    def cleanup(self) -> None:
        if self._process:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
            self._process.kill()
            self._process.wait()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        # Its own checkpoints are in its folder; this only says whose.
        pathlib.Path(checkpoint_dir, "trial").write_text(self._trial.path.name)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        donor = pathlib.Path(checkpoint_dir, "trial").read_text()
        if donor != self._trial.path.name:
            own, space = self._trial.params, self._sweep.space
            new = {
                name: entry.clip(self._about["params"][name])
                for name, entry in space.items()
                if may_change(name, space)
            }
            about = {"donor": donor, "params": {**own, **new}}
            write_atomically(self._trial.takeover, json.dumps(about))


def _as_result(results: list[Result]) -> dict[str, Any]:
    """Returns the last of some results as Ray wants it."""
    return {STEP: results[-1].step, VALUE: results[-1].value} if results else {}


class _Report(tune.Callback):
    """Says what happens to trials."""

    def __init__(self, sweep: Sweep, say: Callable[[str], None]):
        self._sweep, self._say = sweep, say

    def on_trial_result(
        self,
        iteration: int,
        trials: list,
        trial: Any,
        result: dict,
        **more: Any,
    ) -> None:
        if VALUE in result and not result.get("done"):
            metric = self._sweep.settings["metric"]
            text = f"step {result[STEP]:,}  {metric} {result[VALUE]:.4g}"
            self._say(f"{trial}  {text}")

    def on_trial_complete(
        self, iteration: int, trials: list, trial: Any, **more: Any
    ) -> None:
        state = self._sweep.trial(str(trial)).state
        self._say(f"{trial}  {state or 'given up'}")


def tune_runs(
    sweep: Sweep,
    amount: int,
    interval: int,
    resources: dict[str, float],
    cluster: dict[str, Any],
    report: Callable[[str], None] = print,
) -> None:
    """Trains the trials of a sweep until all are over; `Sweep.driving` holds.

    Args:
      sweep: the sweep.
      amount: number of trials in all.
      interval: see `make_scheduler`.
      resources: what Ray is to set aside for a trial: `cpu` and `gpu`.
      cluster: arguments of `ray.init`.
      report: shows a message.
    """
    told = sweep.settings
    if told["search"] == "random":
        for number in range(1, amount + 1):
            sweep.add(number, draw(sweep.space, told["seed"], number))
    over = [trial for trial in sweep.trials() if trial.state]
    waiting = [trial for trial in sweep.trials() if not trial.state]
    left = amount - len(over)
    report(f"{len(over)} trials are over, {left} are left.")
    if left <= 0:
        return
    configure = functools.partial(_configure, sweep)
    max_steps = sweep.resolve({})["max_steps"]
    space, search = {}, None
    if told["search"] == "optuna":
        search = make_optuna(sweep, VALUE, configure, waiting, over)
    else:
        configs = [configure(trial)["run"] for trial in waiting]
        space = {"run": tune.grid_search(configs)}
    choices = tune.TuneConfig(
        scheduler=make_scheduler(sweep, interval, max_steps, over),
        search_alg=search,
        num_samples=left if search else 1,
        trial_name_creator=lambda trial: trial.config["run"]["name"],
    )
    with _connected(cluster):
        tune.Tuner(
            tune.with_resources(RunTrial, resources),
            param_space=space,
            tune_config=choices,
            run_config=_run_config(sweep, report),
        ).fit()


def _configure(sweep: Sweep, trial: Trial) -> dict[str, Any]:
    """Returns what Ray is to hand to `RunTrial`."""
    about = {
        "name": trial.path.name,
        "params": trial.params,
        "sweep": str(sweep.path),
        "cwd": os.getcwd(),
        "threads": os.environ.get("OMP_NUM_THREADS"),  # Ray changes it.
    }
    return {"run": about}


@contextlib.contextmanager
def _connected(cluster: dict[str, Any]) -> Iterator[None]:
    """Uses a cluster, or makes one of this machine."""
    os.environ.update({**_VARIABLES, **os.environ})
    warnings.filterwarnings("ignore", "Consider boosting PBT")
    ray.init(
        include_dashboard=None if cluster else False,
        logging_level="ERROR",
        log_to_driver=False,
        **cluster,
    )
    try:
        yield
    finally:
        ray.shutdown()


def _run_config(sweep: Sweep, report: Callable[[str], None]) -> tune.RunConfig:
    """Says where Ray keeps what it needs for a while."""
    storage = sweep.path / ".ray"
    shutil.rmtree(storage, ignore_errors=True)  # The folders know it all.
    return tune.RunConfig(
        name="tune",
        storage_path=str(storage),
        verbose=0,
        failure_config=tune.FailureConfig(max_failures=_LOST),
        callbacks=[_Report(sweep, report)],
    )
