"""Files that appear whole or not at all.

A file is written under another name, forced to the disk and renamed, so that
readers see the old or the new one, whenever the writer stops.
"""

import contextlib
import errno
import os
import pathlib
import shutil
import stat
from collections.abc import Iterator
from typing import BinaryIO

PARTIAL_SUFFIX = ".partial"


class StorageError(OSError):
    """What is to be kept cannot be written, which is not its maker's fault."""


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike[str],
    scratch: str | os.PathLike[str] | None = None,
) -> Iterator[BinaryIO]:
    """Opens a file that takes the place of `path` when the block ends well.

    If the block raises, or the disk is full, nothing happens to `path`.

    Args:
      path: File to be written, by one writer at a time.
      scratch: Existing folder for the file while it is being written; by
        default that of `path`.

    Yields:
      The file, to be written in bytes.

    Raises:
      OSError: The file cannot be written.
    """
    path = pathlib.Path(path)
    directory = path.parent if scratch is None else pathlib.Path(scratch)
    partial = directory / (path.name + PARTIAL_SUFFIX)
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        move(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_directory(path.parent)


def move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Gives a file another place and name, or that of another file.

    It appears there whole, also if that is on another file system.

    Raises:
      OSError: There is no such file, or it cannot be moved.
    """
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Beside the target, where it can be renamed.
        with open(source, "rb") as file, replacing(target) as copy:
            shutil.copyfileobj(file, copy, 2**20)
        source.unlink()


def write_atomically(
    path: str | os.PathLike[str],
    content: str | bytes,
    scratch: str | os.PathLike[str] | None = None,
) -> None:
    """Writes a file so that readers see the old or the new one, whole.

    Args:
      path: File to be written.
      content: Bytes, or text to be stored as UTF-8; names of files that are
        not UTF-8 with backslashes.
      scratch: See `replacing`.
    """
    with replacing(path, scratch) as file:
        if isinstance(content, str):
            content = content.encode(errors="backslashreplace")
        file.write(content)


def opener(path: str, flags: int) -> int:
    """Opens files for `open`, and neither pipes nor devices without an end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a file", os.fspath(path))
    return descriptor


def sync_file(path: str | os.PathLike[str]) -> None:
    """Waits until the disk has what was written to a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(directory: str | os.PathLike[str]) -> None:
    """Makes renames outlast a power failure, where the system can do it."""
    # Some network file systems refuse to sync folders.
    with contextlib.suppress(OSError):
        sync_file(directory)
