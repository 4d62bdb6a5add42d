"""Steps of finished and of running episodes in memory, to draw batches from.

A sequence begins anywhere in an episode, and goes on in others where that ends:

    drawn        episode 7, from step 3 on | episode 2, from its start | ...
    is_first     true  false ...           | true  false ...           |

What is drawn follows from the seed and from what the replay holds; how long it
takes does not depend on how many episodes there are.
"""

import bisect
import math
from collections.abc import Mapping, Sequence

import numpy as np

from planet_tf2.data.conversion import StepType

Episode = Mapping[str, np.ndarray]


class Replay:
    """Holds episodes, and draws sequences from them.

    Args:
      types: what a time step holds, by name: `reward`, `is_first`, and
        whatever else is learned from.
      max_decisions: how many decisions of finished episodes to hold. If there
        are more, the oldest episodes leave, but for the last.
      max_bytes: how many bytes these may take, or None.

    Attributes:
      types: the same.
    """

    def __init__(
        self,
        types: Mapping[str, StepType],
        max_decisions: float = math.inf,
        max_bytes: int | None = None,
    ):
        self.types = types
        self._limits = max_decisions, max_bytes or math.inf
        self._episodes: list[Episode] = []
        # Time steps of all episodes up to here, and those that have left.
        self._ends: list[int] = []
        self._gone, self._first, self._bytes = 0, 0, 0
        self._running: dict[int, _Growing] = {}

    @property
    def decisions(self) -> int:
        """How many of them it holds, of running episodes too."""
        finished = len(self._episodes) - self._first
        running = sum(len(e) - 1 for e in self._running.values())
        return self._finished_steps - finished + running

    def add(self, episode: Episode) -> None:
        """Takes a finished episode, arrays `[T+1, ...]` by name."""
        kept = self.part_of(episode)
        steps = len(kept["reward"])
        if steps < 2:
            raise ValueError("An episode needs at least one decision.")
        self._episodes.append(kept)
        self._ends.append((self._ends or [self._gone])[-1] + steps)
        self._bytes += size_of(kept)
        while len(self._episodes) - self._first > 1 and not self.has_room():
            self._forget_oldest()

    def part_of(self, episode: Episode) -> Episode:
        """Returns those arrays of an episode that it holds."""
        return {key: episode[key] for key in self.types}

    def has_room(self, decisions: int = 0, size: int = 0) -> bool:
        """Whether so many decisions and bytes more stay within its limits."""
        finished = len(self._episodes) - self._first
        decisions += self._finished_steps - finished
        within = decisions <= self._limits[0]
        return within and self._bytes + size <= self._limits[1]

    def begin(self, number: int, first: Mapping[str, np.ndarray]) -> None:
        """Begins an episode by its reset, in the place of a running one.

        Args:
          number: tells the running episodes apart.
          first: the time step, arrays by name.
        """
        self._running[number] = _Growing(self.types)
        self.append(number, first)

    def append(self, number: int, step: Mapping[str, np.ndarray]) -> None:
        """Adds a time step to a running episode."""
        self._running[number].append(step)

    def finish(self, number: int) -> None:
        """Makes a running episode a finished one."""
        self.add(self._running.pop(number).arrays(copy=True))

    def drop(self, number: int) -> None:
        """Forgets a running episode, if there is one."""
        self._running.pop(number, None)

    def sample(
        self, seed: Sequence[int], size: int, length: int
    ) -> dict[str, np.ndarray]:
        """Draws sequences.

        An episode is drawn with a probability proportional to its time steps,
        and the first of these evenly from all but its last.

        Args:
          seed: whole numbers that decide what is drawn.
          size: B, sequences.
          length: T, time steps of each.

        Returns:
          Arrays `[B, T, ...]` by name. `is_first` is also true where a sequence
          begins.

        Raises:
          IndexError: it holds no decision.
        """
        random = np.random.default_rng(seed)
        running = [
            (number, e.arrays()) for number, e in sorted(self._running.items())
        ]
        running = [e for _, e in running if len(e["reward"]) > 1]
        batch = {
            key: np.empty((size, length, *kind.shape), kind.dtype)
            for key, kind in self.types.items()
        }
        for row in range(size):
            end = 0
            while end < length:
                episode = self._draw(random, running)
                steps = len(episode["reward"])
                first = 0 if end else int(random.integers(steps - 1))
                begin, taken = end, min(steps - first, length - end)
                end += taken
                for key, array in episode.items():
                    batch[key][row, begin:end] = array[first : first + taken]
                batch["is_first"][row, begin] = True
        return batch

    @property
    def _finished_steps(self) -> int:
        return self._ends[-1] - self._gone if self._ends else 0

    def _draw(
        self, random: np.random.Generator, running: list[Episode]
    ) -> Episode:
        finished = self._finished_steps
        total = finished + sum(len(e["reward"]) for e in running)
        if not total:
            raise IndexError("There is no decision to learn from.")
        place = int(random.integers(total))
        if place < finished:
            place += self._gone
            return self._episodes[bisect.bisect(self._ends, place, self._first)]
        place -= finished
        for episode in running:
            place -= len(episode["reward"])
            if place < 0:
                break
        return episode

    def _forget_oldest(self) -> None:
        self._gone = self._ends[self._first]
        self._bytes -= size_of(self._episodes[self._first])
        self._episodes[self._first] = {}
        self._first += 1
        if 2 * self._first > len(self._episodes):  # Not each time.
            del self._episodes[: self._first], self._ends[: self._first]
            self._first = 0


class _Growing:
    """An episode to which time steps are added."""

    def __init__(self, types: Mapping[str, StepType]):
        self._types, self._steps = types, 0
        self._arrays = {k: np.empty((0, *t.shape)) for k, t in types.items()}

    def __len__(self) -> int:
        return self._steps

    def append(self, step: Mapping[str, np.ndarray]) -> None:
        if self._steps == len(self._arrays["reward"]):
            size = max(16, 2 * self._steps)
            for key, kind in self._types.items():
                larger = np.empty((size, *kind.shape), kind.dtype)
                larger[: self._steps] = self._arrays[key][: self._steps]
                self._arrays[key] = larger
        for key, kind in self._types.items():
            self._arrays[key][self._steps] = np.reshape(step[key], kind.shape)
        self._steps += 1

    def arrays(self, copy: bool = False) -> Episode:
        found = {k: array[: self._steps] for k, array in self._arrays.items()}
        return {k: x.copy() for k, x in found.items()} if copy else found


def size_of(episode: Episode) -> int:
    """Returns how many bytes an episode takes."""
    return sum(array.nbytes for array in episode.values())
