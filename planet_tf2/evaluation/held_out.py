"""Episodes that a run did not learn from, to test its model on."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from planet_tf2.agents.agent import Agent
from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation.frames import beside
from planet_tf2.evaluation.loading import LoadedRun

RANDOM, AGENT, FRESH, GIVEN = "random", "agent", "fresh", "given"


class HeldOut(NamedTuple):
    """An episode and where it is from.

    Attributes:
      name: name of its file, or what else tells it apart.
      source: `random` (the random policy's), `agent` (the agent's, at the time
        it was collected), `fresh` (the agent's, collected for this) or
        `given` (from a folder that the user named).
      task: name of its task, if known.
      arrays: what the agent needs of it, such as `image` uint8
        `[T+1, H, H, 3]`, `action` float32 `[T+1, A]`, `reward` float32
        `[T+1]`.
      images: names of those that are images which it predicts.
    """

    name: str
    source: str
    task: str | None
    arrays: dict[str, np.ndarray]
    images: Sequence[str] = ("image",)

    @property
    def shown(self) -> np.ndarray | None:
        """The images that it predicts as one, uint8 `[T+1, H, W, 3]`."""
        found = [self.arrays[n] for n in self.images if n in self.arrays]
        return beside(found) if found else None

    @property
    def length(self) -> int:
        """T, decisions."""
        return len(self.arrays["reward"]) - 1


class EpisodesError(RunFolderError):
    """There are no episodes to test on, or they do not fit the model."""


def load_held_out(
    run: LoadedRun,
    amount: int = 20,
    directory: str | os.PathLike[str] | None = None,
) -> list[HeldOut]:
    """Loads episodes, the latest and others evenly spread over all there are.

    Args:
      run: the run; its test episodes are taken.
      amount: how many episodes to load, at most; at least 1.
      directory: a folder to take the episodes from instead.

    Raises:
      EpisodesError: there is none, or they do not fit.
    """
    place = pathlib.Path(directory or run.folder.test_episodes)
    names = episodes.list_episodes(place)
    if not names:
        raise EpisodesError(f"There are no episodes in {place}.")
    # The last one is in it, also if it is the only one.
    chosen = np.linspace(len(names) - 1, 0, min(amount, len(names))).round()
    known = {} if directory else known_episodes(run.folder)
    return [
        load_one(run, place / names[int(index)], known)
        for index in sorted(set(chosen))
    ]


def load_one(
    run: LoadedRun, path: pathlib.Path, known: Mapping[str, tuple[str, str]]
) -> HeldOut:
    """Loads an episode, of which `known_episodes` may know where it is from.

    Raises:
      EpisodesError: it cannot be read, or does not fit.
    """
    types = step_types(run.agent)
    try:
        arrays = episodes.load_episode(path, types)
    except (episodes.BrokenEpisode, OSError) as error:
        raise EpisodesError(str(error)) from None
    source, task = known.get(path.name, (GIVEN, None))
    return HeldOut(path.name, source, task, arrays, run.images)


def step_types(agent: Agent) -> dict[str, StepType]:
    """Returns what to load of a time step, by name."""
    spaces = {**agent.observation_space, "action": agent.action_space}
    types = {k: StepType(v.dtype, v.shape) for k, v in spaces.items()}
    if "terminal" in agent.batch_spec:
        types["terminal"] = StepType(bool, ())
    return types


def limit_horizon(
    held_out: Sequence[HeldOut], context: int, horizon: int
) -> int:
    """Returns how many frames of these to predict, at most `horizon`.

    Raises:
      EpisodesError: all episodes are too short.
    """
    longest = max(episode.length + 1 for episode in held_out)
    if longest <= context:
        raise EpisodesError(
            f"The longest episode has {longest} frames, too few for context "
            f"{context}. Lower context, or name other episodes."
        )
    return min(horizon, longest - context)


def by_source(held_out: Sequence[HeldOut]) -> dict[str, list[int]]:
    """Returns the positions of the episodes of every source.

    Of several tasks each has sources of its own.
    """
    several = len({episode.task for episode in held_out}) > 1
    result: dict[str, list[int]] = {}
    for position, episode in enumerate(held_out):
        task = f"{episode.task or 'unknown task'}, " if several else ""
        result.setdefault(task + episode.source, []).append(position)
    return result


def known_episodes(folder: RunFolder) -> dict[str, tuple[str, str]]:
    """Returns source and task of the run's episodes, by the file's name."""
    return {
        record["file"]: (
            RANDOM if record["phase"] == "seed" else AGENT,
            record["task"],
        )
        for record in Metrics(folder.metrics)
        if "file" in record
    }
