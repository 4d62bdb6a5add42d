"""What stored episodes tell of the environment that they are from."""

import contextlib
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType, one_hots
from planet_tf2.data.episode_archive import BrokenEpisode, open_archive
from planet_tf2.data.episode_cache import EpisodesError

# No observations, also those that other programs store.
OTHERS = {*episodes.RESERVED_NAMES, "discount", "logprob", "is_last"}
OTHERS |= {"is_terminal", "stepid", "consec", "reset"}

Spaces = tuple[spaces.Dict, spaces.Box | spaces.Discrete | spaces.MultiDiscrete]


def read_spaces(directory: pathlib.Path) -> Spaces:
    """Returns how one observes and acts in the episodes of a folder.

    Numbers say nothing of their bounds. Actions are taken for Discrete if all
    are one-hot or whole numbers, and for vectors in -1 to 1 otherwise.

    Raises:
      EpisodesError: there is no usable episode.
    """
    return find_spaces(_archives(directory), directory)


def find_spaces(
    found: Iterable[Mapping[str, Any]], place: str | os.PathLike[str]
) -> Spaces:
    """Returns how one observes and acts in episodes; see `read_spaces`.

    Args:
      found: arrays of each by name, or what `np.asarray` makes one of.
      place: where they are.
    """
    observed, actions, is_one_hot = None, [], True
    for action, shapes in filter(None, map(_look, found)):
        observed = observed or shapes
        if actions and action.shape[1:] != actions[0].shape[1:]:
            continue
        is_one_hot &= action.ndim == 2 and one_hots(action)
        # Bounds and no more, since there may be many.
        actions.append(np.stack([action.min(0), action.max(0)]))
    if observed is None:
        raise EpisodesError(
            f"No usable episodes in {place}. They need 'action' and "
            "'reward' of one length, which is 2 or more."
        )
    found = {name: _as_space(kind) for name, kind in observed.items()}
    most = np.max(actions, (0, 1))
    if is_one_hot:
        action_space = spaces.Discrete(len(most))
    elif actions[0].dtype.kind in "iu":
        action_space = spaces.MultiDiscrete(most + 1)
        if not most.shape:
            action_space = spaces.Discrete(int(most) + 1)
    else:
        action_space = spaces.Box(-1.0, 1.0, most.shape)
    return spaces.Dict(found), action_space


def _archives(directory: pathlib.Path) -> Iterator[Mapping[str, Any]]:
    """Yields the arrays of each file, to be read before the next comes."""
    for name in episodes.list_episodes(directory):
        with contextlib.suppress(BrokenEpisode, FileNotFoundError):
            with open_archive(directory / name) as arrays:
                yield arrays


def _look(
    arrays: Mapping[str, Any],
) -> tuple[np.ndarray, dict[str, StepType]] | None:
    """Returns the actions of an episode, and what it observes."""
    try:
        steps = len(np.asarray(arrays["reward"]))
        action = np.asarray(arrays["action"])
        last = np.zeros(steps, bool)
        if "is_last" in arrays:  # There Dreamer's third version has zeros.
            last = np.asarray(arrays["is_last"]).astype(bool)
    except (BrokenEpisode, KeyError, TypeError):
        return None
    if action.shape[:1] != (steps,) or last.shape != (steps,) or steps < 2:
        return None
    kinds = {
        key: StepType(entry.dtype, entry.shape[1:])
        for key, entry in arrays.items()
        if entry.shape[:1] == (steps,)
        and entry.dtype.kind in "biuf"
        and key not in OTHERS
        and "/" not in key
    }
    return action if last.all() else action[~last], kinds


def _as_space(kind: StepType) -> spaces.Box:
    dtype = np.dtype(kind.dtype)
    if dtype == np.uint8 and len(kind.shape) == 3:
        return spaces.Box(0, 255, kind.shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, kind.shape, np.float32)
