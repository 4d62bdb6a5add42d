"""Gathers what there is to report: runs, what they measured, how they ended."""

import dataclasses
import itertools
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2.configs import resolve
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    failure_reason,
)
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.curves import label_experiments
from planet_tf2.evaluation.frames import half_variance
from planet_tf2.evaluation.runs import UnusableRun
from planet_tf2.experiment import status
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.journal import Journal

STALE = "stale"

_SAMPLED = 12  # Episodes that the variances are taken from.
_LOG_LINES = 8
_LOG_BYTES = 200_000


@dataclasses.dataclass
class RunData:
    """A run and what it left behind so far.

    Attributes:
      folder: its folder.
      experiment: name of the experiment that it belongs to.
      name: what tells it from the others.
      params: its parameters.
      config: what `config.yaml` says.
      records: the lines of `metrics.jsonl`, as far as it can be read.
      state: `finished`, `running`, `stopped`, `failed`, or `stale` (nobody has
        heard of the process that works on it for a while).
      failure: what FAIL says, if it failed.
      broken: what is wrong with `metrics.jsonl`.
      logged: the last warnings and errors of `log.txt`.
      half_image_variance: half the variance of the frames of some stored
        training episodes, summed over pixels, if there are any.
      reward_variance: variance of the rewards of the same episodes.
      idle_seconds: time since it measured something.
    """

    folder: RunFolder
    experiment: str
    name: str
    params: AttrDict
    config: dict[str, Any]
    records: list[dict[str, Any]]
    state: str
    failure: str = ""
    broken: str = ""
    logged: Sequence[str] = ()
    half_image_variance: float | None = None
    reward_variance: float | None = None
    idle_seconds: float = 0.0

    @property
    def reason(self) -> str:
        """The last line of what FAIL says."""
        return failure_reason(self.failure)

    @property
    def step(self) -> int:
        """The global step that it has reached, in sequences."""
        steps = [r["step"] for r in self.records if "step" in r]
        return max(steps, default=0)

    @property
    def updates(self) -> int:
        """Gradient steps that were taken."""
        counts = [
            r.get("update", 0)
            for r in self.records
            if r.get("phase") == "train"
        ]
        return int(max(counts, default=0))

    @property
    def seconds(self) -> float | None:
        """Time that it was worked on, if that is known."""
        known = [r["elapsed_seconds"] for r in self.records[-1:]]
        return known[0] if known else None

    def episodes(self, phase: str) -> list[dict[str, Any]]:
        """Returns the lines of episodes: of `seed`, `train` or `test`."""
        return [
            r for r in self.records if "return" in r and r["phase"] == phase
        ]

    def series(self, phase: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns updates and values of what was measured, `[N]` each.

        The updates are those of training, also of what was measured in tests.
        """
        found, updates = [], 0
        for record in self.records:
            if record.get("phase") == "train":
                updates = record.get("update", updates)
            if record.get("phase") == phase and name in record:
                found.append((updates, float(record[name])))
        columns = np.array(found, np.float64).reshape(-1, 2)
        return columns[:, 0], columns[:, 1]

    @property
    def losses(self) -> list[str]:
        """Names of the losses and norms that were measured."""
        names = itertools.chain(*self.records)
        return [
            name
            for name in dict.fromkeys(names)
            if name.endswith("_loss") or name.startswith("gradient_norm")
        ]


def gather(logdir: str | os.PathLike[str]) -> list[RunData]:
    """Reads the runs of a folder. Writes nothing.

    Args:
      logdir: folder of a run, of an experiment, or of several experiments.

    Returns:
      The runs that were started, sorted by their paths; at least one of them
      has measured something or has failed.

    Raises:
      RunFolderError: there is no such run in the folder.
    """
    folders = _find(pathlib.Path(logdir))
    names = label_experiments(folders)
    states = _states(pathlib.Path(logdir))
    found, errors = [], []
    for folder in folders:
        try:
            found.append(_read(folder, names[str(folder.path)], states))
        except RunFolderError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    if not any(run.records or run.failure for run in found):
        raise UnusableRun(
            f"The run {found[0].folder.path} is unfinished: it has measured "
            "nothing yet. Train it further first."
        )
    return found


def by_experiment(found: Sequence[RunData]) -> dict[str, list[RunData]]:
    """Returns the runs of every experiment, by its name."""
    groups: dict[str, list[RunData]] = {}
    for run in found:
        groups.setdefault(run.experiment, []).append(run)
    return groups


def different_params(group: Sequence[RunData]) -> list[str]:
    """Says in which parameters the runs of an experiment differ."""
    first = group[0].params
    found = [resolve.differences(first, run.params) for run in group[1:]]
    return list(dict.fromkeys(itertools.chain(*found)))


def _find(path: pathlib.Path) -> list[RunFolder]:
    if path.is_dir() and not RunFolder(path).config.exists():
        below = [RunFolder(found) for found in status.run_folders(path)]
        started = [folder for folder in below if folder.config.exists()]
        if started:
            return started
    return runs.find_runs([path], allow_failed=True)


def _states(logdir: pathlib.Path) -> dict[pathlib.Path, str]:
    """Returns which runs nobody seems to work on any more."""
    found = status.Overview(logdir).look()
    return {pathlib.Path(run.path).resolve(): run.state for run in found}


def _read(
    folder: RunFolder, experiment: str, states: dict[pathlib.Path, str]
) -> RunData:
    params = runs.read_params(folder)
    state = runs.run_state(folder)
    if states.get(folder.path.resolve()) == STALE:
        state = STALE
    records, broken = _read_journal(folder)
    failure = ""
    if state == runs.FAILED:
        failure = folder.fail.read_text(errors="replace")
        failure = failure.strip() or "It left no reason."
    image_variance, reward_variance = _variances(folder, params["image_bits"])
    return RunData(
        folder,
        experiment,
        folder.path.resolve().name,
        params,
        folder.read_config(),
        records,
        state,
        failure,
        broken,
        _logged(folder),
        image_variance,
        reward_variance,
        _age(folder.metrics),
    )


def _age(path: pathlib.Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def _read_journal(folder: RunFolder) -> tuple[list[dict[str, Any]], str]:
    """Returns the records up to the first that is broken, and what is wrong."""
    records = []
    try:
        for record in Journal(folder.metrics):
            if not isinstance(record, dict):
                return records, f"{folder.metrics.name} holds {record!r}."
            records.append(record)
    except ValueError as error:
        return records, str(error)
    return records, ""


def _logged(folder: RunFolder) -> list[str]:
    """Returns the last warnings and errors of a run's log."""
    try:
        with open(folder.log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [
        line
        for line in text.splitlines()
        if " WARNING " in line or " ERROR " in line
    ]
    return lines[-_LOG_LINES:]


def _variances(
    folder: RunFolder, bits: int
) -> tuple[float | None, float | None]:
    """Returns half the variance of frames, and the variance of rewards."""
    names = episodes.list_episodes(folder.train_episodes)
    places = np.linspace(0, len(names) - 1, min(len(names), _SAMPLED))
    videos, rewards = [], []
    for place in places.round().astype(int):
        try:
            episode = episodes.load_episode(
                folder.train_episodes / names[place]
            )
        except (episodes.BrokenEpisode, FileNotFoundError):
            continue
        image = episode.get("image")
        if image is not None and image.dtype == np.uint8:
            videos.append(image)
        rewards.append(episode["reward"][1:])
    try:
        image_variance = half_variance(videos, bits) if videos else None
    except ValueError:  # Images of several sizes.
        image_variance = None
    if not rewards:
        return image_variance, None
    return image_variance, float(np.concatenate(rewards).var())
