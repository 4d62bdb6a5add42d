"""The tables of a report, as what is written into their cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from planet_tf2 import agents
from planet_tf2.configs import kinds, resolve
from planet_tf2.configs.anchors import get_anchors
from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.evaluation import aggregate, repeating
from planet_tf2.evaluation.report import timing
from planet_tf2.evaluation.report.evaluations import Evaluation
from planet_tf2.evaluation.report.gather import RunData, different_params
from planet_tf2.tools.attr_dict import to_plain

Row = dict[str, Any]

_LAST = 5  # Test returns that say how good an agent is now.


def score_rows(
    groups: Mapping[str, Sequence[RunData]],
    evaluated: Sequence[Evaluation] = (),
) -> list[Row]:
    """Sums up the last test returns of the runs of each experiment and task.

    Args:
      groups: runs by the name of the experiment.
      evaluated: evaluations of those runs. That of the latest checkpoint is
        told beside the score of a single run.
    """
    return [
        _score_row(name, task, group, evaluated)
        for name, group in groups.items()
        for task in dict.fromkeys(t for run in group for t in run.params.tasks)
    ]


def last_score(run: RunData, task: str) -> float | None:
    """Returns the mean of the last test returns, at most five."""
    scores = run.returns("test", task)[-_LAST:]
    return float(np.mean(scores)) if scores else None


def _score_row(
    name: str,
    task: str,
    group: Sequence[RunData],
    evaluated: Sequence[Evaluation],
) -> Row:
    scores = [last_score(run, task) for run in group]
    known = [s for s in scores if s is not None and np.isfinite(s)]
    summary = aggregate.summarise_runs(known) if known else {}
    mean = summary.get("interquartile_mean")
    anchors, notes = get_anchors(task, group[0].params["action_repeat"])
    seed = [score for run in group for score in run.returns("seed", task)]
    # Of the latest checkpoint; of several runs the interval says more.
    results = [
        one.result
        for one in evaluated
        if group == [one.run] and one.result["task"] == task
    ]
    return {
        "experiment": name,
        "task": task,
        "runs": len(known),
        "mean": mean,
        "interval": summary.get("confidence_interval"),
        "seed": float(np.mean(seed)) if seed else None,
        "random": anchors and anchors.random,
        "published": anchors and anchors.published,
        "way": anchors.normalised(mean) if anchors and known else None,
        "notes": notes,
        "evaluated": max(results, key=lambda r: r["step"], default=None),
    }


def origin(name: str, group: Sequence[RunData]) -> Row:
    """Says what an experiment is: command, parameters, versions, machine."""
    first = group[0]
    preset = first.config.get("preset")
    return {
        "command": _command(name, group),
        "preset": preset,
        "parameters": _parameters(first, preset),
        "all_parameters": [
            (key, kinds.as_yaml(value))
            for key, value in to_plain(first.params).items()
        ],
        "versions": first.config.get("versions") or {},
        "seeds": [run.config.get("seed") for run in group],
        "machines": dict.fromkeys(
            run.config.get("machine") or "not recorded" for run in group
        ),
        "different": different_params(group),
    }


def speed(run: RunData) -> Row:
    """Says how fast a run is, and what its time went into."""
    _, pace = run.series("train", "updates_per_second")
    pace = pace[np.isfinite(pace) & (pace > 0)]
    times = timing.decisions(run)
    return {
        "updates": float(np.median(pace)) if len(pace) else None,
        "decision": 1000 * np.median(times.whole) if times else None,
        "planner": 1000 * np.median(times.planning) if times else None,
        "shares": timing.shares(run),
    }


def _command(name: str, group: Sequence[RunData]) -> str | None:
    """Returns the command that repeats an experiment."""
    seeded = [run for run in group if isinstance(run.config.get("seed"), int)]
    if not seeded:
        return None
    first = min(seeded, key=lambda run: run.config["seed"])
    logdir = f"logs/{name.rpartition('/')[2]}"
    try:
        command = repeating.training_command(first.folder, logdir)
    except RunFolderError:
        return None
    amount = max(run.config.get("num_runs") or 1 for run in group)
    amount = max(amount, len(group))
    return command + (f" --num_runs {amount}" if amount > 1 else "")


def _parameters(run: RunData, preset: Any) -> list[Row]:
    """Lists the parameters that differ from the defaults."""
    agent = agents.of_run(run.config)
    known = preset if preset in agent.PRESETS else "default"
    base = to_plain(resolve.resolve(agent, known))
    plain = to_plain(resolve.resolve(agent))
    return [
        {
            "name": name,
            "value": kinds.as_yaml(value),
            "preset": kinds.as_yaml(base[name]),
            "default": kinds.as_yaml(plain[name]),
            "changed": value != base[name],
            "help": agent.Parameters.explain(name),
        }
        for name, value in to_plain(run.params).items()
        if name in plain and (value != plain[name] or value != base[name])
    ]
