"""Rows in memory, numbered from the first one on, of which the oldest leave."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from planet_tf2.data.conversion import StepType

BLOCK = 1024  # Rows whose memory is taken and given back together.

Block = dict[str, np.ndarray]


class RowStore:
    """Holds the rows from `begin` to `end` of a stream, in blocks.

    Args:
      kinds: what a row holds, by name.

    Attributes:
      begin: the first row that is there.
      first: the first row that is still of use. A block leaves when all rows
        in it are before that.
      end: the row that comes next.
    """

    def __init__(self, kinds: Mapping[str, StepType]):
        self._kinds = kinds
        self._blocks: dict[int, Block] = {}
        self.begin = self.first = self.end = 0

    def extend(self, rows: Mapping[str, np.ndarray], count: int) -> None:
        """Adds rows, arrays `[count, ...]` by name; what is missing is 0.

        Only what is not 0 takes memory.
        """
        start = self.end
        self.end += count
        for number in range(start // BLOCK, -(-self.end // BLOCK)):
            if number not in self._blocks:
                self._blocks[number] = {
                    name: np.zeros((BLOCK, *kind.shape), kind.dtype)
                    for name, kind in self._kinds.items()
                }
        for piece, block, place in self.pieces(start, count):
            for name, array in rows.items():
                block[name][place] = array[piece]

    def skip(self, count: int) -> None:
        """Counts rows that never were here, before there are others."""
        self.begin = self.first = self.end = self.end + count

    def cut(self, end: int) -> None:
        """Takes back all rows from a certain one on."""
        for number in [n for n in self._blocks if n > end // BLOCK]:
            del self._blocks[number]
        for array in self._blocks.get(end // BLOCK, {}).values():
            array[end % BLOCK :] = 0
        self.end = end
        self.first, self.begin = min(self.first, end), min(self.begin, end)

    def drop_before(self, first: int) -> None:
        """Is told that rows before a certain one are of no use any more."""
        self.first = first
        self.begin = max(self.begin, first // BLOCK * BLOCK)
        for number in [n for n in self._blocks if n < first // BLOCK]:
            del self._blocks[number]

    def read(
        self, name: str, row: int, count: int, array: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns an array `[count, ...]`, a copy, or fills one."""
        kind = self._kinds[name]
        if array is None:
            array = np.empty((count, *kind.shape), kind.dtype)
        for piece, block, place in self.pieces(row, count):
            array[piece] = block[name][place]
        return array

    def write(self, row: int, rows: Mapping[str, np.ndarray]) -> None:
        """Overwrites some arrays of rows that are there."""
        for name, array in rows.items():
            for piece, block, place in self.pieces(row, len(array)):
                block[name][place] = array[piece]

    def pieces(
        self, row: int, count: int
    ) -> Iterator[tuple[slice, Block, slice]]:
        """Yields where rows lie, from `begin` on again where there are no more.

        That is, which of the rows, in which block, and where in it.
        """
        done = 0
        while done < count:
            row = self.begin if row == self.end else row
            number, offset = divmod(row, BLOCK)
            length = min(count - done, BLOCK - offset, self.end - row)
            here = slice(offset, offset + length)
            yield slice(done, done + length), self._blocks[number], here
            done, row = done + length, row + length


@dataclasses.dataclass
class OldRows:
    """What is known of a stream from before, to bring it back.

    Attributes:
      begin: the first row that there was.
      gone: the clock of the oldest item.
      packed: arrays of the rows from `begin` on, by name.
      lost: how many rows cannot be read any more.
    """

    begin: int
    gone: int = 0
    packed: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    lost: int = 0

    def rows(self, row: int, count: int) -> Mapping[str, np.ndarray]:
        """Returns what was packed of rows, nothing if not of all of them."""
        first = row + self.lost - self.begin
        found = {k: x[first : first + count] for k, x in self.packed.items()}
        complete = all(len(x) == count for x in found.values())
        return found if first >= 0 and complete else {}
