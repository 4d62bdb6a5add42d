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


def run_row(run: RunData) -> Row:
    """Says in a row how far a run has come."""
    totals = repeating.count_totals(run.records)
    end = run.params["max_steps"]
    return {
        "name": run.name,
        "experiment": run.experiment,
        "state": run.state,
        "seed": run.config.get("seed"),
        "step": run.step,
        "progress": min(1.0, run.step / end) if end else None,
        "updates": totals["updates"],
        "episodes": totals["train_episodes"],
        "simulator_steps": totals["simulator_steps"],
        "seconds": run.seconds,
        "scores": {task: last_score(run, task) for task in run.params["tasks"]},
    }


def last_score(run: RunData, task: str) -> float | None:
    """Returns the mean of the last test returns, at most five."""
    scores = [
        float(r["return"]) for r in run.episodes("test") if r["task"] == task
    ][-_LAST:]
    return float(np.mean(scores)) if scores else None


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
    rows = []
    for name, group in groups.items():
        for task in dict.fromkeys(t for run in group for t in run.params.tasks):
            scores = [last_score(run, task) for run in group]
            known = [s for s in scores if s is not None and np.isfinite(s)]
            anchors, notes = get_anchors(task, group[0].params["action_repeat"])
            own = [
                float(r["return"])
                for run in group
                for r in run.episodes("seed")
                if r["task"] == task
            ]
            row: Row = {
                "experiment": name,
                "task": task,
                "runs": len(known),
                "mean": None,
                "interval": None,
                "seed": float(np.mean(own)) if own else None,
                "random": anchors and anchors.random,
                "published": anchors and anchors.published,
                "way": None,
                "notes": notes,
                "evaluated": _latest(evaluated, group, task),
            }
            if known:
                summary = aggregate.summarise_runs(known)
                row["mean"] = summary["interquartile_mean"]
                row["interval"] = summary["confidence_interval"]
                if anchors is not None:
                    row["way"] = anchors.normalised(row["mean"])
            rows.append(row)
    return rows


def _latest(
    evaluated: Sequence[Evaluation], group: Sequence[RunData], task: str
) -> Row | None:
    """Returns the evaluation of the latest checkpoint, if there is one run."""
    results = [
        one.result
        for one in evaluated
        if group == [one.run] and one.result["task"] == task
    ]
    return max(results, key=lambda result: result["step"], default=None)


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
        "machines": list(
            dict.fromkeys(
                run.config.get("machine") or "not recorded" for run in group
            )
        ),
        "different": different_params(group),
    }


def speed(run: RunData) -> Row:
    """Says how fast a run is, and what its time went into."""
    _, pace = run.series("train", "updates_per_second")
    pace = pace[np.isfinite(pace) & (pace > 0)]
    times, parts = timing.planning_times(run), timing.shares(run)
    planning = None if times is None else times.planning
    total = sum(parts) if parts else 0.0
    return {
        "name": run.name,
        "updates": float(np.median(pace)) if len(pace) else None,
        "decision": None if times is None else 1000 * np.median(times.whole),
        "planner": None if planning is None else 1000 * np.median(planning),
        "estimated": times is not None and times.estimated,
        "shares": [part / total for part in parts] if parts else None,
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
            "help": agent.Parameters.field(name).description,
        }
        for name, value in to_plain(run.params).items()
        if name in plain and (value != plain[name] or value != base[name])
    ]
