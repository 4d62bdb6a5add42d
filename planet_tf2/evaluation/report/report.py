"""Writes what is known of runs as one HTML file that needs nothing else."""

import os
import pathlib
import shlex
from collections.abc import Iterator, Mapping, Sequence

from planet_tf2.data.run_folder import make_folder
from planet_tf2.evaluation.output import check_outside
from planet_tf2.evaluation.report import alarms, charts, page, tables
from planet_tf2.evaluation.report.evaluations import (
    Evaluation,
    find_evaluations,
)
from planet_tf2.evaluation.report.gather import RunData, gather
from planet_tf2.tools.files import write_atomically

MEDIA_BYTES = 6_000_000  # Videos in a report, at most.

_PICTURE_BYTES = 1_000_000
_WITH_PICTURES = 6  # Runs of an experiment.


def make_report(
    logdir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    evaluations: Sequence[str] = (),
    title: str | None = None,
) -> list[RunData]:
    """Writes a report on a run, an experiment, or several experiments.

    It says what was run, shows curves, evaluations, videos, losses and speed,
    and warns of what looks wrong. Runs that are not done, or failed, are part
    of it. Nothing is written into the folder of a run.

    Args:
      logdir: folder of a run, of an experiment, or of several experiments.
      out: HTML file. Videos take at most `MEDIA_BYTES` in it, so that it can
        be sent by mail.
      evaluations: files that `evaluate` wrote; besides, those named
        `evaluation*.json` in `logdir`, in the folder of `out` and in the
        current one are used, as far as they are of these runs.
      title: what is written on top; by default the name of the folder.

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
    groups: dict[str, list[RunData]] = {}
    for run in found:
        groups.setdefault(run.experiment, []).append(run)
    if not title and len(found) == 1:
        title = " ".join(dict.fromkeys((found[0].experiment, found[0].name)))
    content = {
        "title": title or logdir.resolve().name,
        "found": found,
        "groups": groups,
        "evaluated": evaluated,
        "sums": sums,
        "alarms": alarms.check(found),
        "charts": charts,
        "tables": tables,
        "pictures": _pictures(groups, evaluated),
        "quote": shlex.quote,
    }
    text = page.render("report.html", content)
    write_atomically(out, text)
    print(f"Written: {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return found


def _pictures(
    groups: Mapping[str, Sequence[RunData]], evaluated: Sequence[Evaluation]
) -> dict[str, list[page.Picture]]:
    """Returns the videos of experiments, as far as there is room for them."""
    wanted = [
        (name, *video)
        for name, group in groups.items()
        for run in group[:_WITH_PICTURES]
        for video in _videos(run, evaluated)
        if video[0].exists()
    ]
    share = min(_PICTURE_BYTES, MEDIA_BYTES // max(1, len(wanted)))
    found: dict[str, list[page.Picture]] = {name: [] for name in groups}
    for name, path, caption in wanted:
        picture = page.animation(path, share, f"Animation: {caption}", caption)
        if picture is not None:
            found[name].append(picture)
    return found


def _videos(
    run: RunData, evaluated: Sequence[Evaluation]
) -> Iterator[tuple[pathlib.Path, str]]:
    """Yields files and captions of the videos that a run may have."""
    yield (
        run.folder.prediction_gif,
        f"{run.name}: truth, open-loop prediction, error. Green lines: the "
        "model sees the truth.",
    )
    yield run.folder.episode_gif, f"{run.name}: the latest test episode."
    for one in evaluated:
        if one.run is run and one.result.get("video"):
            yield (
                one.path.with_name(pathlib.Path(one.result["video"]).name),
                f"{run.name}: an evaluated episode of {one.result['task']}, "
                f"return {one.result['returns'][0]:.0f}.",
            )
