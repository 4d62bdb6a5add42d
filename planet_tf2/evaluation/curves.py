"""Learning curves: returns against episodes, simulator steps and hours."""

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.journal import Journal

# What curves can be drawn against, with the words for it.
AXES = {
    "episodes": "training episodes",
    "steps": "simulator steps",
    "hours": "hours",
}
SPLITS = ("test", "train")

_TIME = re.compile(r"(\d{8}T\d{6})-")


class Curve(NamedTuple):
    """The returns of one run in one task, arrays `[N]` in order of time.

    Attributes:
      run: the run's folder.
      task: name of the task.
      split: `test` (no noise) or `train` (with exploration noise).
      episodes: training episodes so far, of all tasks, random ones included.
      steps: simulator steps of those episodes.
      hours: time of work so far; without an account of it, time since the first
        episode, pauses included.
      score: return; the mean of several that were collected at once.
      paused: whether `hours` contain the time that the run was down.
    """

    run: RunFolder
    task: str
    split: str
    episodes: np.ndarray
    steps: np.ndarray
    hours: np.ndarray
    score: np.ndarray
    paused: bool = False


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

    Args:
      folder: the run's folder.
      split: `test` or `train`.
    """
    points: dict[str, list[dict[str, Any]]] = {}
    episodes, first_second = 0, None
    records = [r for r in Journal(folder.metrics) if "return" in r]
    counted = all("elapsed_seconds" in record for record in records)
    for record in records:
        second = _second(record["file"])
        first_second = second if first_second is None else first_second
        if record["split"] == "train":
            episodes = record["episode"]
        if record["phase"] != split:
            continue
        if counted:
            seconds = record["elapsed_seconds"]
        else:
            seconds = second - first_second
        points.setdefault(record["task"], []).append(
            {
                "key": record["step"],
                "episodes": episodes,
                "steps": record["env_step"],
                "hours": seconds / 3600,
                "score": float(record["return"]),
            }
        )
    return [
        make_curve(folder, task, split, found, not counted)
        for task, found in points.items()
    ]


def make_curve(
    folder: RunFolder,
    task: str,
    split: str,
    points: Iterable[dict[str, Any]],
    paused: bool = False,
) -> Curve:
    """Makes a curve of points; those with the same `key` become one."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for point in points:
        groups.setdefault(point["key"], []).append(point)
    merged = list(groups.values())

    def column(name: str) -> np.ndarray:
        return np.array([group[-1][name] for group in merged], np.float64)

    scores = [np.mean([p["score"] for p in group]) for group in merged]
    return Curve(
        folder,
        task,
        split,
        column("episodes"),
        column("steps"),
        column("hours"),
        np.array(scores, np.float64),
        paused,
    )


def smooth(curve: Curve, window: int) -> Curve:
    """Averages each return with those before it, `window` in all."""
    if window < 1:
        raise ValueError(f"smooth must be at least 1, not {window}.")
    sums = np.cumsum(np.concatenate([[0.0], curve.score]))
    end = np.arange(1, len(curve.score) + 1)
    start = np.maximum(end - window, 0)
    return curve._replace(score=(sums[end] - sums[start]) / (end - start))


def average(curves: Sequence[Curve], axis: str) -> Band | None:
    """Averages runs, as far as all of them go.

    Args:
      curves: one for each run.
      axis: `episodes`, `steps` or `hours`.

    Returns:
      The band, or None where the runs have no stretch in common.
    """
    sides = []
    for curve in curves:
        x = getattr(curve, axis)
        known = np.isfinite(x)
        if not known.any():
            return None
        sides.append((x[known], curve.score[known]))
    start = max(x[0] for x, _ in sides)
    end = min(x[-1] for x, _ in sides)
    grid = np.unique(np.concatenate([x for x, _ in sides]))
    grid = grid[(grid >= start) & (grid <= end)]
    if not len(grid):
        return None
    values = np.stack([np.interp(grid, x, score) for x, score in sides])
    spread = values.std(0, ddof=1) if len(values) > 1 else 0 * grid
    return Band(
        grid,
        values.mean(0),
        spread,
        values.min(0),
        values.max(0),
        len(values),
    )


def label_experiments(folders: Sequence[RunFolder]) -> dict[str, str]:
    """Names the experiments of runs, each by as much of its path as it takes.

    Returns:
      Names by the run's path, as a string. Runs in folders such as `00001`
      share the name of the folder that they are in.
    """
    places = {}
    for folder in folders:
        path = folder.path.resolve()
        is_numbered = re.fullmatch(r"\d{5,}", path.name)
        places[str(folder.path)] = path.parent if is_numbered else path
    distinct = set(places.values())

    def name(place: Any) -> str:
        for count in range(1, len(place.parts) + 1):
            tail = place.parts[-count:]
            if sum(p.parts[-count:] == tail for p in distinct) == 1:
                break
        return "/".join(tail)

    return {path: name(place) for path, place in places.items()}


def collect_curves(
    folders: Sequence[RunFolder],
    splits: Sequence[str],
    read: Callable[[RunFolder, str], list[Curve]] = read_curves,
    report: Callable[[str], None] = lambda text: None,
) -> list[Curve]:
    """Reads the curves of several runs.

    Args:
      folders: the runs.
      splits: `test` or `train` or both.
      read: reads the curves of a run and a split.
      report: told of runs without a curve, and of hours with pauses in them.

    Raises:
      ValueError: none of the runs has a curve.
    """
    curves: list[Curve] = []
    for folder in folders:
        found = [curve for split in splits for curve in read(folder, split)]
        if not found:
            report(f"Left out {folder.path}: it has no {_or(splits)} return.")
        elif any(curve.paused for curve in found):
            report(
                f"{folder.path} does not tell how long it was worked on: its "
                "hours are those since its first episode, with all pauses."
            )
        curves += found
    if not curves:
        raise ValueError(
            f"Nothing to draw: {folders[0].path} is unfinished, it has no "
            f"{_or(splits)} return yet. Train it further first."
        )
    return curves


def _or(splits: Sequence[str]) -> str:
    return " or ".join(splits)


def _second(file: str) -> float:
    """Returns the time in the name of an episode file, in seconds."""
    match = _TIME.match(file)
    if not match:
        return float("nan")
    moment = datetime.datetime.strptime(match[1], "%Y%m%dT%H%M%S")
    return moment.replace(tzinfo=datetime.UTC).timestamp()
