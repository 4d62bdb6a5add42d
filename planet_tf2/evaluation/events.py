"""Reads event files, and writes what is in them as CSV and picture files.

Event files of TensorFlow 1, such as those of the original, can be read as well.
"""

import concurrent.futures
import csv
import fnmatch
import glob
import io
import logging
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    TENSORS,
    EventAccumulator,
)
from tensorboard.util.tensor_util import make_ndarray

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    make_folder,
)
from planet_tf2.evaluation import runs
from planet_tf2.tools.files import write_atomically

# TensorBoard's readers tell of every file that they open.
logging.getLogger("tensorboard").setLevel(logging.WARNING)

SCALAR, IMAGE = "scalar", "image"
# From what users say to TensorBoard's names.
TYPES = {SCALAR: "scalars", IMAGE: "images"}

_PATTERN = "events.out.tfevents.*"
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MAGIC = {b"GIF8": ".gif", b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}

# Folders of event files, each with the path for its name in the results.
Folders = list[tuple[pathlib.Path, pathlib.Path]]


class Value(NamedTuple):
    """A value of an event file.

    Attributes:
      step: position on the time axis.
      time: seconds since 1970.
      tensor: a number `[]`, or width, height and encoded pictures as bytes.
    """

    step: int
    time: float
    tensor: np.ndarray


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

    Returns:
      The folders, each with the path for its name in the results.

    Raises:
      RunFolderError: nothing is found, or a run failed.
    """
    folders: dict[pathlib.Path, pathlib.Path] = {}
    for pattern in patterns:
        tops = sorted(glob.glob(os.path.expanduser(pattern)))
        if not tops:
            raise RunFolderError(f"There is no folder {pattern}.")
        for top in map(pathlib.Path, tops):
            for folder in _folders_below(top, allow_failed):
                name = folder.relative_to(top.parent if top.name else top)
                if fnmatch.fnmatchcase(name.as_posix(), runs_pattern):
                    folders.setdefault(folder, name)
    if not folders:
        raise RunFolderError(
            f"No folder of event files matches {runs_pattern!r} below "
            f"{', '.join(patterns)}."
        )
    return list(folders.items())


def fetch(
    folders: Folders,
    out: str | os.PathLike[str],
    tags: Sequence[str] = ("*",),
    kind: str = SCALAR,
    workers: int = 4,
    force: bool = False,
    report: Callable[[str], None] = print,
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
      report: shows a message.

    Raises:
      RunFolderError: no tag matches in any of the folders.
    """
    make_folder(out)

    def work(folder: tuple[pathlib.Path, pathlib.Path]) -> tuple[int, int, int]:
        path, name = folder
        return _fetch_folder(path, pathlib.Path(out) / name, tags, kind, force)

    found = False
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = pool.map(work, folders)
        for (path, _), counts in zip(folders, results, strict=True):
            written, kept, values = counts
            found = found or bool(written + kept)
            text = f"{path}: {values} values, {written} tags"
            if not written + kept:
                text = f"{path}: nothing of that name"
            elif kept:
                text += (
                    f"; {kept} were there already (--force writes them anew)"
                )
            report(text)
    if not found:
        raise RunFolderError(
            f"No {kind} matches {' or '.join(map(repr, tags))} in any of the "
            f"{len(folders)} folders."
        )


def read_values(
    folder: str | os.PathLike[str], tags: Sequence[str], kind: str
) -> dict[str, dict[int, Value]]:
    """Reads the values of a folder of event files.

    Args:
      folder: the folder.
      tags: patterns of tags.
      kind: `scalars` or `images`.

    Returns:
      By tag and step, what was written last. What a resumed run took back, see
      `Summaries.resume`, is left out.
    """
    # Of other kinds one value is kept, and of this one all.
    reader = EventAccumulator(str(folder), {TENSORS: 1}, {kind: 0}).Reload()
    found = {}
    for tag in sorted(reader.Tags()[TENSORS]):
        events = sorted(reader.Tensors(tag), key=lambda event: event.step)
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        wanted = any(fnmatch.fnmatchcase(tag, pattern) for pattern in tags)
        if events and wanted and plugin == kind:
            found[tag] = {
                event.step: Value(
                    event.step,
                    event.wall_time,
                    make_ndarray(event.tensor_proto),
                )
                for event in events
            }
    return found


def tag_file_name(tag: str) -> str:
    """Returns a tag as the name of a file, without suffix."""
    return _NOT_IN_NAMES.sub("_", tag.replace("/", "."))


def _folders_below(top: pathlib.Path, allow_failed: bool) -> list[pathlib.Path]:
    found = sorted({path.parent for path in top.rglob(_PATTERN)})
    if not found:
        folder = runs.find_runs([top], allow_failed)[0]
        raise RunFolderError(
            f"The run {folder.path} is unfinished: it has no event files yet. "
            "Train it further first."
        )
    if not allow_failed:
        for folder in found:
            runs.check_not_failed(RunFolder(folder.parent))
    return found


def _fetch_folder(
    folder: pathlib.Path,
    out: pathlib.Path,
    tags: Sequence[str],
    kind: str,
    force: bool,
) -> tuple[int, int, int]:
    """Returns how many tags were written and kept, and how many values."""
    write = _write_csv if kind == SCALAR else _write_pictures
    found = read_values(folder, tags, TYPES[kind])
    if found:
        make_folder(out)
    counts = [
        write(out / tag_file_name(tag), list(by_step.values()), force)
        for tag, by_step in found.items()
    ]
    kept = counts.count(0)
    return len(counts) - kept, kept, sum(counts)


def _write_csv(
    target: pathlib.Path, values: Sequence[Value], force: bool
) -> int:
    path = target.with_name(f"{target.name}.csv")
    if path.exists() and not force:
        return 0
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("wall_time", "step", "value"))
    writer.writerows((v.time, v.step, v.tensor.item()) for v in values)
    write_atomically(path, text.getvalue())
    return len(values)


def _write_pictures(
    target: pathlib.Path, values: Sequence[Value], force: bool
) -> int:
    count = 0
    for value in values:
        encoded = value.tensor[2]  # Behind width and height.
        suffix = next(
            (end for start, end in _MAGIC.items() if encoded.startswith(start)),
            ".bin",
        )
        path = target.with_name(f"{target.name}-{value.step:09}{suffix}")
        if force or not path.exists():
            write_atomically(path, encoded)
            count += 1
    return count
