"""Writes what is known of runs as one HTML file that needs nothing else."""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from planet_tf2.data.run_folder import make_folder
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.curves import Curve
from planet_tf2.evaluation.output import check_outside
from planet_tf2.evaluation.report import alarms, charts, media, page, tables
from planet_tf2.evaluation.report.evaluations import (
    Evaluation,
    find_evaluations,
)
from planet_tf2.evaluation.report.gather import (
    STALE,
    RunData,
    by_experiment,
    gather,
)
from planet_tf2.tools.files import write_atomically

MAX_BYTES = 15_000_000

_MEDIA_BYTES = 8_000_000
_PICTURE_BYTES = 1_000_000
_WITH_PICTURES = 6  # Runs of an experiment.
_WORDS = {
    runs.FINISHED: "finished",
    runs.RUNNING: "still running",
    runs.STOPPED: "unfinished",
    runs.FAILED: "failed",
    STALE: "no sign of life",
}
_SENTENCES = {
    runs.FINISHED: "is finished",
    runs.RUNNING: "is unfinished: it is still going on",
    runs.STOPPED: "is unfinished: it was stopped before its end",
    runs.FAILED: "failed",
    STALE: "is unfinished, and gives no sign of life",
}


def make_report(
    logdir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    evaluations: Sequence[str] = (),
    title: str | None = None,
    report: Callable[[str], None] = print,
) -> list[RunData]:
    """Writes a report on a run, an experiment, or several experiments.

    It says what was run, shows curves, evaluations, videos, losses and speed,
    and warns of what looks wrong. Runs that are not done, or failed, are part
    of it. Nothing is written into the folder of a run.

    Args:
      logdir: folder of a run, of an experiment, or of several experiments.
      out: HTML file, of at most `MAX_BYTES`.
      evaluations: files that `evaluate` wrote; besides, those named
        `evaluation*.json` in `logdir`, in the folder of `out` and in the
        current one are used, as far as they are of these runs.
      title: what is written on top; by default the name of the folder.
      report: shows a message.

    Returns:
      The runs that it is about.

    Raises:
      RunFolderError: there is nothing to report on, or no place to write to.
    """
    logdir, out = pathlib.Path(logdir), pathlib.Path(out)
    found = gather(logdir)
    check_outside(out, [run.folder for run in found])
    make_folder(out.parent)
    experiments = {run.folder.path.parent for run in found}
    places = [logdir, *experiments, out.parent, pathlib.Path()]
    evaluated, sums = find_evaluations(found, evaluations, places)
    curves = charts.read_curves(found)
    content = {
        "title": title or _title(logdir, found),
        **_overview(found, curves, evaluated),
        "experiments": _experiments(found, curves, evaluated, sums),
    }
    budget = _MEDIA_BYTES
    while True:
        _add_pictures(content["experiments"], evaluated, budget)
        text = page.render("report.html", content).encode()
        if len(text) <= MAX_BYTES or not budget:
            break
        budget = budget // 2 if budget > 100_000 else 0
    write_atomically(out, text)
    report(f"Written: {out} ({len(text) / 1e6:.1f} MB)")
    return found


def describe_state(found: Sequence[RunData]) -> str:
    """Says in words how many runs are in which state."""
    if len(found) == 1:
        return f"The run {_SENTENCES[found[0].state]}"
    counts = {
        words: sum(run.state == state for run in found)
        for state, words in _WORDS.items()
    }
    parts = [f"{n} {words}" for words, n in counts.items() if n]
    return f"{len(found)} runs: {', '.join(parts)}"


def _title(logdir: pathlib.Path, found: Sequence[RunData]) -> str:
    if len(found) == 1:
        name = found[0].experiment
        return name if name == found[0].name else f"{name} {found[0].name}"
    return logdir.resolve().name


def _overview(
    found: Sequence[RunData],
    curves: Sequence[Curve],
    evaluated: Sequence[Evaluation],
) -> dict[str, Any]:
    groups = by_experiment(found)
    return {
        "state": describe_state(found),
        "words": _WORDS,
        "rows": [tables.run_row(run) for run in found],
        "scores": tables.score_rows(groups, evaluated),
        "alarms": sorted(
            ((run, alarm) for run in found for alarm in alarms.check(run)),
            key=lambda pair: alarms.severity(pair[1]),
        ),
        # With one experiment its own charts say the same.
        "comparison": charts.returns(curves, found) if len(groups) > 1 else [],
        "failed": [run for run in found if run.failure],
        "logged": [run for run in found if run.logged],
    }


def _experiments(
    found: Sequence[RunData],
    curves: Sequence[Curve],
    evaluated: Sequence[Evaluation],
    sums: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    sections = []
    for name, group in by_experiment(found).items():
        paths = [run.folder.path for run in group]
        known = {run.folder.path.resolve().parent.name for run in group}
        sections.append(
            {
                "name": name,
                "anchor": f"experiment-{len(sections) + 1}",
                "runs": group,
                "origin": tables.origin(name, group),
                "returns": charts.returns(curves, group),
                "losses": charts.losses(group),
                "speed": [tables.speed(run) for run in group],
                "speed_charts": charts.speed(group),
                "evaluations": [
                    one for one in evaluated if one.run.folder.path in paths
                ],
                "sums": [s for s in sums if s["experiment"] in known],
                "pictures": [],
            }
        )
    return sections


def _add_pictures(
    experiments: Sequence[dict[str, Any]],
    evaluated: Sequence[Evaluation],
    budget: int,
) -> None:
    """Adds the videos of runs, as far as there is room for them."""
    wanted = [
        (section, path, words)
        for section in experiments
        for run in section["runs"][:_WITH_PICTURES]
        for path, words in _videos(run, evaluated)
    ]
    for section in experiments:
        section["pictures"] = []
    if not wanted or not budget:
        return
    # Text of the page is a third longer than the bytes.
    share = min(_PICTURE_BYTES, int(budget * 0.75) // len(wanted))
    for section, path, words in wanted:
        made = media.animation(path, share, *words)
        if made is not None:
            section["pictures"].append(made)


def _videos(
    run: RunData, evaluated: Sequence[Evaluation]
) -> list[tuple[pathlib.Path, tuple[str, str]]]:
    """Returns the videos of a run that there are, with their descriptions."""
    found = [
        (
            run.folder.prediction_gif,
            (
                "Animation: frames of an episode, the open-loop prediction of "
                f"{run.name}, and the error.",
                f"{run.name}: truth, open-loop prediction, error. Green lines: "
                "the model sees the truth.",
            ),
        ),
        (
            run.folder.episode_gif,
            (
                f"Animation: the latest test episode of {run.name}.",
                f"{run.name}: the latest test episode.",
            ),
        ),
    ]
    for one in evaluated:
        if one.run is run and one.result.get("video"):
            name = pathlib.Path(one.result["video"]).name
            score = one.result["returns"][0]
            words = f"an evaluated episode of {one.result['task']}"
            found.append(
                (
                    one.path.with_name(name),
                    (
                        f"Animation: {words}, {run.name}.",
                        f"{run.name}: {words}, return {score:.0f}.",
                    ),
                )
            )
    return [(path, words) for path, words in found if path.exists()]
