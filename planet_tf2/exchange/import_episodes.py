"""Makes a folder of our episodes out of those of others.

They are played once more, as if a simulator did what they hold, through the
wrappers of every environment: observations get the same names, types and sizes,
numbers are looked at, and the same recorder writes files.
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import tqdm
from gymnasium.wrappers import TransformAction

from planet_tf2 import envs
from planet_tf2.data.recorder import RecordEpisodes
from planet_tf2.data.stored_spaces import OTHERS
from planet_tf2.exchange.sources import Episode, Source
from planet_tf2.tools.files import PARTIAL_SUFFIX, sync_directory

_SIDES = (32, 64, 96, 128)  # Of images, that an agent has networks for.
_SIDE = 64


def import_episodes(
    source: Source,
    out: str | os.PathLike[str],
    image_size: int | None = None,
    held_out: float = 0.0,
    vector_actions: bool = False,
) -> tuple[int, int]:
    """Writes all episodes of a source into a new folder, or none.

    Args:
      source: see `sources.open_source`.
      out: folder that does not exist yet, or is empty.
      image_size: side of the images in pixels; by default that of the source
        if an agent has networks for it, else 64.
      held_out: share of the episodes that goes to `test_episodes` in the
        folder, evenly spread; the others go to `train_episodes` then.
      vector_actions: whether several choices at once become a vector.

    Returns:
      Numbers of the episodes to learn from, and of those that are held out.

    Raises:
      ValueError: the folder is not empty, or an episode cannot be used.
    """
    with replacing_folder(out) as folder:
        played = _Played(source)
        env = _wrap(played, image_size, vector_actions)
        names = ("train_episodes", "test_episodes") if held_out else ("",)
        recorders = [RecordEpisodes(env, folder / name) for name in names]
        counts = [0, 0]
        convert = envs.stored_actions(source.action_space, vector_actions)[1]
        shown = tqdm.tqdm(source.read(True), "reading", disable=None)
        for number, episode in enumerate(shown):
            test = int((number + 1) * held_out) > int(number * held_out)
            played.episode = episode
            try:
                _play(recorders[test], episode, convert)
            except envs.InterfaceError as error:
                raise ValueError(f"{episode.name}: {error}") from error
            counts[test] += 1
        if not counts[0]:
            held = " to learn from, since all are held out" if counts[1] else ""
            raise ValueError(f"{source.place} has no episodes{held}.")
    return counts[0], counts[1]


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Makes a folder that appears whole, when the block ends, or not at all.

    Raises:
      ValueError: there is such a folder already, with something in it.
    """
    path = pathlib.Path(os.path.abspath(path))
    if path.is_file() or path.is_dir() and any(path.iterdir()):
        raise ValueError(f"{path} is there already. Name a new folder.")
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)  # Of a program that was killed.
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_directory(path.parent)


class _Played(gymnasium.Env):
    """Does what an episode holds, whatever it is told."""

    def __init__(self, source: Source):
        self.observation_space = source.observation_space
        self.action_space = source.action_space
        self.episode: Episode | None = None
        self._time = 0

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        self._time = 0
        return _at(self.episode.observations, 0), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        time, episode = self._time, self.episode
        self._time += 1
        ended = bool(episode.terminations[time])
        over = self._time == len(episode.rewards)
        return (
            _at(episode.observations, self._time),
            episode.rewards[time],
            ended and over,
            over and not ended,
            {"terminal": True} if ended else {},
        )


def _wrap(
    played: _Played, image_size: int | None, vector_actions: bool
) -> gymnasium.Env:
    """Adds what every environment of ours has."""
    action_space, _ = envs.stored_actions(played.action_space, vector_actions)
    env = envs.CheckedInterface(played, None)
    observed = env.observation_space.spaces
    taken = OTHERS & {*observed}
    if taken:
        raise ValueError(
            f"An observation is called {min(taken)!r}, a name that episode"
            " files need for something else. Rename the observation."
        )
    if "image" in observed:
        shape = observed["image"].shape
        fits = shape[0] in _SIDES and shape == (shape[0], shape[0], 3)
        side = image_size or (shape[0] if fits else _SIDE)
        env = envs.ImageObservation(env, side)
    env = envs.check_finite(env)
    return TransformAction(env, lambda action: action, action_space)


def _play(env: gymnasium.Env, episode: Episode, convert: Any) -> None:
    steps = len(episode.rewards)
    if not steps or len(episode.actions) < steps:
        raise envs.InterfaceError(
            f"it has {steps} rewards and {len(episode.actions)} actions."
        )
    env.reset()
    for action in episode.actions[:steps]:
        stored = convert(action)
        if not np.isfinite(stored).all():
            raise envs.InterfaceError("it has actions that are not finite.")
        env.step(stored)


def _at(observations: Any, time: int) -> Any:
    """Returns what is observed at a time."""
    if isinstance(observations, dict):
        return {name: _at(part, time) for name, part in observations.items()}
    if isinstance(observations, tuple):
        return tuple(_at(part, time) for part in observations)
    if time >= len(observations):
        raise envs.InterfaceError(
            f"it has {len(observations)} observations, but one more than its "
            "actions is needed."
        )
    return observations[time]
