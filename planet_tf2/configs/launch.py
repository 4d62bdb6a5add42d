"""Trains: from what a user asked for to finished runs."""

import contextlib
import importlib.metadata
import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from planet_tf2 import envs
from planet_tf2.configs import agents, assemble, resolve, tasks
from planet_tf2.configs.environments import probe
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.devices import gpu_names, make_strategy
from planet_tf2.tools.journal import Journal
from planet_tf2.tools.machine import describe_machine
from planet_tf2.training.run import Run
from planet_tf2.training.run_folder import RunFolder, logging_to
from planet_tf2.training.running import Experiment
from planet_tf2.training.session import Session
from planet_tf2.training.signals import Stopped, StopSignals
from planet_tf2.version import __version__

_LOGGER = logging.getLogger(__name__)

_PACKAGES = (
    "tensorflow",
    "tensorflow-probability",
    "keras",
    "numpy",
    "dm_control",
    "mujoco",
    "gymnasium",
)


def train(
    logdir: str,
    config: str = "default",
    params_text: str = "",
    overrides: Mapping[str, Any] | None = None,
    num_runs: int = 1,
    ping_every: float = 30,
    resume_runs: bool = True,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> None:
    """Works on the runs of an experiment until none is left.

    Args:
      logdir: folder of the experiment; the runs are in `00001` and so on.
      config: name of the preset.
      params_text: parameters as YAML, see `resolve.parse_params`.
      overrides: parameters given as flags.
      num_runs: number of runs; each has a seed of its own.
      ping_every: seconds between two signs of life, see `Experiment`.
      resume_runs: whether to go on with runs that were started before.
      seed: the run in folder n has seed + n.
      report: shows a message.

    Raises:
      ValueError: for whatever the user can mend, before anything is written.
      Stopped: if the program was asked to stop; all is saved.
    """
    params = resolve.resolve(config, params_text, overrides)
    # All of these fail before anything is written.
    agents.check_objectives(params)
    make_strategy(params.num_gpus)
    _check_environments(params)
    with StopSignals() as signals:

        def process(folder: RunFolder, run: Run) -> Iterator[float]:
            return _process(folder, run, config, params, seed, report)

        experiment = Experiment(
            logdir,
            process,
            num_runs,
            ping_every=ping_every,
            resume_runs=resume_runs,
            stop=signals,
            report=report,
        )
        for folder in experiment.existing_folders():
            number = int(folder.path.name)
            folder.check_same(params, resolve.differences, seed=seed + number)
        _work(experiment)


def _work(experiment: Experiment) -> None:
    """Works on all runs. A failing run does not keep the others waiting.

    Raises:
      Exception: that of the first run that failed, once all have ended.
    """
    failure: Exception | None = None
    for run in experiment:
        try:
            for _ in run:
                pass
        except Stopped:
            raise
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _check_environments(params: AttrDict) -> None:
    """Finds out what is missing: OpenGL, packages, modules, cameras.

    Raises:
      ValueError, RuntimeError: with what is missing.
    """
    chosen = [tasks.get_task(name) for name in params.tasks]
    if any(task.renders for task in chosen):
        envs.choose_backend()
        envs.check_isolation(params.isolate_envs)
    for task in chosen:
        # All of the control suite is there, and the first camera always.
        known = task.kind == tasks.DM_CONTROL and params.camera_id == 0
        if not known and task.kind != tasks.DUMMY:
            probe(task.name, params)


def _process(
    folder: RunFolder,
    run: Run,
    config: str,
    params: AttrDict,
    seed: int,
    report: Callable[[str], None],
) -> Iterator[float]:
    """Sets up a run, works on it, and says how it ended."""
    folder.create()
    seed = seed + run.number
    if not folder.config.exists():
        folder.write_config(
            {
                "preset": config,
                "params": params,
                "seed": seed,
                "versions": _versions(),
                "machine": describe_machine(gpu_names()),
            }
        )
    report(f"Run {run.number} in {folder.path}")
    with logging_to(folder.log):
        parts = assemble.make_parts(
            params, folder, seed, lambda: run.stop_requested
        )

        def on_step(step: int) -> None:
            run.check()
            run.step = step

        with contextlib.closing(parts), parts.progress.console():
            session = Session(
                folder, parts, params, seed, lambda: run.stop_requested, on_step
            )
            yield from session.run()
    report(closing_message(folder))


def closing_message(folder: RunFolder) -> str:
    """Sums a run up: how well it does, and where to look.

    The random policy is that of the run's own seed episodes.
    """
    random: dict[str, list[float]] = {}
    last: dict[str, tuple[int, list[float]]] = {}
    for record in Journal(folder.metrics):
        if "return" not in record:
            continue
        task, value = record["task"], float(record["return"])
        if record["phase"] == "seed":
            random.setdefault(task, []).append(value)
        elif record["phase"] == "test":
            step, values = last.get(task, (None, []))
            same = values if step == record["step"] else []
            last[task] = record["step"], [*same, value]
    lines = []
    for task, (_, values) in last.items():
        line = f"Test return on {task}: {_mean(values):.1f}"
        if task in random:
            line += f" (random policy: {_mean(random[task]):.1f})"
        lines.append(line)
    if folder.prediction_gif.exists():
        lines.append(f"Open-loop prediction: {folder.prediction_gif}")
    if folder.episode_gif.exists():
        lines.append(f"Last test episode:    {folder.episode_gif}")
    lines.append(f"Curves and videos:    tensorboard --logdir {folder.path}")
    return "\n".join(lines)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _versions() -> dict[str, str]:
    """Versions of what the numbers of a run depend on."""
    versions = {"planet_tf2": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        versions[package] = importlib.metadata.version(package)
    return versions
