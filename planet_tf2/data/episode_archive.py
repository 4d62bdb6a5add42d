"""NumPy archives of unknown origin: read whole and checked, or refused.

NumPy's own reader takes memory for whatever a file claims, and does not read to
the end of an entry, where `zipfile` checks its sum.
"""

import contextlib
import errno
import math
import os
import stat
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
from numpy.lib import format as npy

LARGEST = 2**31  # Bytes of an array.
_MOST = 1000  # Entries.
_CHUNK = 2**18  # Bytes that stay in a processor's cache.


class BrokenEpisode(ValueError):
    """An episode file that cannot be used; the message names it."""


class DamagedEpisode(BrokenEpisode):
    """It is not as it was written, or was never an archive of arrays."""


@contextlib.contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[dict[str, "Entry"]]:
    """Opens a file of arrays.

    Yields:
      Its arrays by name, which can be read within the block.

    Raises:
      BrokenEpisode: The file cannot be read. Reading an array may say so, too.
      DamagedEpisode: It is damaged.
      FileNotFoundError: There is no such file.
      OSError: There is not enough memory.
    """
    path = os.fspath(path)
    with contextlib.ExitStack() as closing:
        with _reading(path):
            # To open a pipe would take until somebody writes to it.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise OSError(errno.ENOTSUP, "it is no file")
            file = closing.enter_context(open(path, "rb"))
            archive = closing.enter_context(zipfile.ZipFile(file))
            infos = archive.infolist()
            if len(infos) > _MOST:
                raise ValueError(f"{len(infos)} entries, more than {_MOST}")
            # Which `zipfile` does not compare, and may have skipped some.
            file.seek(-22 - len(archive.comment), os.SEEK_END)
            start, amount = struct.unpack("<10sH", file.read(12))
            if start[:4] != b"PK\5\6" or amount != len(infos):
                raise ValueError("its list of entries is not whole")
            entries = {}
            for info in infos:
                # Names stand in two places, and are compared here.
                member = closing.enter_context(archive.open(info))
                name = info.filename.removesuffix(".npy")
                if name in entries:
                    raise ValueError(f"{name!r} is there twice")
                if name != info.filename:
                    entries[name] = Entry(path, member, info.file_size)
        yield entries


class Entry:
    """An array of an archive, whose values are read by `np.asarray`, once.

    Attributes:
      shape, dtype: as of an array.
    """

    def __init__(self, path: str, member: zipfile.ZipExtFile, size: int):
        self._path, self._member = path, member
        version = npy.read_magic(member)
        read = npy.read_array_header_2_0
        if version == (1, 0):
            read = npy.read_array_header_1_0
        self.shape, is_fortran, self.dtype = read(member)
        self._order = "F" if is_fortran else "C"
        self._size = math.prod(self.shape) * self.dtype.itemsize
        fits = member.tell() + self._size == size or self.dtype.hasobject
        if not fits or min(self.shape, default=0) < 0:
            raise ValueError(f"the header of {member.name!r} is wrong")

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self._size > LARGEST:
            raise BrokenEpisode(
                f"Episode file {self._path!r} has {self._size / 1e9:.1f} GB in"
                f" {self._member.name!r}, more than {LARGEST / 1e9:.1f}."
            )
        with _reading(self._path):
            return self._read()

    def _read(self) -> np.ndarray:
        array = np.empty(self.shape, self.dtype, self._order)
        target = memoryview(array.reshape(-1, order="A").view(np.uint8))
        # To the end, where its sum is checked.
        while chunk := self._member.read(_CHUNK):
            target[: len(chunk)] = chunk
            target = target[len(chunk) :]
        if target:
            raise ValueError(f"{self._member.name!r} ends early")
        return array


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turns the many exceptions that a file can cause into a line."""
    try:
        yield
    except (FileNotFoundError, BrokenEpisode):
        raise
    except MemoryError:
        text = os.strerror(errno.ENOMEM)
        raise OSError(errno.ENOMEM, text, path) from None
    except Exception as error:
        # What the system cannot read now may still be whole. Decompressors
        # raise OSErrors without a number, and wrong offsets are invalid.
        outside = isinstance(error, OSError) and error.errno != errno.EINVAL
        damaged = not outside or error.errno is None
        text = getattr(error, "strerror", None) or str(error)
        text = text.encode("unicode_escape").decode()[:200]
        raise (DamagedEpisode if damaged else BrokenEpisode)(
            f"Episode file {path!r} cannot be read"
            f" ({type(error).__name__}: {text})."
        ) from error
