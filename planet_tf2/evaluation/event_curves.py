"""Learning curves from event files, for runs without `metrics.jsonl`."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import (
    EventFileLoader,
)

from planet_tf2.evaluation.curves import Curve, make_curve
from planet_tf2.training.run_folder import RunFolder


def read_scalars(
    directory: pathlib.Path, tags: tuple[str, ...] = ("",)
) -> Iterator[tuple[str, int, float, float]]:
    """Reads the scalars of all event files of a folder, in order.

    Args:
      directory: folder of event files.
      tags: beginnings of the tags to read.

    Yields:
      Tag, step, value, and time in seconds.
    """
    for path in sorted(directory.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                if plugin == "scalars" and value.tag.startswith(tags):
                    number = float(tf.make_ndarray(value.tensor))
                    yield value.tag, event.step, number, event.wall_time


def read_event_curves(folder: RunFolder, split: str = "test") -> list[Curve]:
    """Reads the curves of a run from its event files, one for each task.

    Hours are those since the first event and contain pauses. Where a run was
    resumed, what was written last for a step counts.

    Args:
      folder: the run's folder.
      split: `test` or `train`.
    """
    tags = ("simulation/", "trainer/env_step", "trainer/episodes", "general/")
    trained: dict[int, dict[str, float]] = {}
    first = np.inf
    for tag, step, value, second in read_scalars(folder.train, tags):
        first = min(first, second)
        if tag.startswith("trainer/"):
            trained.setdefault(step, {})[tag] = value
    counts = [
        (counted["trainer/env_step"], counted["trainer/episodes"])
        for _, counted in sorted(trained.items())
        if len(counted) == 2
    ]
    directory = folder.test if split == "test" else folder.train
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    steps: dict[int, float] = {}
    for tag, step, value, second in read_scalars(directory, tags):
        first = min(first, second)
        if tag == "trainer/env_step":
            steps[step] = value
        parts = tag.split("/")
        if parts[0] == "simulation" and parts[-1] == "return":
            found[parts[1], tag, step] = {"score": value, "second": second}
    points: dict[str, list[dict[str, Any]]] = {}
    for (task, _, step), point in found.items():
        simulated = steps.get(step, np.nan)
        points.setdefault(task, []).append(
            {
                "key": step,
                "score": point["score"],
                "hours": (point["second"] - first) / 3600,
                "steps": simulated,
                "episodes": _episodes_at(counts, simulated),
            }
        )
    return [
        make_curve(
            folder, task, split, sorted(p, key=lambda x: x["key"]), paused=True
        )
        for task, p in points.items()
    ]


def _episodes_at(counts: list[tuple[float, float]], steps: float) -> float:
    """Returns the training episodes behind so many simulator steps.

    Before the first that the agent collected, they were not counted: all
    episodes are taken to be as long as the mean.
    """
    known = [episodes for simulated, episodes in counts if simulated <= steps]
    if known:
        return known[-1]
    if not counts:
        return np.nan
    simulated, episodes = counts[0]
    return round(episodes * steps / simulated)
