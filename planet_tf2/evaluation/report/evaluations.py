"""Finds what scripts/evaluate.py has measured of runs."""

import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple

import pydantic
from pydantic import Field

from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.evaluation.report.gather import RunData
from planet_tf2.tools.plain_text import check

_Number = Annotated[float, Field(strict=False)]
_Interval = Annotated[list[_Number], Field(min_length=2, max_length=2)]


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", strict=True)
    task: str
    confidence_interval: _Interval | None = None


class _Entry(_Part):
    run: str
    step: int
    episodes: int
    mean: _Number
    returns: Annotated[list[_Number], Field(min_length=1)] = [0.0]
    stddev: _Number | None = None
    random: _Number | None = None
    published: _Number | None = None
    normalised: _Number | None = None
    video: str | None = None


class _Group(_Part):
    runs: int
    experiment: str
    interquartile_mean: _Number


class _File(pydantic.BaseModel):
    """What a report shows of what `evaluate` wrote."""

    runs: list[_Entry]
    groups: list[_Group] = []


class Evaluation(NamedTuple):
    """How a run did in a task: its entry in the file at a path."""

    run: RunData
    result: dict[str, Any]
    path: pathlib.Path


def find_evaluations(
    found: Sequence[RunData],
    named: Iterable[str | os.PathLike[str]] = (),
    places: Iterable[str | os.PathLike[str]] = (),
) -> tuple[list[Evaluation], list[dict[str, Any]]]:
    """Reads files that `evaluate` wrote, as far as they are of these runs.

    Those are files that the user named, and those in some places that are
    named `evaluation*.json`.

    Returns:
      The newest evaluation of each run, task and step, and the groups of runs
      in those files whose runs are all known.

    Raises:
      RunFolderError: a file that was named cannot be read, or is of none of
        these runs.
    """
    newest: dict[Any, Evaluation] = {}
    groups: list[dict[str, Any]] = []
    named = [pathlib.Path(path) for path in named]
    others = {
        path.resolve()
        for place in places
        for path in pathlib.Path(place).glob("evaluation*.json")
    }
    for path in [*sorted(others, key=os.path.getmtime), *named]:
        try:
            known, sums = _read(path, found)
        except RunFolderError:
            if path in named:
                raise
            continue
        for one in known:
            key = one.run.folder.path, one.result["task"], one.result["step"]
            newest[key] = one
        groups += [{**one, "path": path} for one in sums]
    kept = {one.path for one in newest.values()}
    return list(newest.values()), [g for g in groups if g["path"] in kept]


def _read(
    path: pathlib.Path, found: Sequence[RunData]
) -> tuple[list[Evaluation], list[dict[str, Any]]]:
    """Returns a file's entries of known runs, and groups if all are known."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        check(_File, content)
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path} is not a file that scripts/evaluate.py wrote: {error}."
        ) from None
    entries = content["runs"]
    groups = [g for g in content.get("groups", []) if g["runs"] > 1]
    matched = [(_match(entry, path, found), entry) for entry in entries]
    known = [Evaluation(run, e, path) for run, e in matched if run is not None]
    if not known:
        raise RunFolderError(f"{path} is of none of the runs reported on.")
    return known, groups if len(known) == len(entries) else []


def _match(
    entry: dict[str, Any], path: pathlib.Path, found: Sequence[RunData]
) -> RunData | None:
    """Returns the run that an entry is about.

    Paths in the file are as they were where it was written. Where nothing is
    at that place, the names of the experiment and of the run tell.
    """
    recorded = pathlib.Path(entry["run"])
    places = {recorded.resolve(), (path.parent / recorded).resolve()}
    same = [run for run in found if run.folder.path.resolve() in places]
    if not same and not recorded.exists():
        ending = recorded.parts[-2:]
        same = [
            run
            for run in found
            if run.folder.path.resolve().parts[-2:] == ending
        ]
    return same[0] if len(same) == 1 else None
