"""Stored episodes in place of simulators: where they are, and what suits."""

import math
import pathlib
import types
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium import spaces

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.data.episodes import list_episodes
from planet_tf2.data.stored_spaces import read_spaces

Params = Mapping[str, Any]


def is_offline(agent: types.ModuleType, params: Params) -> bool:
    """Whether everything is learned from stored episodes."""
    return bool(_names(agent, params)[0])


def folders(agent: types.ModuleType, params: Params) -> dict[str, pathlib.Path]:
    """Returns the folders of episodes to learn from and to test with, by split.

    There are none where environments are acted in.

    Raises:
      ConfigError: a folder has no episodes.
    """
    names = _names(agent, params)
    parameters = "offline_traindir", "offline_evaldir"
    found = {}
    splits = ("train", "test")
    for split, name, source in zip(splits, parameters, names, strict=True):
        if not source:
            continue
        found[split] = pathlib.Path(source).expanduser().resolve()
        if not list_episodes(found[split]):
            raise ConfigError(
                f"Parameter {name!r} is {source!r}, a folder without episodes "
                "(*.npz). Name one that has some."
            )
    return found


def interface(
    agent: types.ModuleType, directory: pathlib.Path
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what an agent sees and does in stored episodes.

    Raises:
      ConfigError: it cannot learn from them.
      EpisodesError: there are none.
    """
    observed, action = read_spaces(directory)
    if agent.VECTOR_ACTIONS and isinstance(action, spaces.Discrete):
        action = spaces.Box(-1.0, 1.0, (int(action.n),))
    if agent.VECTOR_ACTIONS and not isinstance(action, spaces.Box):
        raise ConfigError(
            f"The episodes in {directory} have actions {action}, but this agent"
            " acts by vectors. Import them with --vector_actions, or learn with"
            " --agent dreamer."
        )
    missing = set(agent.OBSERVATIONS or ()) - set(observed)
    if missing:
        raise ConfigError(
            f"The episodes in {directory} have no {min(missing)!r}, only "
            f"{', '.join(observed)}. Learn from them with --agent dreamer."
        )
    return observed, action


def image_size(agent: types.ModuleType, params: Params) -> int | None:
    """Returns the side of stored images, None where they are not to be seen.

    Raises:
      ConfigError: they are not square, or not in colors.
    """
    found = folders(agent, params)
    if not found or not params.get("draw_images", True):
        return None
    image = read_spaces(found["train"])[0].get("image")
    if image is None:
        return None
    side = math.isqrt(math.prod(image.shape) // 3)
    if image.shape != (side, side, 3):
        raise ConfigError(
            f"The episodes in {found['train']} have images of shape "
            f"{list(image.shape)}, which are not square. Import them: python "
            "scripts/episodes.py import."
        )
    return side


def _names(agent: types.ModuleType, params: Params) -> tuple[str, str]:
    schedule = agents.schedule(agent, params)
    if schedule:
        return schedule.offline_train, schedule.offline_test
    return params.get("offline_traindir", ""), params.get("offline_evaldir", "")
