"""Finds the runs that a user means, and says what is wrong with the others.

Nothing here writes to a run's folder, and TensorFlow is not needed.
"""

import contextlib
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
from planet_tf2.agents import stored_episodes
from planet_tf2.configs import resolve
from planet_tf2.configs.environments import task_spaces
from planet_tf2.data import episodes
from planet_tf2.data.episode_cache import EpisodesError
from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    failure_reason,
)
from planet_tf2.tools import command
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.files import opener
from planet_tf2.tools.plain_text import one_line

FINISHED, RUNNING, STOPPED, FAILED = "finished", "running", "stopped", "failed"

_NOT_OBSERVED = ("action", "reward", "return")
_SHOWN = 5  # Names in a message.
_NUMBERED = re.compile(r"\d{5,}")


class UnusableRun(RunFolderError):
    """A run that cannot be used as it is. The message fits in one line."""


def split_paths(values: Sequence[str]) -> list[str]:
    """Splits paths at commas, but for those that exist with a comma."""
    paths = []
    for value in values:
        parts = [value] if os.path.exists(value) else value.split(",")
        paths += [command.path(part.strip()) for part in parts if part.strip()]
    return paths


def find_runs(
    paths: Sequence[str | os.PathLike[str]],
    allow_failed: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> list[RunFolder]:
    """Finds the runs in folders of runs and of experiments.

    Args:
      paths: folders of runs, or of experiments with the runs `00001` and so on.
        What is named twice is found once.
      allow_failed: whether to take runs that failed.
      report: told of runs of an experiment that are left out because they were
        not started yet.

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
    for folder in found.values():
        read_params(folder)
        if not allow_failed:
            check_not_failed(folder)
    return list(found.values())


def find_run(
    path: str | os.PathLike[str], allow_failed: bool = False
) -> RunFolder:
    """Finds the one run in a folder.

    Raises:
      RunFolderError: as `find_runs`, or there are several.
    """
    folders = find_runs([path], allow_failed)
    if len(folders) > 1:
        names = ", ".join(folder.path.name for folder in folders)
        raise RunFolderError(
            f"{os.fspath(path)} has several runs: {names}. Name one of them, "
            f"such as {folders[0].path}."
        )
    return folders[0]


def run_state(folder: RunFolder) -> str:
    """Returns `finished`, `running`, `stopped` or `failed`.

    A run whose process was killed counts as running, as PING is still there.
    """
    if folder.fail.exists():
        return FAILED
    if folder.done.exists():
        return FINISHED
    return RUNNING if folder.ping.exists() else STOPPED


def check_not_failed(folder: RunFolder) -> None:
    """Checks that a run did not fail.

    Raises:
      UnusableRun: it did; says why, from the last line of its traceback.
    """
    try:
        with open(folder.fail, errors="replace", opener=opener) as file:
            text = file.read()
    except FileNotFoundError:
        return
    reason = (failure_reason(text) or "nobody knows why").rstrip(".")
    raise UnusableRun(
        f"The run {folder.path} failed: {reason}. The whole traceback is in "
        f"{folder.fail}. Training goes on with it if the same command has "
        "--retry_failed. Programs with --allow_failed, and load_agent with a "
        "checkpoint, take it as it is."
    )


def read_params(folder: RunFolder) -> AttrDict:
    """Returns a run's parameters, complete and checked.

    Parameters that did not exist yet when it was started have their defaults.

    Raises:
      RunFolderError: the folder is not that of a run, or the parameters do not
        fit this version of the program.
    """
    config = folder.read_config()
    try:
        agent = agents.of_run(config)
        return resolve.resolve(agent, overrides=config["params"])
    except ValueError as error:
        raise RunFolderError(
            f"{folder.config} does not fit this version: {error}"
        ) from None


def plays_nothing(folder: RunFolder) -> bool:
    """Whether a run learns from stored episodes alone.

    Raises:
      RunFolderError: as `read_params`.
    """
    package = agents.of_run(folder.read_config())
    return stored_episodes.is_offline(package, read_params(folder))


def read_spaces(
    folder: RunFolder, params: Mapping[str, Any]
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what the agent of a run observes, and how it acts.

    Vectors that are observed are in every episode; of images the run's
    parameters tell. No environment is built where these are enough.

    Raises:
      UnusableRun: vectors are needed, but there is no episode to look at.
    """
    package = agents.of_run(folder.read_config())
    if stored_episodes.is_offline(package, params):
        return _stored_spaces(folder, package)
    everything = package.OBSERVATIONS is None
    if everything:
        observed, action = _stored_spaces(folder, package)
        if isinstance(action, spaces.Box):
            return observed, action
    # Choices that were made do not tell how many there are.
    found = [
        task_spaces(name, params, package.VECTOR_ACTIONS)
        for name in params["tasks"]
    ]
    # Several tasks share the largest action space.
    seen, action = max(found, key=lambda pair: pair[1].shape or (0,))
    if everything:
        return observed, action
    unknown = set(package.OBSERVATIONS) - set(seen)
    if unknown or params.get("state_diagnostics"):
        seen = spaces.Dict({**seen, **_read_vectors(folder)})
    return seen, action


def _stored_spaces(
    folder: RunFolder, package: ModuleType
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what a run's episodes tell of observations and actions."""
    for directory in (folder.train_episodes, folder.test_episodes):
        with contextlib.suppress(EpisodesError):
            return stored_episodes.interface(package, directory)
    raise UnusableRun(
        f"Only its episodes tell what the agent of the run {folder.path} sees, "
        f"but there are none. Put one back into {folder.train_episodes}."
    )


def _read_vectors(folder: RunFolder) -> dict[str, spaces.Box]:
    """Returns the spaces of the vectors in a run's episodes, by name."""
    for directory in (folder.train_episodes, folder.test_episodes):
        for name in episodes.list_episodes(directory):
            with contextlib.suppress(episodes.BrokenEpisode, OSError):
                episode = episodes.load_episode(directory / name)
                return {
                    key: spaces.Box(-np.inf, np.inf, v.shape[1:], v.dtype)
                    for key, v in episode.items()
                    if key not in _NOT_OBSERVED
                    and np.issubdtype(v.dtype, np.floating)
                }
    raise UnusableRun(
        f"The agent of the run {folder.path} sees or predicts state components,"
        " and only its episodes tell which ones, but there are none. Put one "
        f"back into {folder.train_episodes}."
    )


def label_experiments(folders: Sequence[RunFolder]) -> dict[str, str]:
    """Names the experiments of runs by what of their paths tells them apart.

    Returns:
      Names by the run's path, as a string. Runs in folders such as `00001`
      share the name of the folder that they are in.
    """
    places = {}
    for folder in folders:
        path = folder.path.resolve()
        is_numbered = _NUMBERED.fullmatch(path.name)
        places[str(folder.path)] = path.parent if is_numbered else path
    above = os.path.commonpath([place.parent for place in places.values()])
    return {
        path: one_line(place.relative_to(above))
        for path, place in places.items()
    }


def _runs_in(
    path: pathlib.Path, report: Callable[[str], None]
) -> list[RunFolder]:
    if RunFolder(path).config.exists():
        return [RunFolder(path)]
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except FileNotFoundError:
        raise RunFolderError(_no_folder(path)) from None
    except OSError as error:
        what = "is a file" if path.is_file() else error.strerror
        raise RunFolderError(
            f"{path} {what}. Name the folder of a run or of an experiment."
        ) from None
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


def _no_folder(path: pathlib.Path) -> str:
    there = next(p for p in path.parents if p.is_dir())
    hint = ""
    if there.name:  # Neither the current folder nor the root.
        names = sorted(folder.name for folder in there.glob("[!.]*/"))
        more = ", ..." if len(names) > _SHOWN else ""
        held = ", ".join(names[:_SHOWN]) + more if names else "no folders"
        hint = f" In {there} there is {held}."
    return f"There is no folder {path}.{hint}"


def _not_a_run(
    path: pathlib.Path, names: Sequence[str], numbered: Sequence[RunFolder]
) -> str:
    if not names:
        return f"{path} is empty: no run was started there."
    if numbered:
        run = numbered[0].path
        return f"The run {run} is unfinished: it has no config.yaml yet."
    below = sorted(
        [*path.glob("*/[0-9]*/config.yaml"), *path.glob("*/config.yaml")]
    )
    hint = f" There is a run in {below[0].parent}." if below else ""
    return (
        f"{path} is not the folder of a run or of an experiment: it has "
        f"neither config.yaml nor folders such as 00001.{hint}"
    )
