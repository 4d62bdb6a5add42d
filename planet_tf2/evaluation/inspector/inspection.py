"""Looks into decisions of a stored episode: what was planned, and why."""

import functools
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from planet_tf2.data import episodes
from planet_tf2.evaluation import held_out
from planet_tf2.evaluation.held_out import EpisodesError, HeldOut
from planet_tf2.evaluation.loading import LoadedRun, imagine
from planet_tf2.evaluation.predictions import Filtered, Predictor, state_at
from planet_tf2.tools import seeds

MAX_DECISIONS = 12

_USUAL = (0.1, 0.5, 0.9)  # Where in the episode to look by default.
# Tells its random numbers from those of other uses.
_USE = 4


class Future(NamedTuple):
    """What a model expects of actions, or what came of them.

    Attributes:
      action: the actions, `[L, ...]`: float32 `[L, A]`, or numbers of choices.
      reward: the reward that follows each of them, float32 `[L]`.
      image: the image that follows each of them, uint8 `[L, H, W, 3]`; None if
        none is predicted.
      vectors: the vectors that follow each of them, `[L, D]`, by name.
    """

    action: np.ndarray
    reward: np.ndarray
    image: np.ndarray | None
    vectors: Mapping[str, np.ndarray] = {}


class Decision(NamedTuple):
    """A decision of an episode.

    Attributes:
      time: its number, from 0: it is made at that frame of the episode.
      trace: how the search for a plan went, arrays `[I, ...]` without the axis
        of the agents, see `agents.planet.planning`; None where the planner
        does not tell.
      planned: what the model expects of the plan, as far as it reaches.
      expected: what it expects of the actions that were taken, as far as plan
        and episode reach.
      happened: what came of them.
      hoped: what else the agent expects of the plan, by name, `[H + 1]`: at the
        decision, and after each action; see `agents.agent.Plan`.
      came: what came instead of what was hoped, as far as that is known: of
        `value` the rewards up to the end of the episode, of `cont` 0 where it
        was over and 1 elsewhere.
    """

    time: int
    trace: Any
    planned: Future
    expected: Future
    happened: Future
    hoped: Mapping[str, np.ndarray] = {}
    came: Mapping[str, np.ndarray] = {}


def inspect(
    run: LoadedRun, episode: HeldOut, times: Sequence[int], seed: int = 0
) -> tuple[Filtered, list[Decision]]:
    """Plans at moments of a stored episode, with the model of a run.

    The model sees the episode up to the decision. Then it plans as the agent
    does, without exploration noise. The plan differs from that of the time the
    episode was collected: the model has learned since, and random numbers are
    others.

    Args:
      run: the loaded run.
      episode: the episode.
      times: the decisions, by their numbers from 0.
      seed: determines all randomness; a whole number of at least 0.

    Returns:
      What the model makes of the episode, frame by frame, and the decisions.
    """
    search = tf.function(run.agent.plan, autograph=False)
    expect = tf.function(functools.partial(imagine, run.agent), autograph=False)
    filtered = Predictor(run, seed).filter(episode)
    decisions = []
    for time in times:
        state = state_at(filtered.states, time)
        search_seed, future_seed = seeds.split(
            seeds.derive(seed, _USE, time), 2
        )
        found = search(state, search_seed)
        trace = found.trace
        if trace is not None:
            trace = tf.nest.map_structure(lambda x: x[:, 0].numpy(), trace)
        plan = found.action[0].numpy()
        hoped = {name: x[0].numpy() for name, x in found.expected.items()}
        happened = _happened(episode, time, len(plan), filtered.others)
        # Both futures have the same noise, so that only the actions differ.
        futures = []
        for action in (plan, happened.action):
            # Always as many, so that the graph is built once.
            padded = np.zeros_like(plan)
            padded[: len(action)] = action
            found = expect(state, tf.constant(padded), future_seed)
            found = {name: x[: len(action)] for name, x in found.items()}
            image, reward, others = run.imagined(found)
            vectors = _vectors(others, happened.vectors)
            futures.append(Future(action, reward, image, vectors))
        came = _came(episode, time, len(plan))
        decisions.append(Decision(time, trace, *futures, happened, hoped, came))
    return filtered, decisions


def _happened(
    episode: HeldOut, time: int, length: int, names: Iterable[str]
) -> Future:
    following = slice(time + 1, time + 1 + length)
    arrays, shown = episode.arrays, episode.shown
    return Future(
        arrays["action"][following],
        arrays["reward"][following],
        shown if shown is None else shown[following],
        _vectors({n: arrays[n][following] for n in names if n in arrays}),
    )


def _vectors(
    arrays: Mapping[str, np.ndarray], names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    chosen = arrays if names is None else names
    return {n: arrays[n].reshape(len(arrays[n]), -1) for n in chosen}


def _came(episode: HeldOut, time: int, length: int) -> dict[str, np.ndarray]:
    """Returns what came of a decision and of the next ones, `[L + 1]`."""
    reward, over = episode.arrays["reward"], episode.arrays.get("terminal")
    sums = np.cumsum(reward[::-1], dtype=np.float64)[::-1]
    # A state's return is of the rewards that follow it.
    came = {"value": np.append(sums[1:], 0.0)[time : time + 1 + length]}
    if over is not None:
        came["cont"] = 1.0 - over[time : time + 1 + length]
    return came


def choose_episode(run: LoadedRun, name: str | None = None) -> HeldOut:
    """Loads a stored episode.

    Args:
      run: the loaded run.
      name: number of a test episode, from 1, or -1 for the last; or the name
        of a file in the run's `test_episodes` or `train_episodes`, or its
        beginning; or a path. By default the latest test episode.

    Raises:
      EpisodesError: there is none, or it does not fit the model.
    """
    path = _find(run, name)
    known = {}
    if path.parent in (run.folder.test_episodes, run.folder.train_episodes):
        known = held_out.known_episodes(run.folder)
    return held_out.load_one(run, path, known)


def choose_decisions(
    length: int, decisions: Sequence[str | int] | None = None
) -> list[int]:
    """Returns the decisions to look into, in the order of time.

    Args:
      length: T, decisions of the episode.
      decisions: numbers from 0 to T - 1; by default three, from its beginning,
        middle and end.

    Raises:
      ValueError: what is given is no number, there is no such decision, or
        there are too many.
    """
    if not decisions:
        return sorted({int(place * (length - 1)) for place in _USUAL})
    words = {str(value).strip() for value in decisions}
    known = {str(time) for time in range(length)}
    if not words <= known or len(words) > MAX_DECISIONS:
        raise ValueError(
            f"decisions is {','.join(map(str, decisions))}, but has to be of "
            f"at most {MAX_DECISIONS} of the episode's, 0 to {length - 1}."
        )
    return sorted(map(int, words))


def _find(run: LoadedRun, name: str | None) -> pathlib.Path:
    tests, trained = run.folder.test_episodes, run.folder.train_episodes
    stored = episodes.list_episodes(tests)
    if name is None or re.fullmatch(r"-?\d{1,7}", name):
        number = -1 if name is None else int(name)
        if not 0 < abs(number) <= len(stored):
            raise EpisodesError(
                f"episode is {name}, but there are {len(stored)} episodes in "
                f"{tests}, with the numbers from 1, or -1 for the last."
            )
        return tests / stored[number if number < 0 else number - 1]
    path = pathlib.Path(name)
    if path.is_file():
        return path
    found = [
        place / file
        for place in (tests, trained)
        for file in episodes.list_episodes(place)
        if file.startswith(name)
    ]
    if len(found) != 1:
        raise EpisodesError(
            f"episode is {name!r}, but there is no such file, and "
            f"{len(found)} episodes in {tests} and {trained} begin with that."
        )
    return found[0]
