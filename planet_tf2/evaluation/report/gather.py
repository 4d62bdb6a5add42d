"""Gathers what there is to report: runs, what they measured, how they ended."""

import dataclasses
import functools
import itertools
import os
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from planet_tf2 import agents
from planet_tf2.agents.loss_info import LossInfo, Shapes, loss_info
from planet_tf2.configs import resolve
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    failure_reason,
)
from planet_tf2.evaluation import repeating, runs
from planet_tf2.evaluation.frames import half_variance
from planet_tf2.evaluation.runs import UnusableRun
from planet_tf2.experiment import status
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.journal import Journal

STALE = "stale"

_SAMPLED = 12  # Episodes that the variances are taken from.
_LOG_LINES = 8


@dataclasses.dataclass
class RunData:
    """A run and what it left behind so far.

    Attributes:
      folder: its folder.
      experiment: name of the experiment that it belongs to.
      name: what tells it from the others.
      params: its parameters.
      config: what `config.yaml` says.
      loss_table: what is known of the losses of its agent, by name.
      records: the lines of `metrics.jsonl`, as far as it can be read.
      state: `finished`, `running`, `stopped`, `failed`, or `stale` (nobody has
        heard of the process that works on it for a while).
      failure: what FAIL says, if it failed.
      broken: what is wrong with `metrics.jsonl`.
      logged: the last warnings and errors of `log.txt`.
      shapes: shapes of what losses predict, by name, as in the episodes.
      half_variances: half the variance of the same over some stored training
        episodes, summed over its entries.
      idle_seconds: time since it measured something.
    """

    folder: RunFolder
    experiment: str
    name: str
    params: AttrDict
    config: dict[str, Any]
    loss_table: Mapping[str, LossInfo]
    records: list[dict[str, Any]]
    state: str
    failure: str
    broken: str
    logged: Sequence[str]
    shapes: Shapes
    half_variances: dict[str, float]
    idle_seconds: float

    @property
    def reason(self) -> str:
        """The last line of what FAIL says."""
        return failure_reason(self.failure)

    @property
    def step(self) -> int:
        """The global step that it has reached, in sequences."""
        return max((r.get("step", 0) for r in self.records), default=0)

    @property
    def progress(self) -> float | None:
        """How far it is, as a share; None if it has no end."""
        end = self.params["max_steps"]
        return min(1.0, self.step / end) if end else None

    @functools.cached_property
    def totals(self) -> dict[str, Any]:
        """How much it has learned from; see `repeating.count_totals`."""
        return repeating.count_totals(self.records)

    @property
    def updates(self) -> int:
        """Gradient steps that were taken."""
        return self.totals["updates"]

    @property
    def seconds(self) -> float | None:
        """Time that it was worked on, if that is known."""
        hours = self.totals["hours"]
        return None if hours is None else 3600 * hours

    @functools.cached_property
    def losses(self) -> list[str]:
        """Names of the losses and norms that were measured."""
        return [
            name
            for name in dict.fromkeys(itertools.chain(*self.records))
            if name.endswith("_loss") or name.startswith("gradient_norm")
        ]

    def episodes(self, phase: str) -> list[dict[str, Any]]:
        """Returns the lines of episodes: of `seed`, `train` or `test`."""
        return [
            r for r in self.records if "return" in r and r["phase"] == phase
        ]

    def returns(self, phase: str, task: str | None = None) -> list[float]:
        """Returns the returns of episodes, of one task or of all."""
        return [
            float(r["return"])
            for r in self.episodes(phase)
            if task in (None, r["task"])
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

    def last_mean(self, name: str) -> float | None:
        """Returns the mean over the last tenth of what training measured."""
        _, values = self.series("train", name)
        values = values[np.isfinite(values)]
        last = values[-max(1, len(values) // 10) :]
        return float(last.mean()) if len(last) else None

    def constant(self, name: str) -> float | None:
        """Returns the part of a loss that nothing can be learned of."""
        info = loss_info(self.loss_table, name)
        return info.constant(self.params, self.shapes)

    def loss_of_mean(self, name: str) -> float | None:
        """Returns a loss beyond its constant if the mean is always predicted.

        None if it predicts nothing, or too little is known.
        """
        info = loss_info(self.loss_table, name)
        half_variance = self.half_variances.get(info.target)
        if half_variance is None or self.constant(name) is None:
            return None
        return half_variance / info.scale(self.params) ** 2

    def share_of_mean(self, name: str) -> float | None:
        """Returns the latest loss as a share of `loss_of_mean`."""
        loss, mean = self.last_mean(name), self.loss_of_mean(name)
        if loss is None or not mean:
            return None
        return (loss - self.constant(name)) / mean


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
    logdir = pathlib.Path(logdir)
    folders = _find(logdir)
    names = runs.label_experiments(folders)
    states = {
        pathlib.Path(run.path).resolve(): run.state
        for run in status.Overview(logdir).look()
    }
    found, errors = [], []
    for folder in folders:
        try:
            found.append(
                _read(
                    folder,
                    names[str(folder.path)],
                    states.get(folder.path.resolve()) == STALE,
                )
            )
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
    first = group[0]
    agent = agents.of_run(first.config)
    found = [
        resolve.differences(agent, first.params, run.params)
        for run in group[1:]
    ]
    return list(dict.fromkeys(itertools.chain(*found)))


def _find(path: pathlib.Path) -> list[RunFolder]:
    if path.is_dir() and not RunFolder(path).config.exists():
        below = [RunFolder(found) for found in status.run_folders(path)]
        started = [folder for folder in below if folder.config.exists()]
        if started:
            return started
    return runs.find_runs([path], allow_failed=True)


def _read(folder: RunFolder, experiment: str, is_stale: bool) -> RunData:
    params = runs.read_params(folder)
    config = folder.read_config()
    losses = agents.of_run(config).LOSSES
    state = STALE if is_stale else runs.run_state(folder)
    failure = ""
    if state == runs.FAILED:
        failure = folder.fail.read_text(errors="replace").strip()
        failure = failure or "It left no reason."
    records, broken = _read_journal(folder)
    idle_seconds = 0.0
    if folder.metrics.exists():
        idle_seconds = time.time() - folder.metrics.stat().st_mtime
    # As many bits as the model sees, of those that images have.
    bits = params.get("image_bits", 8)
    targets = {info.target for info in losses.values()}
    shapes, half_variances = _look_into_episodes(folder, targets, bits)
    return RunData(
        folder,
        experiment,
        folder.path.resolve().name,
        params,
        config,
        losses,
        records,
        state,
        failure,
        broken,
        _logged(folder),
        shapes,
        half_variances,
        idle_seconds,
    )


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
    if not folder.log.exists():
        return []
    lines = folder.log.read_text(errors="replace").splitlines()
    levels = (" WARNING ", " ERROR ")
    lines = [line for line in lines if any(word in line for word in levels)]
    return lines[-_LOG_LINES:]


def _look_into_episodes(
    folder: RunFolder, targets: Iterable[str | None], bits: int
) -> tuple[Shapes, dict[str, float]]:
    """Returns shapes and half variances of what losses predict."""
    values: dict[str, list[np.ndarray]] = {}
    for episode in _sample_episodes(folder):
        for name in episode.keys() & set(targets):
            # The reset has no reward.
            array = episode[name][1:] if name == "reward" else episode[name]
            values.setdefault(name, []).append(array)
    shapes = {name: arrays[0].shape[1:] for name, arrays in values.items()}
    variances = {}
    for name, arrays in values.items():
        if any(array.shape[1:] != shapes[name] for array in arrays):
            continue  # Images of several sizes.
        if arrays[0].dtype == np.uint8:
            variances[name] = half_variance(arrays, bits)
        else:
            joined = np.concatenate(arrays).astype(np.float64)
            variances[name] = float(joined.var(0).sum() / 2)
    return shapes, variances


def _sample_episodes(folder: RunFolder) -> Iterable[dict[str, np.ndarray]]:
    """Yields training episodes, spread evenly over all, but no damaged ones."""
    names = episodes.list_episodes(folder.train_episodes)
    places = np.linspace(0, len(names) - 1, min(len(names), _SAMPLED))
    for place in places.round().astype(int):
        try:
            yield episodes.load_episode(folder.train_episodes / names[place])
        except (episodes.BrokenEpisode, FileNotFoundError):
            continue
