"""Finds the runs that a user means, and says what is wrong with the others.

Nothing here writes to a run's folder, and TensorFlow is not needed.
"""

import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2 import agents
from planet_tf2.configs import resolve
from planet_tf2.configs.environments import task_spaces
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    failure_reason,
)
from planet_tf2.experiment import fencing
from planet_tf2.tools.attr_dict import AttrDict

FINISHED, RUNNING, STOPPED, FAILED = "finished", "running", "stopped", "failed"

_NOT_OBSERVED = ("action", "reward", "return")
_NUMBERED = re.compile(r"\d{5,}")
# What a run's folder may have before its config.yaml is there.
_BEFORE_CONFIG = ("PING", "checkpoints", "log.txt")
_ALLOW_FAILED = "With --allow_failed it is taken as it is."


class UnusableRun(RunFolderError):
    """A run that cannot be used as it is. The message fits in one line."""


def split_paths(values: Sequence[str]) -> list[str]:
    """Splits paths at commas, but for those that exist with a comma."""
    paths = []
    for value in values:
        parts = [value] if os.path.exists(value) else value.split(",")
        paths += [part.strip() for part in parts if part.strip()]
    return paths


def find_runs(
    paths: Sequence[str | os.PathLike[str]],
    allow_failed: bool = False,
    report: Callable[[str], None] = lambda text: None,
    if_failed: str = _ALLOW_FAILED,
) -> list[RunFolder]:
    """Finds the runs in folders of runs and of experiments.

    Args:
      paths: folders of runs, or of experiments with the runs `00001` and so on.
        What is named twice is found once.
      allow_failed: whether to take runs that failed.
      report: told of runs of an experiment that are left out because they were
        not started yet.
      if_failed: what else to say if a run failed.

    Returns:
      The runs, in the order of the paths.

    Raises:
      RunFolderError: a folder is missing, empty, or neither that of a run nor
        of an experiment; or a run failed.
    """
    if not paths:
        raise RunFolderError("Name the folder of a run or of an experiment.")
    found: dict[pathlib.Path, RunFolder] = {}
    for path in paths:
        for folder in _runs_in(pathlib.Path(path), report):
            found.setdefault(folder.path.resolve(), folder)
    folders = list(found.values())
    for folder in folders:
        read_params(folder)
        if not allow_failed:
            check_not_failed(folder, if_failed)
    return folders


def find_run(
    path: str | os.PathLike[str],
    allow_failed: bool = False,
    if_failed: str = _ALLOW_FAILED,
) -> RunFolder:
    """Finds the one run in a folder.

    Raises:
      RunFolderError: as `find_runs`, or there are several.
    """
    folders = find_runs([path], allow_failed, if_failed=if_failed)
    if len(folders) > 1:
        names = ", ".join(folder.path.name for folder in folders)
        raise RunFolderError(
            f"{os.fspath(path)} has several runs: {names}. Name one of them, "
            f"such as {folders[0].path}."
        )
    return folders[0]


def run_state(folder: RunFolder) -> str:
    """Returns `finished`, `running`, `stopped` or `failed`.

    A run counts as running while its PING file is there, so also for some time
    after its process was killed.
    """
    if folder.fail.exists():
        return FAILED
    if folder.done.exists():
        return FINISHED
    return RUNNING if folder.ping.exists() else STOPPED


def check_not_failed(folder: RunFolder, if_failed: str = _ALLOW_FAILED) -> None:
    """Checks that a run did not fail.

    Args:
      folder: the run's folder.
      if_failed: what else to say if it did, such as how to use it all the same.

    Raises:
      UnusableRun: it did; tells why.
    """
    if run_state(folder) == FAILED:
        text = (
            f"The run {folder.path} failed: {_failure(folder)} The whole "
            f"traceback is in {folder.fail}. Training goes on with it if the "
            f"same command has --retry_failed. {if_failed}"
        )
        raise UnusableRun(text.rstrip())


def read_params(folder: RunFolder) -> AttrDict:
    """Returns a run's parameters, complete and checked.

    Parameters that did not exist yet when it was started have their defaults.

    Raises:
      RunFolderError: the folder is not that of a run, or the parameters do not
        fit this version of the program.
    """
    config = folder.read_config()
    params = config.get("params")
    if not isinstance(params, dict):
        raise RunFolderError(
            f"{folder.config} has no parameters in it, so that {folder.path} "
            "is not the folder of a run."
        )
    try:
        return resolve.resolve(agents.of_run(config), overrides=params)
    except ValueError as error:
        raise RunFolderError(
            f"{folder.config} does not fit this version: {error}"
        ) from None


def read_agent(folder: RunFolder) -> ModuleType:
    """Returns the package of a run's agent.

    Raises:
      RunFolderError: there is no such agent.
    """
    try:
        return agents.of_run(folder.read_config())
    except ValueError as error:
        raise RunFolderError(f"{folder.config}: {error}") from None


def read_spaces(
    folder: RunFolder, params: Mapping[str, Any]
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what the agent of a run observes, and how it acts.

    Vectors that are observed are in every episode; of images the run's
    parameters tell.

    Raises:
      UnusableRun: vectors are needed, but there is no episode to look at.
    """
    package = read_agent(folder)
    found = [
        task_spaces(name, params, package.VECTOR_ACTIONS)
        for name in params["tasks"]
    ]
    # Several tasks share the largest action space.
    observed, action = max(found, key=lambda pair: pair[1].shape or (0,))
    unknown = set(package.OBSERVATIONS) - set(observed)
    if unknown or params.get("state_diagnostics"):
        observed = spaces.Dict({**observed, **_read_vectors(folder)})
    return observed, action


def _read_vectors(folder: RunFolder) -> dict[str, spaces.Box]:
    """Returns the spaces of the vectors in a run's episodes, by name."""
    for directory in (folder.train_episodes, folder.test_episodes):
        for name in episodes.list_episodes(directory):
            try:
                episode = episodes.load_episode(directory / name)
            except episodes.BrokenEpisode:
                continue
            return {
                key: spaces.Box(-np.inf, np.inf, value.shape[1:], value.dtype)
                for key, value in episode.items()
                if key not in _NOT_OBSERVED
                and np.issubdtype(value.dtype, np.floating)
            }
    raise UnusableRun(
        f"The agent of the run {folder.path} sees or predicts state components,"
        " and only its episodes tell which ones, but there are none. Put one "
        f"back into {folder.train_episodes}."
    )


def experiment_label(folder: RunFolder) -> str:
    """Names a run by its experiment, or by its own folder if it has none."""
    path = folder.path.resolve()
    return path.parent.name if _NUMBERED.fullmatch(path.name) else path.name


def _runs_in(
    path: pathlib.Path, report: Callable[[str], None]
) -> list[RunFolder]:
    if not path.exists():
        raise RunFolderError(f"There is no folder {path}.")
    if not path.is_dir():
        raise RunFolderError(
            f"{path} is a file. Name the folder of a run or of an experiment."
        )
    if RunFolder(path).config.exists():
        return [RunFolder(path)]
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        raise RunFolderError(f"Cannot read {path}: {error.strerror}.") from None
    if not names:
        raise RunFolderError(f"{path} is empty: no run was started there.")
    numbered = [
        RunFolder(path / name)
        for name in names
        if _NUMBERED.fullmatch(name) and (path / name).is_dir()
    ]
    started = [folder for folder in numbered if folder.config.exists()]
    if not started:
        raise RunFolderError(_not_a_run(path, names, numbered))
    for folder in numbered:
        if folder not in started:
            report(f"Left out {folder.path}, which was not started yet.")
    return started


def _not_a_run(
    path: pathlib.Path, names: Sequence[str], numbered: Sequence[RunFolder]
) -> str:
    if numbered:
        return (
            f"The run {numbered[0].path} is unfinished: it has no "
            f"{numbered[0].config.name} yet. Train it first."
        )
    if all(
        name in _BEFORE_CONFIG or fencing.is_scratch(name) for name in names
    ):
        return f"The run {path} is unfinished: it has no config.yaml yet."
    below = sorted(path.glob("*/[0-9]*/config.yaml"))
    below += sorted(path.glob("*/config.yaml"))
    hint = f" There is a run in {below[0].parent}." if below else ""
    return (
        f"{path} is not the folder of a run or of an experiment: it has "
        f"neither config.yaml nor folders such as 00001.{hint}"
    )


def _failure(folder: RunFolder) -> str:
    """Returns the last line of a run's traceback, as a sentence."""
    try:
        reason = failure_reason(folder.fail.read_text(errors="replace"))
    except OSError:
        reason = ""
    reason = reason or "nobody knows why."
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
