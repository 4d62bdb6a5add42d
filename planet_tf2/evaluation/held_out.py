"""Episodes that a run did not learn from, to test its model on."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.tools.journal import Journal

RANDOM, AGENT, FRESH, GIVEN = "random", "agent", "fresh", "given"


class HeldOut(NamedTuple):
    """An episode and where it is from.

    Attributes:
      name: name of its file, or what else tells it apart.
      source: `random` (the random policy's), `agent` (the agent's, at the time
        it was collected), `fresh` (the agent's, collected for this) or
        `given` (from a folder that the user named).
      task: name of its task, if known.
      arrays: `image` uint8 `[T+1, H, H, 3]`, `action` float32 `[T+1, A]`,
        `reward` float32 `[T+1]`.
    """

    name: str
    source: str
    task: str | None
    arrays: dict[str, np.ndarray]

    @property
    def length(self) -> int:
        """T, decisions."""
        return len(self.arrays["reward"]) - 1


class EpisodesError(RunFolderError):
    """There are no episodes to test on, or they do not fit the model."""


def load_held_out(
    folder: RunFolder,
    action_size: int,
    amount: int = 20,
    directory: str | os.PathLike[str] | None = None,
    image_size: int = 64,
) -> list[HeldOut]:
    """Loads episodes, the latest and others evenly spread over all there are.

    Args:
      folder: the run's folder; its test episodes are taken.
      action_size: A, entries of an action.
      amount: how many episodes to load, at most.
      directory: a folder to take the episodes from instead.
      image_size: H, side of the images that the model takes.

    Returns:
      The episodes in the order of their collection, at least one.

    Raises:
      EpisodesError: there is none, or they do not fit.
    """
    place = pathlib.Path(directory or folder.test_episodes)
    names = episodes.list_episodes(place)
    if not names:
        raise EpisodesError(f"There are no episodes in {place}.")
    known = {} if directory else known_episodes(folder)
    loaded = []
    for index in _spread(len(names), amount):
        name = names[index]
        try:
            arrays = episodes.load_episode(place / name)
        except episodes.BrokenEpisode as error:
            raise EpisodesError(str(error)) from None
        source, task = known.get(name, (GIVEN, None))
        loaded.append(
            make_held_out(name, source, task, arrays, action_size, image_size)
        )
    return loaded


def make_held_out(
    name: str,
    source: str,
    task: str | None,
    arrays: dict[str, np.ndarray],
    action_size: int,
    image_size: int = 64,
) -> HeldOut:
    """Checks an episode and keeps what is needed of it.

    Raises:
      EpisodesError: it does not fit the model.
    """
    image, action = arrays.get("image"), arrays["action"]
    if image is None or image.dtype != np.uint8:
        found = "none" if image is None else image.dtype
        raise EpisodesError(f"Episode {name} has {found} for uint8 images.")
    expected = [image_size, image_size, 3]
    if list(image.shape[1:]) != expected:
        raise EpisodesError(
            f"Episode {name} has images of {list(image.shape[1:])}, but the "
            f"model takes {expected}."
        )
    if action.shape[1] != action_size:
        raise EpisodesError(
            f"Episode {name} has {action.shape[1]} actions, but the model takes"
            f" {action_size}. It belongs to another task."
        )
    chosen = {
        "image": image,
        "action": action.astype(np.float32),
        "reward": arrays["reward"],
    }
    return HeldOut(name, source, task, chosen)


def by_source(held_out: Sequence[HeldOut]) -> dict[str, list[int]]:
    """Returns the positions of the episodes of every source.

    Of several tasks each has sources of its own.
    """
    several = len({episode.task for episode in held_out}) > 1
    result: dict[str, list[int]] = {}
    for position, episode in enumerate(held_out):
        name = episode.source
        if several:
            name = f"{episode.task or 'unknown task'}, {name}"
        result.setdefault(name, []).append(position)
    return result


def known_episodes(folder: RunFolder) -> dict[str, tuple[str, str]]:
    """Returns source and task of the run's episodes, by the file's name."""
    known: dict[str, tuple[str, str]] = {}
    for record in Journal(folder.metrics):
        if "file" in record:
            known[record["file"]] = _describe(record)
    return known


def _describe(record: dict[str, Any]) -> tuple[str, str]:
    return (RANDOM if record["phase"] == "seed" else AGENT), record["task"]


def _spread(total: int, amount: int) -> list[int]:
    """Chooses positions from the first to the last."""
    if amount < 1:
        raise ValueError(f"episodes must be at least 1, not {amount}.")
    if amount == 1:
        return [total - 1]
    amount = min(amount, total)
    return sorted({int(x) for x in np.linspace(0, total - 1, amount).round()})
