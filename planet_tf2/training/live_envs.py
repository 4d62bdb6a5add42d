"""Environments whose episodes are learned from while they run.

Each may break without the others: its episode is dropped then, and another one
begins in its place. What it takes to play the running episodes again, up to
where they stand, is a few bytes per step, which checkpoints hold: seeds,
actions, rewards, and check sums of the observations.
"""

import dataclasses
import io
import logging
import pathlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from planet_tf2.control.simulate import episode_seed
from planet_tf2.data.replay import Replay
from planet_tf2.data.streams import Streams
from planet_tf2.envs import BatchEnv, EnvError
from planet_tf2.training.collecting import EnvUnreliable

_LOGGER = logging.getLogger(__name__)

_ATTEMPT = 2**32  # Behind the seed of an episode that broke at its reset.


@dataclasses.dataclass
class Running:
    """What it takes to play an episode again."""

    seed: int
    actions: list[np.ndarray] = dataclasses.field(default_factory=list)
    rewards: list[np.float32] = dataclasses.field(default_factory=list)
    sums: list[int] = dataclasses.field(default_factory=list)


class NotRepeated(Exception):
    """A simulator did something else than it did before."""


class LiveEnvs(BatchEnv):
    """Steps several environments, and hands on what they return.

    Where `step` says that an episode is over, it either ended, and `info` has
    an entry `episode` of the recorder, or it broke.

    Args:
      envs: as of `BatchEnv`, recording.
      tasks: their tasks, for messages.
      replay: gets every step; number i is the episode of environment i.
      max_failures: breakdowns in a row after which an environment is given up.
    """

    def __init__(
        self,
        envs: Sequence[Any],
        tasks: Sequence[str],
        replay: Replay | Streams,
        max_failures: int,
    ):
        super().__init__(envs)
        self._tasks, self._replay = tasks, replay
        self._max_failures = max_failures
        self._failures = [0] * len(envs)
        self._running: dict[int, Running] = {}

    def reset(
        self,
        indices: Sequence[int],
        seeds: Sequence[int],
    ) -> dict[str, np.ndarray]:
        """Begins episodes, of those that break at once others.

        Raises:
          EnvUnreliable: one broke too often in a row.
        """
        first = {
            int(index): int(seed)
            for index, seed in zip(indices, seeds, strict=True)
        }
        results, pending = {}, first
        while pending:
            promises = {
                i: _start(self._envs[i].reset, seed=seed, blocking=False)
                for i, seed in pending.items()
            }
            results |= self._answers(promises)
            used, pending = pending, {}
            for index, seed in used.items():
                if index in results:
                    self._begin(index, seed, results[index][0])
                else:
                    attempt = _ATTEMPT + self._failures[index]
                    pending[index] = episode_seed(first[index], attempt)
        return _stack([results[int(index)][0] for index in indices])

    def step(
        self,
        actions: np.ndarray,
        indices: Sequence[int],
    ) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray, list[dict]]:
        """Steps; an episode that breaks is `truncated`, see above.

        Raises:
          EnvUnreliable: one broke too often in a row.
        """
        chosen = [int(index) for index in indices]
        results = self._answers(
            {
                i: _start(self._envs[i].step, action, blocking=False)
                for i, action in zip(chosen, actions, strict=True)
            }
        )
        for index, action in zip(chosen, actions, strict=True):
            if index in results:
                self._append(index, action, results[index])
        broken = self._nothing(), 0.0, False, True, {}
        found = [results.get(index, broken) for index in chosen]
        observ, rewards, terminated, truncated, infos = zip(*found, strict=True)
        return (
            _stack(observ),
            np.array(rewards, np.float32),
            np.array(terminated, bool),
            np.array(truncated, bool),
            list(infos),
        )

    def pack(self) -> bytes:
        """Returns what it takes to play all running episodes again."""
        arrays = {}
        for index, episode in sorted(self._running.items()):
            arrays[f"seed_{index}"] = np.int64(episode.seed)
            arrays[f"action_{index}"] = np.array(episode.actions)
            arrays[f"reward_{index}"] = np.array(episode.rewards, np.float32)
            arrays[f"sum_{index}"] = np.array(episode.sums, np.uint32)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    def play_again(
        self, packed: bytes, pause: Callable[[], None] = lambda: None
    ) -> dict[int, dict[str, np.ndarray]]:
        """Brings running episodes back to where they stood.

        Those that do something else than before are dropped, with a warning.

        Args:
          packed: what `pack` returned.
          pause: called after each step; may raise an exception.

        Returns:
          The last observations, by the environments whose episode is back.
        """
        with np.load(io.BytesIO(packed)) as arrays:
            stored = {
                i: {k: arrays[f"{k}_{i}"] for k in ("action", "reward", "sum")}
                for i in range(len(self))
                if f"seed_{i}" in arrays
            }
            seeds = {i: int(arrays[f"seed_{i}"]) for i in stored}
        last: dict[int, dict[str, np.ndarray]] = {}
        promises = {
            i: _start(self._envs[i].reset, seed=seed, blocking=False)
            for i, seed in seeds.items()
        }
        for time in range(1 + max(map(_length, stored.values()), default=0)):
            for index, promise in promises.items():
                try:
                    result = promise()
                    if time:
                        _check_goes_on(result)
                        action = stored[index]["action"][time - 1]
                        self._append(index, action, result)
                    else:
                        self._begin(index, seeds[index], result[0])
                    self._compare(index, time, stored[index])
                    last[index] = result[0]
                except (EnvError, NotRepeated) as error:
                    self._lose(index, time, stored.pop(index), error)
                    last.pop(index, None)
            pause()
            promises = {
                i: _start(self._envs[i].step, e["action"][time], blocking=False)
                for i, e in stored.items()
                if time < _length(e)
            }
        return last

    def _begin(
        self, index: int, seed: int, observ: Mapping[str, np.ndarray]
    ) -> None:
        self._running[index] = Running(seed, sums=[_check_sum(observ)])
        action = np.zeros(self.action_space.shape, self.action_space.dtype)
        first = {"action": action, "reward": 0.0, "is_first": True}
        self._replay.begin(index, {**observ, **first, "terminal": False})

    def _append(self, index: int, action: Any, result: tuple) -> None:
        observ, reward, terminated, truncated, _ = result
        known = {"action": action, "reward": reward, "is_first": False}
        self._replay.append(index, {**observ, **known, "terminal": terminated})
        if terminated or truncated:
            self._failures[index] = 0
            self._replay.finish(index)
            del self._running[index]
            return
        running = self._running[index]
        running.actions.append(np.array(action))
        running.rewards.append(np.float32(reward))
        running.sums.append(_check_sum(observ))

    def _compare(
        self, index: int, time: int, stored: Mapping[str, np.ndarray]
    ) -> None:
        running = self._running[index]
        if time and running.rewards[-1] != stored["reward"][time - 1]:
            raise NotRepeated("the reward was another one")
        if running.sums[-1] != stored["sum"][time]:
            raise NotRepeated("the observation was another one")

    def _lose(
        self,
        index: int,
        time: int,
        stored: Mapping[str, np.ndarray],
        error: Exception,
    ) -> None:
        _LOGGER.warning(
            "A running episode of %s, of %d decisions so far, is lost: when it"
            " was played again, %s after %d of them. Does the simulator draw"
            " random numbers that do not follow from the seed of reset()?",
            self._tasks[index],
            _length(stored),
            getattr(error, "summary", str(error)).rstrip("."),
            time,
        )
        self._replay.drop(index)
        self._running.pop(index, None)

    def _answers(
        self, promises: Mapping[int, Callable[[], tuple]]
    ) -> dict[int, tuple]:
        """Waits for all; returns the results of those that did not break."""
        results, unreliable = {}, None
        for index, promise in promises.items():
            try:
                results[index] = promise()
            except EnvError as error:
                unreliable = self._break(index, error) or unreliable
        if unreliable is not None:
            raise unreliable
        return results

    def _break(self, index: int, error: EnvError) -> EnvUnreliable | None:
        self._replay.drop(index)
        self._running.pop(index, None)
        self._failures[index] += 1
        task, failures = self._tasks[index], self._failures[index]
        if failures >= self._max_failures:
            return EnvUnreliable(f"playing {task}", failures, error)
        _LOGGER.warning(
            "Dropped a broken episode of %s: %s. Failure %d of at most %d in a"
            " row; starting the environment again.",
            task,
            error.summary.rstrip("."),
            failures,
            self._max_failures,
            extra={"details": error.traceback},
        )
        return None

    def _nothing(self) -> dict[str, np.ndarray]:
        return {
            name: np.zeros(space.shape, space.dtype)
            for name, space in self.observation_space.items()
        }


def _start(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Starts something; what goes wrong already comes with the promise."""
    try:
        return call(*args, **kwargs)
    except EnvError as error:
        failure = error

    def promise() -> None:
        raise failure

    return promise


def _check_goes_on(result: tuple) -> None:
    """Makes sure that an episode is not over, of which nothing is kept."""
    *_, terminated, truncated, info = result
    if terminated or truncated:
        pathlib.Path(info["episode"]["path"]).unlink(missing_ok=True)
        raise NotRepeated("it ended")


def _length(stored: Mapping[str, np.ndarray]) -> int:
    return len(stored["reward"])


def _check_sum(observ: Mapping[str, np.ndarray]) -> int:
    found = 0
    for name in sorted(observ):
        found = zlib.crc32(np.ascontiguousarray(observ[name]), found)
    return found


def _stack(observs: Iterable[Mapping[str, np.ndarray]]) -> dict:
    observs = list(observs)
    return {
        name: np.stack([observ[name] for observ in observs])
        for name in observs[0]
    }
