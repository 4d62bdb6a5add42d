"""Rows of environments in memory, one after the other across episodes.

What an environment returns, resets included, makes a *stream* of *rows*. An
*item* is a sequence that begins anywhere in a stream:

    stream   R o o o o R o o R o o o ...    R: a reset
    items    [- - - - -]
               [- - - - -]                  and so on

All items are drawn with the same probability. If there are too many, the oldest
leave. What was just played can be drawn first, once: the rows of each stream
are cut into items that do not overlap, and these wait in a queue.

A row also holds what an agent wants to be stored of it, its *latents*: at first
those of acting, later those of the last update that saw the row. Rows that are
read from files have zeros.
"""

import collections
import math
from collections.abc import Mapping, Sequence

import numpy as np

from planet_tf2.data.conversion import StepType
from planet_tf2.data.row_store import BLOCK, OldRows, RowStore

Arrays = Mapping[str, np.ndarray]

LOADED = -1  # The stream of episodes that no environment of this run played.
CONTEXT = "context/"  # How the names of latents begin.


class Streams:
    """Holds streams, and draws sequences from them.

    What is drawn follows from the seed and from what there is. Environments
    call it as they do `data.replay.Replay`, their numbers are those of streams.

    Args:
      types: what a row holds, by name: `reward`, `is_first`, and so on.
      length: rows of an item.
      capacity: how many items to hold.
      max_bytes: how many bytes their rows may take, or None.
      latents: what else an agent wants to be stored of rows, by name.
      online: whether items that were just played are drawn first.

    Attributes:
      types: the same.
    """

    def __init__(
        self,
        types: Mapping[str, StepType],
        length: int,
        capacity: float = math.inf,
        max_bytes: int | None = None,
        latents: Mapping[str, StepType] | None = None,
        *,
        online: bool = False,
    ):
        self.types, self._length, self._online = types, length, online
        self._latents = {CONTEXT + k: t for k, t in (latents or {}).items()}
        flag, number = StepType(np.bool_), StepType(np.int64)
        # The clock tells the order of all rows.
        self._drawn = {**types, "is_last": flag, "clock": number}
        self._kinds = {**self._drawn, **self._latents}
        row = sum(
            np.dtype(kind.dtype).itemsize * math.prod(kind.shape)
            for kind in self._kinds.values()
        )
        self._capacity = max(1, min(capacity, (max_bytes or math.inf) // row))
        self._stores: dict[int, RowStore] = {}
        self._running: dict[int, int] = {}  # Where their episodes begin.
        self._queue: collections.deque[tuple[int, int]] = collections.deque()
        self._clock = 0
        self._old: dict[int, OldRows] = {}
        self._resumes: Arrays | None = None

    @property
    def decisions(self) -> int:
        """How many items there are; 1 if there are too few rows for one."""
        too_few = any(s.end - s.begin > 1 for s in self._stores.values())
        return self._total or int(too_few)

    def part_of(self, episode: Arrays) -> Arrays:
        """Returns those arrays of an episode that are in files and held."""
        return {key: episode[key] for key in self.types}

    # What is played.

    def begin(self, number: int, first: Arrays) -> None:
        """Begins an episode by its reset, in the place of a running one."""
        self.drop(number)
        self._running[number] = self._store(number).end
        self.append(number, first)

    def append(self, number: int, step: Arrays) -> None:
        """Adds a row to a running episode."""
        rows = {
            key: np.reshape(step[key], (1, *kind.shape))
            for key, kind in self.types.items()
        }
        self._extend(number, rows, 1)
        row = self._stores[number].end - self._length
        if self._online and row >= 0 and row % self._length == 0:
            self._queue.append((number, row))

    def remember(self, numbers: Sequence[int], latents: Arrays) -> None:
        """Stores latents `[N, ...]`, by name, with the last rows of streams."""
        for place, number in enumerate(numbers):
            store = self._stores[int(number)]
            new = {CONTEXT + k: x[place][None] for k, x in latents.items()}
            store.write(store.end - 1, new)

    def finish(self, number: int) -> None:
        """Makes a running episode a finished one."""
        store = self._stores[number]
        store.write(store.end - 1, {"is_last": np.ones(1, bool)})
        del self._running[number]

    def drop(self, number: int) -> None:
        """Forgets a running episode, if there is one."""
        start = self._running.pop(number, None)
        if start is not None:
            self._stores[number].cut(start)
            self._queue = self._whole(self._queue)

    # What is read from files.

    def add(self, episode: Arrays, number: int = LOADED) -> None:
        """Adds a finished episode, arrays `[T+1, ...]` by name, to a stream."""
        rows, count = dict(self.part_of(episode)), len(episode["reward"])
        rows["is_last"] = np.arange(count) == count - 1
        store, old = self._store(number), self._old.get(number)
        if old is not None:
            left = min(count, max(0, old.begin - old.lost - store.end))
            store.skip(left) if left else None
            rows = {key: array[left:] for key, array in rows.items()}
            count -= left
            rows |= old.rows(store.end, count)
        self._extend(number, rows, count)

    def skip(self, number: int, count: int) -> bool:
        """Passes over an episode of so many rows, if they have all left."""
        store, old = self._store(number), self._old.get(number)
        if old is None or store.end + count + old.lost > old.begin:
            return False
        store.skip(count)
        return True

    def lose(self, number: int, count: int) -> None:
        """Is told that an episode of so many rows cannot be read."""
        if number in self._old:
            self._old[number].lost += count

    # What is learned from.

    def sample(
        self, seed: Sequence[int], size: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Draws sequences.

        Args:
          seed: whole numbers that decide what is drawn.
          size: B, sequences.

        Returns:
          What `at` returns of them, and their places `[B, 3]`: stream, row, and
          the clock of the last row.

        Raises:
          IndexError: there is no decision to learn from.
        """
        random = np.random.default_rng(seed)
        places = [self._draw(random) for _ in range(size)]
        batch, clocks = self._read(places)
        return batch, np.append(places, clocks[:, -1:], 1)

    def at(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the sequences at certain places.

        Where a stream is shorter than a sequence, it starts anew at its end.

        Returns:
          Arrays `[B, length, ...]` by name: `types`, of which `is_first` is
          also true where a sequence begins, and `is_last`, also true before an
          `is_first`. Besides, the latents of first rows, `context/<name>`
          `[B, ...]`.
        """
        return self._read(places[:, :2].tolist())[0]

    def overwrite(self, places: np.ndarray, latents: Arrays) -> None:
        """Stores latents of all rows of sequences but their first.

        Args:
          places: those of `sample`. Where rows have left since, nothing is
            stored.
          latents: arrays `[B, length - 1, ...]` by name.
        """
        for index, (number, row, clock) in enumerate(places.tolist()):
            store, last = self._stores[number], row + self._length - 1
            there = store.begin <= row and last < store.end
            if there and store.read("clock", last, 1)[0] == clock:
                new = {CONTEXT + k: x[index] for k, x in latents.items()}
                store.write(row + 1, new)

    # What checkpoints hold.

    @property
    def packed_kinds(self) -> dict[str, StepType]:
        """What `pack` returns of each row."""
        return {"clock": self._kinds["clock"], **self._latents}

    def pack(self) -> dict[str, np.ndarray]:
        """Returns what is in no file.

        That is the latents of all rows, and 8 bytes for each: 2,088 bytes per
        row where latents are 512 floats and 32 bytes. They lie one behind the
        other as `streams` lists them: number, first row, end, clock of the
        oldest item.
        """
        stores = sorted(self._stores.items())
        table = [(n, s.begin, s.end, self._clock_at(s)) for n, s in stores]
        result = {
            "streams": np.array(table, np.int64).reshape(-1, 4),
            "queue": np.array(self._queue, np.int64).reshape(-1, 2),
            "time": np.array(self._clock),
        }
        for name, kind in self.packed_kinds.items():
            count = sum(s.end - s.begin for _, s in stores)
            array = result[name] = np.empty((count, *kind.shape), kind.dtype)
            for _, s in stores:
                part, array = np.split(array, [s.end - s.begin])
                s.read(name, s.begin, len(part), part)
        return result

    def unpack(self, packed: Arrays, changed: bool = False) -> None:
        """Is told what `pack` returned, before the same rows are added.

        `resume` has to follow when all of them are.

        Args:
          packed: what `pack` returned.
          changed: whether there are other episodes in `LOADED` than there were.
        """
        self._resumes, start = packed, 0
        for number, begin, end, gone in packed["streams"].tolist():
            part = slice(start, start := start + end - begin)
            rows = {name: packed[name][part] for name in self.packed_kinds}
            if number != LOADED or not changed:
                self._old[number] = OldRows(begin, gone, rows)

    def expect(self, count: int) -> None:
        """Is told how many rows `LOADED` is about to get, and no other stream.

        Those that will have left then are not stored.
        """
        first = max(0, count - self._length + 1 - self._capacity)
        self._old[LOADED] = OldRows(int(first // BLOCK * BLOCK))

    def resume(self) -> None:
        """Brings back the latents of running episodes, the queue, the order."""
        if self._resumes is None:
            return
        for number, old in self._old.items():
            store = self._store(number)
            end = store.end
            begin = min(end, max(store.begin, old.begin - old.lost))
            start = max(begin, self._running.get(number, end))
            store.write(start, old.rows(start, end - start))
            clocks = store.read("clock", begin, end - begin)
            store.drop_before(begin + int(np.searchsorted(clocks, old.gone)))
        self._clock = int(self._resumes["time"])
        queue = map(tuple, self._resumes["queue"].tolist())
        self._queue = self._whole(queue)
        self._old, self._resumes = {}, None

    def _store(self, number: int) -> RowStore:
        return self._stores.setdefault(number, RowStore(self._kinds))

    @property
    def _total(self) -> int:
        return sum(map(self._items, self._stores.values()))

    def _items(self, store: RowStore) -> int:
        return max(0, store.end - self._length + 1 - store.first)

    def _clock_at(self, store: RowStore) -> int:
        """Returns the clock of its oldest item, or of the next row."""
        if store.first == store.end:
            return self._clock
        return int(store.read("clock", store.first, 1)[0])

    def _whole(self, queue: Sequence) -> collections.deque[tuple[int, int]]:
        """Returns those of the queue of which all rows are there."""
        return collections.deque(
            (number, row)
            for number, row in queue
            if row + self._length <= self._store(number).end
        )

    def _extend(self, number: int, rows: Arrays, count: int) -> None:
        clock = np.arange(self._clock, self._clock + count)
        self._clock += count
        self._store(number).extend({"clock": clock, **rows}, count)
        while self._resumes is None and self._total > self._capacity:
            stores = filter(self._items, self._stores.values())
            oldest = min(stores, key=self._clock_at)
            oldest.drop_before(oldest.first + 1)

    def _draw(self, random: np.random.Generator) -> tuple[int, int]:
        while self._queue:
            number, row = self._queue.popleft()
            if row >= self._stores[number].begin:
                return number, row
        stores = sorted(self._stores.items())
        ends = np.cumsum([self._items(store) for _, store in stores])
        if not ends.any():  # All are too short; see `at`.
            sizes = {s.end - s.begin: (n, s.begin) for n, s in stores}
            if max(sizes, default=0) < 2:
                raise IndexError("There is no decision to learn from.")
            return sizes[max(sizes)]
        place = random.integers(ends[-1])
        number, store = stores[np.searchsorted(ends, place, "right")]
        last = store.end - self._length
        return number, int(last - (ends[ends > place][0] - 1 - place))

    def _read(
        self, places: Sequence[tuple[int, int]]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns sequences, and the clocks `[B, length]` of their rows."""
        shape = len(places), self._length
        batch = {
            key: np.empty((*shape, *kind.shape), kind.dtype)
            for key, kind in self._drawn.items()
        }
        for index, (number, row) in enumerate(places):
            pieces = self._stores[number].pieces(row, self._length)
            for piece, block, place in pieces:
                for key, array in batch.items():
                    array[index, piece] = block[key][place]
        batch["is_first"][:, 0] = True
        batch["is_last"][:, :-1] |= batch["is_first"][:, 1:]
        for name in self._latents:
            rows = [self._stores[n].read(name, row, 1)[0] for n, row in places]
            batch[name] = np.stack(rows)
        return batch, batch.pop("clock")
