"""Gathers what there is to report: runs, what they measured, how they ended."""

import dataclasses
import functools
import itertools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from planet_tf2 import agents
from planet_tf2.agents.loss_info import LossInfo, Shapes, loss_info
from planet_tf2.data import episodes
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation import repeating, runs
from planet_tf2.evaluation.curves import SPLITS, Curve, read_curves
from planet_tf2.evaluation.frames import half_variance
from planet_tf2.experiment import status
from planet_tf2.tools.attr_dict import AttrDict

STALE = "stale"

_SAMPLED = 12  # Episodes that the variances are taken from.
_LOG_LINES = 8


@dataclasses.dataclass
class RunData:
    """A run and what it left behind so far.

    Attributes:
      folder: its folder.
      experiment: name of the experiment that it belongs to.
      state: `finished`, `running`, `stopped`, `failed`, or `stale` (nobody has
        heard of the process that works on it for a while).
      config: what `config.yaml` says.
      params: its parameters.
      records: the lines of `metrics.jsonl`, as far as it can be read.
      broken: what is wrong with `metrics.jsonl`.
    """

    folder: RunFolder
    experiment: str
    state: str
    config: dict[str, Any]
    params: AttrDict
    records: list[dict[str, Any]]
    broken: str

    @property
    def name(self) -> str:
        """What tells it from other runs of the experiment."""
        return self.folder.path.resolve().name

    @functools.cached_property
    def failure(self) -> str:
        """What FAIL says, if it failed."""
        if self.state != runs.FAILED:
            return ""
        text = self.folder.fail.read_text(errors="replace")
        return text.strip() or "It left no reason."

    @functools.cached_property
    def logged(self) -> list[str]:
        """The last warnings and errors of `log.txt`."""
        if not self.folder.log.exists():
            return []
        lines = self.folder.log.read_text(errors="replace").splitlines()
        found = [x for x in lines if " WARNING " in x or " ERROR " in x]
        return found[-_LOG_LINES:]

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

    @functools.cached_property
    def curves(self) -> list[Curve]:
        """The returns of tests and of training, if they can all be read."""
        splits = () if self.broken else SPLITS
        return [x for split in splits for x in read_curves(self.folder, split)]

    @functools.cached_property
    def loss_table(self) -> Mapping[str, LossInfo]:
        """What is known of the losses of its agent, by name."""
        return agents.of_run(self.config).LOSSES

    @functools.cached_property
    def losses(self) -> list[str]:
        """Names of the losses and norms that were measured.

        And of what else the agent's table of losses names.
        """
        return [
            name
            for name in dict.fromkeys(itertools.chain(*self.records))
            if name.endswith(("_loss", "_grad_norm"))
            or name.startswith("gradient_norm")
            or name in self.loss_table
        ]

    @functools.cached_property
    def targets(self) -> tuple[Shapes, dict[str, float]]:
        """Shapes and half variances of what losses predict, by name.

        The variance is that over some stored training episodes, summed over
        entries, and of images as many bits as the model sees.
        """
        values: dict[str, list[np.ndarray]] = {}
        wanted = {info.target for info in self.loss_table.values()}
        for episode in _sample_episodes(self.folder):
            for name in episode.keys() & wanted:
                # The reset has no reward.
                first = 1 if name == "reward" else 0
                values.setdefault(name, []).append(episode[name][first:])
        shapes, variances = {}, {}
        for name, arrays in values.items():
            shapes[name] = arrays[0].shape[1:]
            if any(array.shape[1:] != shapes[name] for array in arrays):
                continue  # Images of several sizes.
            if arrays[0].dtype == np.uint8:
                bits = self.params.get("image_bits", 8)
                variances[name] = half_variance(arrays, bits)
            else:
                joined = np.concatenate(arrays).astype(np.float64)
                variances[name] = float(joined.var(0).sum() / 2)
        return shapes, variances

    def episodes(self, phase: str) -> list[dict[str, Any]]:
        """Returns the lines of episodes: of `seed`, `train` or `test`."""
        return [
            r for r in self.records if "return" in r and r["phase"] == phase
        ]

    def returns(self, phase: str, *tasks: str) -> list[float]:
        """Returns the returns of episodes in some tasks, or in all."""
        tasks = tasks or self.params["tasks"]
        found = self.episodes(phase)
        return [float(r["return"]) for r in found if r["task"] in tasks]

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

    def constant(self, name: str) -> float | None:
        """Returns the part of a loss that nothing can be learned of."""
        info = loss_info(self.loss_table, name)
        return info.constant(self.params, self.targets[0])

    def loss_of_mean(self, name: str) -> float | None:
        """Returns a loss beyond its constant if the mean is always predicted.

        None if it predicts nothing, or too little is known.
        """
        info = loss_info(self.loss_table, name)
        variance = self.targets[1].get(info.target)
        if variance is None or self.constant(name) is None:
            return None
        return variance / info.scale(self.params) ** 2

    def share_of_mean(self, name: str) -> float | None:
        """Returns a loss, over its last tenth, as a share of `loss_of_mean`."""
        mean = self.loss_of_mean(name)
        _, values = self.series("train", name)
        values = values[np.isfinite(values)]
        last = values[-max(1, len(values) // 10) :]
        if not len(last) or not mean:
            return None
        return float(last.mean() - self.constant(name)) / mean


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
    stale = {
        pathlib.Path(run.path).resolve()
        for run in status.Overview(logdir).look()
        if run.state == STALE
    }
    found, errors = [], []
    for folder in folders:
        is_stale = folder.path.resolve() in stale
        state = STALE if is_stale else runs.run_state(folder)
        try:
            run = folder.read_config(), runs.read_params(folder)
        except RunFolderError as error:
            errors.append(error)
            continue
        name, journal = names[str(folder.path)], _read_journal(folder)
        found.append(RunData(folder, name, state, *run, *journal))
    if not found:
        raise errors[0]
    if not any(run.records or run.failure for run in found):
        raise runs.UnusableRun(
            found[0].broken
            or f"The run {found[0].folder.path} is unfinished: it has measured "
            "nothing yet. Train it further first."
        )
    return found


def _find(path: pathlib.Path) -> list[RunFolder]:
    if path.is_dir() and not RunFolder(path).config.exists():
        below = [RunFolder(found) for found in status.run_folders(path)]
        started = [folder for folder in below if folder.config.exists()]
        if started:
            return started
    return runs.find_runs([path], allow_failed=True)


def _read_journal(folder: RunFolder) -> tuple[list[dict[str, Any]], str]:
    """Returns the records up to the first that is broken, and what is wrong."""
    records = []
    try:
        for record in Metrics(folder.metrics):
            records.append(record)
    except ValueError as error:
        return records, str(error)
    return records, ""


def _sample_episodes(folder: RunFolder) -> Iterator[dict[str, np.ndarray]]:
    """Yields training episodes, spread evenly over all, but no damaged ones."""
    names = episodes.list_episodes(folder.train_episodes)
    places = np.linspace(0, len(names) - 1, min(len(names), _SAMPLED))
    for place in places.round().astype(int):
        try:
            yield episodes.load_episode(folder.train_episodes / names[place])
        except (episodes.BrokenEpisode, FileNotFoundError):
            continue
