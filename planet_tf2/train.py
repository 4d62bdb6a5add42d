"""Trains: from what a user asked for to finished runs."""

import collections
import contextlib
import functools
import importlib.metadata
import os
import platform
import shlex
import statistics
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from planet_tf2 import agents, envs
from planet_tf2.agents import stored_episodes
from planet_tf2.configs import resolve, tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.environments import draws, probe
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder, RunFolderError, logging_to
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.experiment.run import Run
from planet_tf2.tools import cluster
from planet_tf2.tools.attr_dict import AttrDict, differences
from planet_tf2.tools.devices import check_gpus, gpu_names, make_deterministic
from planet_tf2.tools.machine import describe_machine
from planet_tf2.tools.signals import Stopped, StopSignals
from planet_tf2.training import (
    assemble,
    assemble_steps,
    cluster_run,
    tracking,
)
from planet_tf2.training.session import Session
from planet_tf2.version import __version__

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
    agent: str = agents.DEFAULT,
    seed: int = 0,
    *,
    num_runs: int = 1,
    collectors: int = 0,
    report: Callable[[str], None] = print,
    track: str = "",
    **options: Any,
) -> None:
    """Works on the runs of an experiment until none is left.

    Args:
      logdir: folder of the experiment; the runs are in `00001` and so on.
      config: name of the preset.
      params_text: parameters as YAML, see `parse_params`.
      overrides: parameters given as flags.
      agent: name of the agent, see `agents.find`.
      seed: the run in folder n has seed + n.
      num_runs: number of runs.
      collectors: processes that play the training episodes; see
        `training.apart`.
      report: shows a message.
      track: where else to show the runs, see `training.tracking`.
      **options: which runs to work on, and how, see `Experiment`.

    Raises:
      ValueError: for whatever the user can mend, before anything is written.
      Stopped: if the program was asked to stop; all is saved.
      RunsLeft: if it is not all done in the end.
    """
    if RunFolder(logdir).published.exists():
        raise ValueError(
            f"{logdir} is a published run, which is not trained any further. "
            "Choose another --logdir."
        )
    if RunFolder(logdir).config.exists():
        parent = RunFolder(logdir).path.resolve().parent
        raise ValueError(
            f"{logdir} is the folder of a run, not of an experiment. To go on "
            f"with it, say --logdir {parent}."
        )
    params = agents.resolve(config, params_text, overrides, agent)
    side = stored_episodes.image_size(agents.find(agent), params)
    if side:
        overrides = {**(overrides or {}), "image_size": side}
        params = agents.resolve(config, params_text, overrides, agent)
    if params.isolate_envs != "process":
        # Simulators may change the current folder, which is this program's.
        logdir = os.path.abspath(logdir)
    if collectors and agents.schedule(agents.find(agent), params):
        raise ValueError(
            f"The agent {agent} learns from running episodes too, so that "
            "--collectors cannot play them. Its environments are processes of "
            "their own already: raise 'envs'."
        )
    # All of these fail before anything is written.
    trackers = tracking.check(track)
    agents.find(agent).check_settings(params)
    check_gpus(params.num_gpus)
    settings = {"agent": agent, "preset": config, "params": params}
    with StopSignals() as signals:
        experiment = Experiment(
            logdir,
            num_runs,
            should_stop=lambda: signals.requested or _others_stop(),
            report=report,
            wait=signals.wait,
            check=functools.partial(_check_same, settings, seed),
            **options,
        )
        settings = {**settings, "num_runs": num_runs}
        settings |= _describe_program(_prepare_determinism(params, experiment))
        together = cluster.join(lambda: signals.requested)
        if together:
            cluster_run.check_shares(together, params)
            report(f"Process {together.place.index} of {together.place.count}.")
            if not together.is_chief:
                cluster_run.follow(together, logdir, agent, params)
                return
        with cluster_run.leading(together):
            _check_environments(params, agents.find(agent))
            _train_all(experiment, settings, seed, report, trackers, collectors)
            experiment.raise_if_left()


def _others_stop() -> bool:
    """Whether another process of the same run was asked to stop."""
    together = cluster.joined()
    return together is not None and together.stop_asked


def _train_all(
    experiment: Experiment,
    settings: Mapping[str, Any],
    seed: int,
    report: Callable[[str], None],
    trackers: list[str],
    collectors: int,
) -> None:
    """Trains all runs, and raises the first failure once all have ended."""
    failure: Exception | None = None
    for run in experiment:
        try:
            with run:
                own = {**settings, "seed": seed + run.number}
                _train_run(run, own, report, trackers, collectors)
        except Stopped:
            raise
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _check_same(
    settings: Mapping[str, Any], seed: int, folder: RunFolder, final: bool
) -> None:
    """Raises `RunFolderError` if a run was made with other settings.

    Its `max_steps` may change, unless they are `final`.
    """
    agent, params = settings["agent"], settings["params"]
    saved = folder.read_config()
    changes = resolve.lasting_differences(
        agents.find(agent), saved["params"], params, final
    )
    new = {"agent": agent, "seed": seed + int(folder.path.name)}
    old = {"agent": agents.DEFAULT, "seed": new["seed"], **saved}
    changes += differences({name: old[name] for name in new}, new)
    if changes:
        raise RunFolderError(
            f"{folder.path} was made with other settings: "
            f"{'; '.join(changes)}. Use another --logdir, or the old settings."
        )


def _prepare_determinism(params: AttrDict, experiment: Experiment) -> int:
    """Returns the number of threads to keep, 0 if that does not matter."""
    if not params.deterministic:
        return 0
    saved = [folder.read_config() for folder in experiment.existing_folders()]
    threads = [config["threads"] for config in saved if "threads" in config]
    return make_deterministic(threads[0] if threads else None)


def _check_environments(params: AttrDict, agent: ModuleType) -> None:
    """Raises an error if OpenGL, packages, modules or cameras are missing."""
    check = getattr(agent, "check_interface", None)
    stored = stored_episodes.folders(agent, params)
    if stored:
        found = stored_episodes.interface(agent, stored["train"])
        if check:
            check(params, *found)
        return
    chosen = [tasks.get_task(name) for name in params.tasks]
    if any(draws(name, params) for name in params.tasks):
        envs.choose_backend()
        envs.check_isolation(params.isolate_envs)
        if params.isolate_envs == "none":
            raise ConfigError(
                "Parameter 'isolate_envs' is 'none', but a picture can only be "
                "drawn by the thread that made its OpenGL context, and "
                "TensorFlow has several. Use 'thread' or 'process'."
            )
    # All of the control suite is there, and the first camera always.
    is_usual = not (params.camera_id or params.record_observations)
    more = getattr(agent, "environment_arguments", lambda _: {})(params)
    more |= {"vector_actions": agent.VECTOR_ACTIONS}
    found = []
    for task in chosen:
        known = task.kind in (tasks.DM_CONTROL, tasks.DUMMY)
        if check or not (known and is_usual) or task.kwargs:
            learned = agents.learned(agent, params)
            found.append(probe(task.name, params, learned=learned, **more))
    if check:
        check(params, *assemble.common_spaces(params.tasks, found))


def _train_run(
    run: Run,
    settings: Mapping[str, Any],
    report: Callable[[str], None],
    trackers: list[str],
    collectors: int,
) -> None:
    """Trains a run from wherever it stands to its end, inside of its `with`."""
    folder, guard = run.folder, run.guard
    params, seed = settings["params"], settings["seed"]
    by_steps = agents.schedule(agents.find(settings["agent"]), params)
    make_parts = assemble_steps.make_parts
    if not by_steps:
        make_parts = functools.partial(
            assemble.make_parts, collectors_apart=collectors
        )
    guard.check()
    folder.create()
    identity = _keep_settings(folder, settings, report)
    report(f"Run {run.number} in {folder.path}")
    with logging_to(folder.log):
        parts = make_parts(params, folder, seed, guard, settings["agent"])
        with (
            contextlib.closing(parts),
            parts.progress.console(),
            tracking.tracking(folder, trackers) as parts.summaries.trackers,
        ):
            Session(folder, parts, params, seed, guard, identity).run()
    report(_closing_message(folder))


def _keep_settings(
    folder: RunFolder,
    settings: Mapping[str, Any],
    report: Callable[[str], None],
) -> str:
    """Writes a run's config.yaml, and says what it goes on with that changed.

    Those parameters that no number depends on may change.

    Returns:
      What tells the run and its checkpoints from all others; empty if it was
      begun when runs had no such name.
    """
    if not folder.config.exists():
        identity = uuid.uuid4().hex
        folder.write_config({**settings, "id": identity})
        return identity
    saved = folder.read_config()
    changes = resolve.differences(
        agents.of_run(saved), saved["params"], settings["params"]
    )
    if changes:
        report(f"{folder.path} goes on with {'; '.join(changes)}")
        folder.write_config({**saved, "params": settings["params"]})
    before, now = saved.get("threads"), settings.get("threads")
    if before != now:
        report(
            f"The run was begun with {before} threads and goes on with {now}: "
            "it will not be equal to one that was never stopped."
        )
    return saved.get("id", "")


def _closing_message(folder: RunFolder) -> str:
    """Sums a run up: how well it does, and where to look.

    The random policy is that of the run's own seed episodes.
    """
    ended = [record for record in Metrics(folder.metrics) if "return" in record]
    tests = [record for record in ended if record["phase"] == "test"]
    random = _mean_returns(r for r in ended if r["phase"] == "seed")
    last = _mean_returns(r for r in tests if r["step"] == tests[-1]["step"])
    lines = []
    for task, mean in last.items():
        line = f"Test return on {task}: {mean:.1f}"
        if task in random:
            line += f" (its random episodes: {random[task]:.1f})"
        lines.append(line)
    if folder.prediction_gif.exists():
        lines.append(f"Open-loop prediction: {folder.prediction_gif}")
    if folder.episode_gif.exists():
        lines.append(f"Last test episode:    {folder.episode_gif}")
    path = shlex.quote(str(folder.path))
    lines.append(f"Curves and videos:    tensorboard --logdir {path}")
    return "\n".join(lines)


def _mean_returns(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    returns = collections.defaultdict(list)
    for record in records:
        returns[record["task"]].append(float(record["return"]))
    return {task: statistics.fmean(found) for task, found in returns.items()}


def _describe_program(threads: int) -> dict[str, Any]:
    """Returns what the numbers of a run depend on, besides its parameters."""
    versions = {"planet_tf2": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        versions[package] = importlib.metadata.version(package)
    about = {"versions": versions, "machine": describe_machine(gpu_names())}
    return {**about, "threads": threads} if threads else about
