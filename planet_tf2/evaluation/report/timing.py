"""What the time of a run went into."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from planet_tf2.evaluation.report.gather import RunData


class PlanningTimes(NamedTuple):
    """What decisions took, arrays `[N]` by training episode.

    Attributes:
      episodes: number of the episode.
      whole: seconds per decision, with the simulator.
      planning: seconds per decision without it, or None where the run did not
        measure that.
      estimated: whether it follows from the times of lines in `metrics.jsonl`
        and the speed of the updates between them.
    """

    episodes: np.ndarray
    whole: np.ndarray
    planning: np.ndarray | None
    estimated: bool


class Shares(NamedTuple):
    """What the time of a run went into, in seconds.

    Attributes:
      learning: updates.
      collecting: episodes in training and testing, random ones left out.
      others: the rest: random episodes, loading, summaries, checkpoints.
    """

    learning: float
    collecting: float
    others: float


def planning_times(run: RunData) -> PlanningTimes | None:
    """Returns what decisions took, or None if nothing tells."""
    measured = [
        (r["episode"], r["decision_seconds"], r["planning_seconds"])
        for r in run.episodes("train")
        if "planning_seconds" in r
    ]
    if measured:
        episodes, whole, planning = np.array(measured, np.float64).T
        return PlanningTimes(episodes, whole, planning, False)
    found = list(_estimates(run))
    if not found:
        return None
    episodes, whole = np.array(found, np.float64).T
    return PlanningTimes(episodes, whole, None, True)


def shares(run: RunData) -> Shares | None:
    """Returns what the time went into, or None if nothing tells."""
    times, total = planning_times(run), run.seconds
    updates, pace = run.series("train", "updates_per_second")
    if times is None or not total or not len(updates):
        return None
    usable = pace > 0
    amounts = np.diff(updates, prepend=0)
    learning = float((amounts[usable] / pace[usable]).sum())
    decisions = sum(
        r["length"] for p in ("train", "test") for r in run.episodes(p)
    )
    collecting = float(np.median(times.whole)) * decisions
    others = max(0.0, total - learning - collecting)
    return Shares(learning, collecting, others)


def _estimates(run: RunData) -> Iterator[tuple[int, float]]:
    """Yields episode and seconds per decision."""
    speed = None
    before = None
    for record in run.records:
        if "elapsed_seconds" not in record:
            return
        speed = record.get("updates_per_second", speed)
        is_episode = "return" in record and record["phase"] == "train"
        if is_episode and before is not None and speed:
            known = before.get("update", 0) * (before["phase"] == "train")
            updates = record["update"] - known
            seconds = record["elapsed_seconds"] - before["elapsed_seconds"]
            alone = before["step"] != record["step"]
            seconds -= updates / speed
            if seconds > 0 and known and alone:
                yield record["episode"], seconds / record["length"]
        before = record
