"""Learning curves: returns against episodes, simulator steps and hours."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder

# What curves can be drawn against, with the words for it.
AXES = {
    "episodes": "training episodes",
    "steps": "simulator steps",
    "hours": "hours",
}
SPLITS = ("test", "train")


class Curve(NamedTuple):
    """The returns of one run in one task, arrays `[N]` in order of time.

    Attributes:
      run: the run's folder.
      task: name of the task.
      split: `test` (no noise) or `train` (with exploration noise).
      episodes: training episodes so far, of all tasks, random ones included.
      steps: simulator steps of those episodes.
      hours: time of work so far.
      score: return; the mean of several that were collected at once.
    """

    run: RunFolder
    task: str
    split: str
    episodes: np.ndarray
    steps: np.ndarray
    hours: np.ndarray
    score: np.ndarray


class Band(NamedTuple):
    """What several runs have in common, arrays `[N]`.

    Attributes:
      x: where, among all places at which one of the runs has a return.
      mean, stddev, low, high: over the runs, interpolated linearly. The
        standard deviation is that of a sample, 0 for one run.
      runs: their number.
    """

    x: np.ndarray
    mean: np.ndarray
    stddev: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int


def read_curves(folder: RunFolder, split: str = "test") -> list[Curve]:
    """Reads the curves of a run from its `metrics.jsonl`, one for each task.

    The random episodes from before the first update are no part of them.
    """
    points: dict[str, dict[int, list[tuple[float, ...]]]] = {}  # [task][step]
    episodes = 0
    for record in Metrics(folder.metrics):
        if "return" not in record:
            continue
        if record["split"] == "train":
            episodes = record["episode"]
        if record["phase"] == split:
            hours = record.get("elapsed_seconds", math.nan) / 3600
            score = float(record["return"])
            by_step = points.setdefault(record["task"], {})
            by_step.setdefault(record["step"], []).append(
                (episodes, record["env_step"], hours, score)
            )
    curves = []
    for task, by_step in points.items():
        ends = np.array([group[-1] for group in by_step.values()], np.float64)
        scores = [np.mean([p[-1] for p in group]) for group in by_step.values()]
        curves.append(Curve(folder, task, split, *ends.T[:3], np.array(scores)))
    return curves


def smooth(curve: Curve, window: int) -> Curve:
    """Averages each return with those before it, `window` in all."""
    means = [
        curve.score[max(end - window, 0) : end].mean()
        for end in range(1, len(curve.score) + 1)
    ]
    return curve._replace(score=np.array(means))


def average(curves: Sequence[Curve], axis: str) -> Band | None:
    """Averages curves of runs against an axis, as far as all of them go.

    Returns None where the runs have no stretch in common.
    """
    lines = []
    for curve in curves:
        x = getattr(curve, axis)
        known = np.isfinite(x)
        lines.append((x[known], curve.score[known]))
    start = max(x.min(initial=math.inf) for x, _ in lines)
    end = min(x.max(initial=-math.inf) for x, _ in lines)
    grid = np.unique(np.concatenate([x for x, _ in lines]))
    grid = grid[(grid >= start) & (grid <= end)]
    if not len(grid):
        return None
    values = np.stack([np.interp(grid, x, score) for x, score in lines])
    mean, low, high = values.mean(0), values.min(0), values.max(0)
    stddev = values.std(0, ddof=1) if len(values) > 1 else 0 * grid
    return Band(grid, mean, stddev, low, high, len(values))
