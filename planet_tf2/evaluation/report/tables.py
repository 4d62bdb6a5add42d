"""The tables of a report, as what is written into their cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2 import agents
from planet_tf2.configs import kinds, resolve
from planet_tf2.configs.anchors import get_anchors
from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.evaluation import aggregate, repeating
from planet_tf2.evaluation.report.evaluations import Evaluation
from planet_tf2.evaluation.report.gather import RunData
from planet_tf2.tools.attr_dict import to_plain

Row = dict[str, Any]

_LAST = 5  # Test returns that say how good an agent is now.


def score_row(
    task: str,
    group: Sequence[RunData],
    evaluated: Sequence[Evaluation] = (),
) -> Row:
    """Sums up the last test returns of the runs of an experiment in a task.

    Of evaluations, that of the latest checkpoint is told beside the score of a
    single run; of several the interval says more.
    """
    scores = [last_score(run, task) for run in group]
    known = [s for s in scores if s is not None and np.isfinite(s)]
    summary = aggregate.summarise_runs(known) if known else {}
    mean = summary.get("interquartile_mean")
    agent = agents.name_of_run(group[0].config)
    anchors, _ = get_anchors(task, group[0].params["action_repeat"], agent)
    seed = [score for run in group for score in run.returns("seed", task)]
    results = [
        one.result
        for one in evaluated
        if group == [one.run] and one.result["task"] == task
    ]
    return {
        "runs": len(known),
        "mean": mean,
        "interval": summary.get("confidence_interval"),
        "seed": float(np.mean(seed)) if seed else None,
        "random": anchors and anchors.random,
        "published": anchors and anchors.published,
        "way": anchors.normalised(mean) if anchors and known else None,
        "evaluated": max(results, key=lambda r: r["step"], default=None),
    }


def last_score(run: RunData, task: str) -> float | None:
    """Returns the mean of the last test returns, at most five."""
    scores = run.returns("test", task)[-_LAST:]
    return float(np.mean(scores)) if scores else None


def command(name: str, group: Sequence[RunData]) -> str | None:
    """Returns the command that repeats an experiment, if that is known."""
    seeded = [run for run in group if isinstance(run.config.get("seed"), int)]
    if not seeded:
        return None
    first = min(seeded, key=lambda run: run.config["seed"])
    logdir = f"logs/{name.rpartition('/')[2]}"
    try:
        text = repeating.training_command(first.folder, logdir)
    except RunFolderError:
        return None
    amounts = [run.config.get("num_runs") or 1 for run in group]
    amount = max(len(group), *amounts)
    return f"{text} --num_runs {amount}" if amount > 1 else text


def differences(group: Sequence[RunData]) -> list[str]:
    """Says in which parameters the runs of an experiment differ."""
    agent, first = agents.of_run(group[0].config), group[0].params
    return [
        text
        for run in group[1:]
        for text in resolve.differences(agent, first, run.params)
    ]


def parameters(run: RunData) -> list[Row]:
    """Lists the parameters that differ from preset or defaults."""
    agent = agents.of_run(run.config)
    known = resolve.known_presets(agent, run.config.get("preset"))
    base, plain, found = (
        resolve.flat(agent.Parameters, to_plain(params))
        for params in (
            resolve.resolve(agent, known),
            resolve.resolve(agent),
            run.params,
        )
    )
    return [
        {
            "name": name,
            "value": kinds.as_yaml(value),
            "preset": kinds.as_yaml(base[name]),
            "default": kinds.as_yaml(plain[name]),
            "changed": value != base[name],
            "help": agent.Parameters.explain(name),
        }
        for name, value in found.items()
        if value != plain[name] or value != base[name]
    ]


def all_parameters(run: RunData) -> str:
    """Writes all parameters as YAML, one a line."""
    plain = to_plain(run.params).items()
    return "\n".join(f"{key}: {kinds.as_yaml(value)}" for key, value in plain)


def decisions(run: RunData) -> np.ndarray | None:
    """Returns what decisions took in training episodes, or None.

    Returns:
      Number of the episode, seconds per decision with the simulator, and
      without it, `[3, N]`.
    """
    found = [
        (r["episode"], r["decision_seconds"], r["planning_seconds"])
        for r in run.episodes("train")
        if "planning_seconds" in r
    ]
    return np.array(found, np.float64).T if found else None


def speed(run: RunData) -> Row:
    """Says how fast a run is, and what its time went into.

    Returns:
      Medians of `updates` per second and of seconds per `decision`, with the
      simulator, and for its `planner`; and the `shares` of time for learning,
      for collecting (random episodes left out), and for others: random
      episodes, loading, summaries, checkpoints. What is not known is None.
    """
    updates, pace = run.series("train", "updates_per_second")
    usable = np.isfinite(pace) & (pace > 0)
    times, shares, planner, decision = decisions(run), None, None, None
    if times is not None:
        _, decision, planner = np.median(times, 1).tolist()
    if times is not None and run.totals["hours"] and usable.any():
        learning = (np.diff(updates, prepend=0)[usable] / pace[usable]).sum()
        played = [*run.episodes("train"), *run.episodes("test")]
        collecting = decision * sum(record["length"] for record in played)
        whole = 3600 * run.totals["hours"]
        others = max(0.0, whole - learning - collecting)
        parts = np.array([learning, collecting, others])
        shares = (parts / parts.sum()).tolist()
    return {
        "updates": float(np.median(pace[usable])) if usable.any() else None,
        "decision": decision,
        "planner": planner,
        "shares": shares,
    }
