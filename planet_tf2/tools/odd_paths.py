"""Paths with characters that stand for others in patterns, such as brackets."""

import functools
import glob
import os
import pathlib
import re
import tempfile

_PLAIN = re.compile("[^*?[\\\\\udc80-\udcff]*")


def plain_path(path: str | os.PathLike[str]) -> str:
    """Returns a path to the same place that TensorFlow does not misread.

    It takes the path of a checkpoint for a pattern, so that it finds none
    below `lr=[1e-3]`, and does not know names that are not UTF-8.

    Raises:
      OSError: A folder on the way there is missing.
    """
    path = pathlib.Path(path)
    for place in (path, *path.parents):
        if not _PLAIN.fullmatch(place.name):
            found = os.stat(place)
            start = _handle(place, found.st_dev, found.st_ino)
            return os.path.join(start, path.relative_to(place))
    return str(path)


@functools.cache
def _handle(folder: pathlib.Path, device: int, number: int) -> str:
    """Opens a folder until the program ends, and returns Linux' name of that.

    Models that are built late read their checkpoint late.
    """
    if hasattr(os, "O_PATH"):
        return f"/proc/self/fd/{os.open(folder, os.O_PATH)}"
    link = os.path.join(tempfile.mkdtemp(), "folder")  # On macOS.
    os.symlink(os.path.abspath(folder), link)
    return link


def matching_paths(pattern: str) -> list[pathlib.Path]:
    """Returns the paths that match a pattern, or the path itself if none does.

    As much of the pattern as there is on the disk is taken as it is written.
    """
    path = pathlib.Path(os.path.expanduser(pattern))
    for place in (path, *path.parents):
        if os.path.exists(place):
            break
    rest = str(path.relative_to(place))
    found = sorted(glob.glob(rest, root_dir=place))
    return [place / name for name in found] or [path]
