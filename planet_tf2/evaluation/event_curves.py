"""Learning curves from event files, for runs without `metrics.jsonl`."""

from typing import Any

import numpy as np

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.curves import Curve, make_curve
from planet_tf2.evaluation.events import Value, read_values

_COUNTS = ("trainer/env_step", "trainer/episodes")
# Whatever comes first tells when the run began.
_TAGS = ("simulation/*/return", "general/*", *_COUNTS)


def read_event_curves(folder: RunFolder, split: str = "test") -> list[Curve]:
    """Reads the curves of a run from its event files, one for each task.

    Hours are those since the first event and contain pauses. What a resumed run
    took back is left out.

    Args:
      folder: the run's folder.
      split: `test` or `train`.
    """
    trained = read_values(folder.train, _TAGS, "scalars")
    directory = folder.test if split == "test" else folder.train
    found = read_values(directory, _TAGS, "scalars")
    first = min(
        (
            value.time
            for by_step in (*trained.values(), *found.values())
            for value in by_step.values()
        ),
        default=np.inf,
    )
    simulated, counted = (_numbers(trained.get(tag, {})) for tag in _COUNTS)
    counts = [
        (simulated[step], counted[step])
        for step in sorted({*simulated} & {*counted})
    ]
    steps = _numbers(found.get(_COUNTS[0], {}))
    points: dict[str, list[dict[str, Any]]] = {}
    for tag, by_step in found.items():
        if not tag.endswith("/return"):
            continue
        for step, value in by_step.items():
            reached = steps.get(step, np.nan)
            points.setdefault(tag.split("/")[1], []).append(
                {
                    "key": step,
                    "score": float(value.tensor),
                    "hours": (value.time - first) / 3600,
                    "steps": reached,
                    "episodes": _episodes_at(counts, reached),
                }
            )
    return [
        make_curve(
            folder, task, split, sorted(p, key=lambda x: x["key"]), paused=True
        )
        for task, p in points.items()
    ]


def _numbers(by_step: dict[int, Value]) -> dict[int, float]:
    return {step: float(value.tensor) for step, value in by_step.items()}


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
