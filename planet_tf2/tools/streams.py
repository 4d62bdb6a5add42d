"""Standard streams: closed ones, and those that take no messages any more."""

import io
import os
import select
import sys
from typing import TextIO

# What is opened later must not become a standard stream of this process, and
# of those that it starts.
for _number in range(3):
    try:
        os.fstat(_number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # Gets the lowest number that is free.
sys.stdout = sys.stdout or open(1, "w", closefd=False)
sys.stderr = sys.stderr or open(2, "w", closefd=False)


class ReaderGone(Exception):
    """Nobody reads the results any more that a program prints."""


def keep_going(has_results: bool = False) -> None:
    """Makes sure that no message fails a program, in all of this process.

    Messages that cannot be written, because the reader is gone or the disk is
    full, are dropped. What the encoding lacks is shown with backslashes.

    Args:
      has_results: Whether standard output is what the program is for, so that
        it is no use without. Writing then raises `ReaderGone` or `OSError`.
    """
    sys.stdout = _reopen(sys.stdout, has_results)
    sys.stderr = _reopen(sys.stderr, False)


def _reopen(stream: TextIO, strict: bool) -> TextIO:
    stream.flush()
    raw = _Stream(stream.fileno(), strict)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        stream.encoding,
        "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Stream(io.FileIO):
    def __init__(self, number: int, strict: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._strict = strict

    def write(self, data: bytes | memoryview) -> int:
        rest = memoryview(data)
        try:
            while rest:
                written = super().write(rest)
                if written is None:  # Others have made it non-blocking.
                    select.select([], [self], [])
                rest = rest[written or 0 :]
        except OSError as error:
            if self._strict:
                # So that what is left does not fail when the program ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
                if isinstance(error, BrokenPipeError):
                    raise ReaderGone from None
                raise OSError(
                    error.errno, error.strerror, "standard output"
                ) from None
        return len(data)
