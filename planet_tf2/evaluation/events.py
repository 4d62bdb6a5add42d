"""Reads event files, and writes what is in them as CSV and picture files.

Event files of TensorFlow 1, such as those of the original, can be read as well.
"""

import concurrent.futures
import fnmatch
import logging
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from tensorboard.backend.event_processing.plugin_event_accumulator import (
    TENSORS,
    EventAccumulator,
    TensorEvent,
)
from tensorboard.util.tensor_util import make_ndarray

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    make_folder,
)
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.output import csv_text
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.odd_paths import matching_paths, plain_path

# TensorBoard's readers tell of every file that they open.
logging.getLogger("tensorboard").setLevel(logging.WARNING)

SCALAR, IMAGE = "scalar", "image"
# From what users say to TensorBoard's names.
TYPES = {SCALAR: "scalars", IMAGE: "images"}

_PATTERN = "events.out.tfevents.*"
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")

# Folders of event files, each with the path for its name in the results.
Folders = dict[pathlib.Path, pathlib.Path]


def find_event_folders(
    patterns: Sequence[str],
    runs_pattern: str = "*",
    allow_failed: bool = False,
) -> Folders:
    """Finds folders of event files.

    Args:
      patterns: folders, which may contain the others at any depth, or patterns
        of them such as `logs/*`.
      runs_pattern: pattern for their paths below those folders, such as
        `*/test`.
      allow_failed: whether to take runs that failed.

    Raises:
      RunFolderError: nothing is found, or a run failed.
    """
    folders: Folders = {}
    for pattern in patterns:
        for top in matching_paths(pattern):
            found = sorted({path.parent for path in top.rglob(_PATTERN)})
            if not found:
                # This tells what else is wrong.
                folder = runs.find_runs([top], allow_failed)[0]
                raise RunFolderError(
                    f"The run {folder.path} is unfinished: it has no event "
                    "files yet. Train it further first."
                )
            for folder in found:
                if not allow_failed:
                    runs.check_not_failed(RunFolder(folder.parent))
                name = folder.relative_to(top.parent if top.name else top)
                if fnmatch.fnmatchcase(name.as_posix(), runs_pattern):
                    folders.setdefault(folder, name)
    if not folders:
        raise RunFolderError(
            f"No folder of event files matches {runs_pattern!r} below "
            f"{', '.join(patterns)}."
        )
    return folders


def fetch(
    folders: Folders,
    out: str | os.PathLike[str],
    tags: Sequence[str] = ("*",),
    kind: str = SCALAR,
    workers: int = 4,
    force: bool = False,
) -> None:
    """Writes the values of event files, a file for each folder and tag.

    A CSV file has the columns `wall_time`, `step` and `value`. Pictures become
    a file for each step. Where a run was resumed, what was written last for a
    step counts.

    Args:
      folders: see `find_event_folders`.
      out: folder to write to.
      tags: patterns of tags, such as `simulation/*/return`.
      kind: `scalar` or `image`.
      workers: folders that are read at the same time.
      force: whether to write files anew that are there already.

    Raises:
      RunFolderError: no tag matches in any of the folders.
    """
    encode = _csv_file if kind == SCALAR else _picture_files
    total = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda x: read_values(x, tags, TYPES[kind]), folders)
        for (folder, name), found in zip(folders.items(), results, strict=True):
            place = pathlib.Path(out) / name
            if found:
                make_folder(place)
            total += len(found)
            kept = 0
            for tag, by_step in found.items():
                stem = _NOT_IN_NAMES.sub("_", tag.replace("/", "."))
                for ending, content in encode(by_step.values()):
                    path = place / f"{stem}{ending}"
                    if force or not path.exists():
                        write_atomically(path, content)
                    else:
                        kept += 1
            text = f"{len(found)} tags" if found else "nothing of that name"
            if kept:
                text += (
                    f"; {kept} files were there already (--force writes them "
                    "anew)"
                )
            print(f"{folder}: {text}")
    if not total:
        raise RunFolderError(
            f"No {kind} matches {' or '.join(map(repr, tags))} in any of the "
            f"{len(folders)} folders."
        )


def read_values(
    folder: str | os.PathLike[str], tags: Sequence[str], kind: str
) -> dict[str, dict[int, TensorEvent]]:
    """Reads the values of a folder of event files.

    Args:
      folder: the folder.
      tags: patterns of tags.
      kind: `scalars` or `images`.

    Returns:
      By tag and step, what was written last, with `wall_time` in seconds since
      1970, `step` and `tensor_proto`: a number, or width, height and encoded
      pictures as bytes. What a resumed run took back, see `Summaries.resume`,
      is left out.
    """
    # Of other kinds one value is kept, and of this one all.
    reader = EventAccumulator(
        plain_path(folder), {TENSORS: 1}, {kind: 0}
    ).Reload()
    found = {}
    for tag in sorted(reader.Tags()[TENSORS]):
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        wanted = any(fnmatch.fnmatchcase(tag, pattern) for pattern in tags)
        by_step = {event.step: event for event in reader.Tensors(tag)}
        if wanted and plugin == kind and by_step:
            found[tag] = dict(sorted(by_step.items()))
    return found


def _csv_file(values: Iterable[TensorEvent]) -> Iterator[tuple[str, str]]:
    """Yields the ending of a file's name and what is in it."""
    rows = [
        (event.wall_time, event.step, make_ndarray(event.tensor_proto).item())
        for event in values
    ]
    yield ".csv", csv_text(("wall_time", "step", "value"), rows)


def _picture_files(
    values: Iterable[TensorEvent],
) -> Iterator[tuple[str, bytes]]:
    """Yields the endings of files' names and what is in them."""
    for event in values:
        # Behind width and height.
        encoded = make_ndarray(event.tensor_proto)[2]
        suffix = ".gif" if encoded.startswith(b"GIF8") else ".png"
        yield f"-{event.step:09}{suffix}", encoded
