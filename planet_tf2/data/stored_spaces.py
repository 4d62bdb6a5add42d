"""What stored episodes tell of the environment that they are from."""

import pathlib
from collections.abc import Iterator

import numpy as np
from gymnasium import spaces

from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType, one_hots
from planet_tf2.data.episode_archive import BrokenEpisode, open_archive
from planet_tf2.data.episode_cache import EpisodesError

# No observations, also those that other programs store.
_OTHERS = {*episodes.RESERVED_NAMES, "discount", "logprob", "is_last"}
_OTHERS |= {"is_terminal"}


def read_spaces(
    directory: pathlib.Path,
) -> tuple[spaces.Dict, spaces.Box | spaces.Discrete | spaces.MultiDiscrete]:
    """Returns how one observes and acts in the episodes of a folder.

    Numbers say nothing of their bounds. Actions are taken for Discrete if all
    are one-hot or whole numbers, and for vectors in -1 to 1 otherwise.

    Raises:
      EpisodesError: there is no usable episode.
    """
    observed, actions, is_one_hot = None, [], True
    for action, shapes in _look(directory):
        observed = observed or shapes
        if actions and action.shape[1:] != actions[0].shape[1:]:
            continue
        is_one_hot &= action.ndim == 2 and one_hots(action)
        # Bounds and no more, since there may be many.
        actions.append(np.stack([action.min(0), action.max(0)]))
    if observed is None:
        raise EpisodesError(
            f"No usable episodes in {directory}. They need 'action' and "
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


def _look(
    directory: pathlib.Path,
) -> Iterator[tuple[np.ndarray, dict[str, StepType]]]:
    """Yields the actions of each episode, and what it observes."""
    for name in episodes.list_episodes(directory):
        try:
            with open_archive(directory / name) as arrays:
                steps = len(np.asarray(arrays["reward"]))
                kinds = {
                    key: StepType(entry.dtype, entry.shape[1:])
                    for key, entry in arrays.items()
                    if entry.shape[:1] == (steps,)
                    and entry.dtype.kind in "biuf"
                    and key not in _OTHERS
                }
                action = np.asarray(arrays["action"])
        except (BrokenEpisode, KeyError, TypeError, FileNotFoundError):
            continue
        if action.shape[:1] == (steps,) and steps > 1:
            yield action, kinds


def _as_space(kind: StepType) -> spaces.Box:
    dtype = np.dtype(kind.dtype)
    if dtype == np.uint8 and len(kind.shape) == 3:
        return spaces.Box(0, 255, kind.shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, kind.shape, np.float32)
