"""Reads event files, and writes what is in them as CSV and picture files.

TensorFlow is not needed, so that several processes can read at a time. Event
files of TensorFlow 1, such as those of the original, can be read as well.
"""

import concurrent.futures
import csv
import fnmatch
import glob
import io
import multiprocessing
import os
import pathlib
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from tensorboard import data_compat
from tensorboard.compat.proto import event_pb2
from tensorboard.util import tensor_util

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    make_folder,
)
from planet_tf2.evaluation import runs
from planet_tf2.tools.files import write_atomically

SCALAR, IMAGE = "scalar", "image"
TYPES = {SCALAR: "scalars", IMAGE: "images"}

_PATTERN = "events.out.tfevents.*"
_HEADER = struct.Struct("<QI")
_CHECKSUM_BYTES = 4
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MAGIC = {b"GIF8": ".gif", b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}


class Value(NamedTuple):
    """A value of an event file.

    Attributes:
      tag: such as `general/image_loss`.
      step: position on the time axis.
      time: seconds since 1970.
      kind: `scalars`, `images` and so on.
      tensor: the value as a NumPy array.
    """

    tag: str
    step: int
    time: float
    kind: str
    tensor: Any


class Fetched(NamedTuple):
    """What was done for one folder of event files.

    Attributes:
      folder: the folder.
      written: number of files that were written.
      kept: number of files that were there already.
      values: number of values in those that were written.
    """

    folder: str
    written: int
    kept: int
    values: int


def find_event_folders(
    patterns: Sequence[str],
    runs_pattern: str = "*",
    allow_failed: bool = False,
) -> list[tuple[pathlib.Path, pathlib.Path]]:
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
    tops: list[pathlib.Path] = []
    for pattern in patterns:
        found = sorted(glob.glob(os.path.expanduser(pattern)))
        if not found:
            raise RunFolderError(f"There is no folder {pattern}.")
        tops += map(pathlib.Path, found)
    folders: dict[pathlib.Path, pathlib.Path] = {}
    for top in tops:
        for folder in _folders_below(top, allow_failed):
            name = folder.relative_to(top.parent if top.name else top)
            if _matches(name.as_posix(), runs_pattern):
                folders.setdefault(folder, name)
    if not folders:
        raise RunFolderError(
            f"No folder of event files matches {runs_pattern!r} below "
            f"{', '.join(map(str, tops))}."
        )
    return list(folders.items())


def fetch(
    folders: Sequence[tuple[pathlib.Path, pathlib.Path]],
    out: str | os.PathLike[str],
    tags: Sequence[str] = ("*",),
    kind: str = SCALAR,
    workers: int = 4,
    force: bool = False,
    report: Callable[[str], None] = print,
) -> list[Fetched]:
    """Writes the values of event files, a file for each folder and tag.

    A CSV file has the columns `wall_time`, `step` and `value`. Pictures become
    a file for each step. Where a run was resumed, what was written last for a
    step counts.

    Args:
      folders: see `find_event_folders`.
      out: folder to write to.
      tags: patterns of tags, such as `simulation/*/return`.
      kind: `scalar` or `image`.
      workers: processes that read at the same time.
      force: whether to write files anew that are there already.
      report: shows a message.

    Raises:
      RunFolderError: no tag matches in any of the folders.
    """
    make_folder(out)
    jobs = [
        (str(folder), str(pathlib.Path(out) / name), tuple(tags), kind, force)
        for folder, name in folders
    ]
    results = []
    for result in _map(_fetch_folder, jobs, workers):
        results.append(result)
        report(_describe(result))
    if not any(result.written + result.kept for result in results):
        raise RunFolderError(
            f"No {kind} matches {' or '.join(map(repr, tags))} in any of the "
            f"{len(results)} folders."
        )
    return results


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
    found: dict[str, dict[int, Value]] = {}
    kinds: dict[str, str] = {}
    for path in sorted(pathlib.Path(folder).glob(_PATTERN)):
        for event in read_events(path):
            if event.session_log.status == event_pb2.SessionLog.START:
                _take_back(found, event.step)
            for value in event.summary.value:
                if not any(_matches(value.tag, tag) for tag in tags):
                    continue
                # Old files say what it is with the first value only.
                value = data_compat.migrate_value(value)
                name = value.metadata.plugin_data.plugin_name
                name = kinds.setdefault(value.tag, name) or name
                if name == kind:
                    found.setdefault(value.tag, {})[event.step] = Value(
                        value.tag,
                        event.step,
                        event.wall_time,
                        name,
                        tensor_util.make_ndarray(value.tensor),
                    )
    return found


def _take_back(found: dict[str, dict[int, Value]], step: int) -> None:
    for tag, by_step in list(found.items()):
        found[tag] = {s: value for s, value in by_step.items() if s < step}
        if not found[tag]:
            del found[tag]


def read_events(path: str | os.PathLike[str]) -> Iterator[event_pb2.Event]:
    """Reads an event file up to its end, or to where it was cut off."""
    with open(path, "rb") as file:
        while True:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return
            size, _ = _HEADER.unpack(header)
            record = file.read(size + _CHECKSUM_BYTES)
            if len(record) < size + _CHECKSUM_BYTES:
                return
            try:
                yield event_pb2.Event.FromString(record[:size])
            except DecodeError:
                return


def tag_file_name(tag: str) -> str:
    """Returns a tag as the name of a file, without suffix."""
    return _NOT_IN_NAMES.sub("_", tag.replace("/", "."))


def _folders_below(top: pathlib.Path, allow_failed: bool) -> list[pathlib.Path]:
    if not top.is_dir():
        raise RunFolderError(f"{top} is a file. Name a folder.")
    found = sorted({path.parent for path in top.rglob(_PATTERN)})
    if not found:
        if not any(top.iterdir()):
            raise RunFolderError(f"{top} is empty: no run was started there.")
        configs = sorted(top.rglob("config.yaml"))
        if configs:
            folder = RunFolder(configs[0].parent)
            runs.read_params(folder)
            if not allow_failed:
                runs.check_not_failed(folder)
            raise RunFolderError(
                f"The run {folder.path} is unfinished: it has no event files "
                "yet. Train it further first."
            )
        raise RunFolderError(
            f"There are no event files in {top} or below: it is not the folder "
            "of a run."
        )
    for folder in found if not allow_failed else []:
        runs.check_not_failed(RunFolder(folder.parent))
    return found


def _fetch_folder(
    job: tuple[str, str, tuple[str, ...], str, bool],
) -> Fetched:
    folder, out, tags, kind, force = job
    written = kept = values = 0
    for tag, by_step in sorted(read_values(folder, tags, TYPES[kind]).items()):
        write = _write_csv if kind == SCALAR else _write_pictures
        target = pathlib.Path(out) / tag_file_name(tag)
        count = write(
            target, [by_step[step] for step in sorted(by_step)], force
        )
        written += count > 0
        kept += not count
        values += count
    return Fetched(folder, written, kept, values)


def _write_csv(
    target: pathlib.Path, values: Sequence[Value], force: bool
) -> int:
    path = target.with_name(f"{target.name}.csv")
    if path.exists() and not force:
        return 0
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("wall_time", "step", "value"))
    for value in values:
        writer.writerow((value.time, value.step, value.tensor.item()))
    make_folder(path.parent)
    write_atomically(path, text.getvalue())
    return len(values)


def _write_pictures(
    target: pathlib.Path, values: Sequence[Value], force: bool
) -> int:
    count = 0
    make_folder(target.parent)
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


def _map(
    work: Callable[[Any], Any], jobs: Sequence[Any], workers: int
) -> Iterator[Any]:
    workers = min(workers, len(jobs))
    if workers < 2:
        yield from map(work, jobs)
        return
    # Not a copy of this process, whatever it has loaded.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        yield from pool.map(work, jobs)


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern)


def _describe(result: Fetched) -> str:
    if not result.written + result.kept:
        return f"{result.folder}: nothing of that name"
    text = f"{result.folder}: {result.values} values, {result.written} tags"
    if result.kept:
        text += f"; {result.kept} were there already (--force writes them anew)"
    return text
