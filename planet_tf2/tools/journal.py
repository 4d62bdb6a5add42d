"""An append-only file of JSON lines that survives being cut off.

Each record is one line, written at once. A line without its newline at the
end of the file is what a crash leaves behind: it is not a record, and the next
one takes its place.

JSON has no words for infinities and not-a-number. They are stored as the
strings 'nan', 'inf' and '-inf', from which `float(...)` makes them again, so
that every line can be read by any JSON parser.
"""

import contextlib
import json
import logging
import math
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pydantic_core

from planet_tf2.tools.attr_dict import to_plain
from planet_tf2.tools.files import opener, sync_file

_LOGGER = logging.getLogger(__name__)

_LONGEST = 2**20  # Bytes of a line.


class Journal:
    """File of JSON lines.

    The file is opened for each call, so that nothing is kept in memory and a
    journal that was moved or removed is noticed. It need not exist.

    Args:
      path: The file.
      check: Called when the file is open and about to be changed. May raise an
        exception to prevent that.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = pathlib.Path(path)
        self._check = check

    @property
    def position(self) -> int:
        """Length of the whole records so far, in bytes."""
        try:
            with open(self.path, "rb", opener=opener) as file:
                return _complete_size(file)
        except FileNotFoundError:
            return 0

    def append(self, record: dict[str, Any], sync: bool = False) -> None:
        """Writes one record.

        Args:
          record: Strings as keys; values that JSON can hold, NumPy numbers
            and arrays.
          sync: Also wait until the disk has it.

        Raises:
          TypeError: JSON cannot hold a value. Nothing is written.
          OSError: Writing failed. What was written of the line is removed.
        """
        line = json.dumps(encodable(record), allow_nan=False).encode() + b"\n"
        # Not opened for appending, since a torn line has to be overwritten.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        with open(descriptor, "r+b", buffering=0) as file:
            size = _complete_size(file)
            self._check()
            file.truncate(size)
            file.seek(size)
            try:
                _write_all(file, line)
                if sync:
                    os.fsync(file.fileno())
            except OSError as error:
                file.truncate(size)
                path = str(self.path)
                raise OSError(error.errno, error.strerror, path) from error

    def sync(self) -> None:
        """Waits until the disk has everything that was appended so far."""
        with contextlib.suppress(FileNotFoundError):
            sync_file(self.path)

    def truncate(self, position: int) -> None:
        """Drops everything behind a position.

        A journal that is shorter than that is left alone, with a warning:
        records were lost, but there is none too many.

        Raises:
          ValueError: The position is not at the start of a line, so it was
            not taken from this journal.
        """
        size = self.position
        if size < position:
            _LOGGER.warning(
                "%s has %d bytes, %d were expected: records are missing.",
                self.path,
                size,
                position,
            )
        elif self.path.exists():
            with open(self.path, "r+b") as file:
                self._seek(file, position)
                self._check()
                file.truncate(position)
                os.fsync(file.fileno())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yields all records, see `since`."""
        return self.since(0)

    def since(self, position: int) -> Iterator[dict[str, Any]]:
        """Yields the records behind a position.

        Raises:
          ValueError: The position is not at the start of a line, so it was
            not taken from this journal; or a line in the middle is broken, or
            longer than 1 MiB. Names file and byte.
        """
        if self.position <= position:
            return
        with open(self.path, "rb", opener=opener) as file:
            self._seek(file, position)
            parse = self._parser()
            while line := file.readline(_LONGEST):
                if not line.endswith(b"\n") and len(line) < _LONGEST:
                    return  # Torn.
                try:
                    yield parse(line)
                except ValueError as error:
                    raise ValueError(
                        f"{self.path} is broken at byte {position}: {error}. "
                        "Restore it from a copy, or start in another --logdir."
                    ) from None
                position += len(line)

    def _parser(self) -> Callable[[bytes], Any]:
        """Returns what makes records of lines, one after the other."""

        def parse(line: bytes) -> Any:
            try:
                return pydantic_core.from_json(line)
            except ValueError:
                raise ValueError(f"{line[:60]!r} is not JSON") from None

        return parse

    def _seek(self, file: BinaryIO, position: int) -> None:
        """Goes to a position, which has to be the start of a line."""
        file.seek(max(0, position - 1))
        if position and file.read(1) != b"\n":
            raise ValueError(
                f"Byte {position} of {self.path} is not the start of a line. "
                "The journal was changed, or belongs to another run."
            )


def encodable(value: Any) -> Any:
    """Converts nested values to what standard JSON can hold.

    NumPy numbers become Python numbers; 'nan', 'inf' and '-inf' replace the
    numbers that JSON does not know.
    """
    value = to_plain(value)
    if isinstance(value, dict):
        return {key: encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encodable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _write_all(file: BinaryIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _complete_size(file: BinaryIO) -> int:
    """Returns the size of a file up to and including its last newline."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
