"""An append-only file of JSON lines that survives being cut off.

Each record is one line, written at once. A line without its newline at the
end of the file is what a crash leaves behind: it is not a record, and the next
one takes its place.

JSON has no words for infinities and not-a-number. They are stored as the
strings 'nan', 'inf' and '-inf', from which `float(...)` makes them again, so
that every line can be read by any JSON parser.
"""

import json
import logging
import math
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from planet_tf2.tools.attr_dict import to_plain

_LOGGER = logging.getLogger(__name__)


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
            with open(self.path, "rb") as file:
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
        line = _encode(record)
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
        try:
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())
        except FileNotFoundError:
            pass

    def since(self, position: int) -> list[dict[str, Any]]:
        """Returns the records behind a position.

        Raises:
          ValueError: The position is not at the start of a line, so it was
            not taken from this journal.
        """
        if self.position <= position:
            return []
        with open(self.path, "rb") as file:
            self._check_boundary(file, position)
            return list(self._records(file, position))

    def truncate(self, position: int) -> list[dict[str, Any]]:
        """Drops everything behind a position and returns those records.

        A journal that is shorter than that is left alone, with a warning:
        records were lost, but there is none too many.

        Raises:
          ValueError: The position is not at the start of a line, so it was
            not taken from this journal.
        """
        if position < 0:
            raise ValueError(f"Position must not be negative: {position}.")
        size = self.position
        if size < position:
            _LOGGER.warning(
                "%s has %d bytes, %d were expected: records are missing.",
                self.path,
                size,
                position,
            )
            return []
        if not self.path.exists():
            return []
        with open(self.path, "r+b") as file:
            self._check_boundary(file, position)
            dropped = list(self._records(file, position))
            self._check()
            file.truncate(position)
            os.fsync(file.fileno())
        return dropped

    def read(self) -> list[dict[str, Any]]:
        """Returns all records. For long journals, iterate instead.

        Raises:
          ValueError: A line in the middle is broken. Names file and byte.
        """
        return list(self)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            file = open(self.path, "rb")
        except FileNotFoundError:
            return
        with file:
            yield from self._records(file, 0)

    def _records(self, file: Any, position: int) -> Iterator[dict[str, Any]]:
        file.seek(position)
        for line in file:
            if not line.endswith(b"\n"):
                return  # Torn.
            try:
                yield json.loads(line)
            except ValueError:
                raise ValueError(
                    f"{self.path} is broken at byte {position}: "
                    f"{line[:60]!r} is not JSON."
                ) from None
            position += len(line)

    def _check_boundary(self, file: Any, position: int) -> None:
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
    return _finite(to_plain(value))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _encode(record: dict[str, Any]) -> bytes:
    return json.dumps(encodable(record), allow_nan=False).encode() + b"\n"


def _write_all(file: Any, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _complete_size(file: Any, block_size: int = 4096) -> int:
    """Returns the size of a file up to and including its last newline."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - block_size)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
