"""What the time of a run went into."""

from typing import NamedTuple

import numpy as np

from planet_tf2.evaluation.report.gather import RunData


class Decisions(NamedTuple):
    """What decisions took, arrays `[N]` by training episode.

    Attributes:
      episodes: number of the episode.
      whole: seconds per decision, with the simulator.
      planning: seconds per decision without it.
    """

    episodes: np.ndarray
    whole: np.ndarray
    planning: np.ndarray


def decisions(run: RunData) -> Decisions | None:
    """Returns what decisions took, or None if that was not measured."""
    found = [
        (r["episode"], r["decision_seconds"], r["planning_seconds"])
        for r in run.episodes("train")
        if "planning_seconds" in r
    ]
    return Decisions(*np.array(found, np.float64).T) if found else None


def shares(run: RunData) -> list[float] | None:
    """Returns what the time went into, as shares.

    Returns:
      Shares of learning (updates), of collecting (episodes in training and
      testing, random ones left out), and of the rest: random episodes, loading,
      summaries, checkpoints. None if nothing tells.
    """
    times, total = decisions(run), run.seconds
    updates, pace = run.series("train", "updates_per_second")
    if times is None or not total or not len(updates):
        return None
    usable = pace > 0
    amounts = np.diff(updates, prepend=0)
    learning = float((amounts[usable] / pace[usable]).sum())
    played = [*run.episodes("train"), *run.episodes("test")]
    length = sum(record["length"] for record in played)
    collecting = float(np.median(times.whole)) * length
    others = max(0.0, total - learning - collecting)
    parts = np.array([learning, collecting, others])
    return (parts / parts.sum()).tolist()
