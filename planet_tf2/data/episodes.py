"""Episode files: one compressed NumPy archive per episode.

A file holds arrays with a common first axis: `action`, `reward`, two flags,
and the observations (images and vectors) by name. An action and a reward stand
beside the observation that they lead to:

    index     0         1         2              T
    image     reset     after 1   after 2   ...  last
    action    zeros     first     second    ...  last
    reward    0         first     second    ...  last
    is_first  true      false     false     ...  false
    terminal  false     false     false     ...  whether the task ended

`action` has the type of the action space: floats `[T+1, ...]` for a Box, whole
numbers `[T+1]` for Discrete and `[T+1, n]` for MultiDiscrete. An episode that a
time limit cut off is not `terminal`. Files without the flags, such as those of
the original, are read as if no episode had ended but by the time limit.

Files appear under their name all at once: they are written beside it, forced
to the disk and renamed, so a reader never sees half an episode, whenever the
writer stops. A *staged* episode, `<name>.npz.staged`, is complete but not yet
part of the collection; `publish` makes it so.
"""

import datetime
import os
import pathlib
import secrets
import time

import numpy as np

from planet_tf2.tools.files import PARTIAL_SUFFIX, replacing, sync_directory

SUFFIX = ".npz"
STAGED_SUFFIX = ".npz.staged"
DAMAGED_SUFFIX = ".damaged"
# No names for observations. In metrics.jsonl, `file` names an episode.
RESERVED_NAMES = {"action", "reward", "is_first", "terminal", "return", "file"}
# What an array must hold: in words, NumPy's kinds of types, numbers of axes.
_FORMS = {
    "action": ("numbers", "fiu", range(1, 32)),
    "reward": ("floats with 1 axis", "f", [1]),
    "is_first": ("booleans with 1 axis", "b", [1]),
    "terminal": ("booleans with 1 axis", "b", [1]),
}


class BrokenEpisode(ValueError):
    """An episode file that cannot be used; the message names it."""


def episode_name() -> str:
    """Returns a new name: `<YYYYmmddTHHMMSS>-<32 hexadecimal digits>`.

    The time is UTC. The first half of the digits is the time as well, in
    nanoseconds since 1970; the others are random. Therefore names sort in the
    order in which the episodes ended, also within one second, and readers that
    sort them see the same order in every run.
    """
    now = time.time_ns()
    moment = datetime.datetime.fromtimestamp(now // 10**9, datetime.UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{now:016x}{secrets.token_hex(8)}"


def save_episode(
    directory: str | os.PathLike,
    episode: dict[str, np.ndarray],
    name: str | None = None,
    staged: bool = False,
) -> pathlib.Path:
    """Writes an episode; the file appears complete or not at all.

    Args:
      directory: Existing folder.
      episode: Arrays `[T+1, ...]` by name: `action`, `reward`, observations,
        and the flags `is_first` and `terminal`, which may be missing.
      name: Name without suffix; a new one by default.
      staged: Whether to leave the episode for `publish`.

    Returns:
      Path of the file.

    Raises:
      BrokenEpisode: The arrays do not form an episode.
      OSError: The file cannot be written.
    """
    name = name or episode_name()
    _validate(f"Episode {name}", episode)
    directory = pathlib.Path(directory)
    path = directory / (name + (STAGED_SUFFIX if staged else SUFFIX))
    with replacing(path) as file:
        np.savez_compressed(file, **episode)
    return path


def publish(
    path: str | os.PathLike, directory: str | os.PathLike
) -> pathlib.Path:
    """Makes a staged episode part of a folder.

    Publishing a second time does nothing.

    Args:
      path: Path that ends in `.npz.staged`.
      directory: Existing folder on the same file system.

    Returns:
      Path of the published file.

    Raises:
      FileNotFoundError: There is neither the staged nor the published file.
    """
    path = pathlib.Path(path)
    name = path.name.removesuffix(STAGED_SUFFIX) + SUFFIX
    target = pathlib.Path(directory) / name
    try:
        os.replace(path, target)
    except FileNotFoundError:
        if not target.exists():
            raise
    sync_directory(target.parent)
    return target


def load_episode(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads an episode.

    Args:
      path: Path of the file.

    Returns:
      The arrays `[T+1, ...]` of the file. `reward` is float32 whatever the file
      holds; `return` float32 `[T+1]` is the reward summed up so far; `is_first`
      and `terminal` bool `[T+1]` are added where the file has none.

    Raises:
      BrokenEpisode: The file is damaged, or does not hold an episode.
      FileNotFoundError: There is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            episode = {key: archive[key] for key in archive.files}
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # NumPy has many kinds for damaged files.
        raise BrokenEpisode(
            f"Episode file {str(path)!r} cannot be read"
            f" ({type(error).__name__}: {error})."
        ) from error
    _validate(f"Episode file {str(path)!r}", episode)
    reward = episode["reward"]
    episode["reward"] = reward.astype(np.float32)
    episode["return"] = np.cumsum(reward, dtype=np.float64).astype(np.float32)
    episode.setdefault("is_first", np.arange(len(reward)) == 0)
    episode.setdefault("terminal", np.zeros(len(reward), bool))
    return episode


def list_episodes(directory: str | os.PathLike) -> list[str]:
    """Returns the names of the published episode files, sorted.

    The names keep their suffix. Files that are staged or being written are left
    out, and so is everything in a folder that does not exist yet.
    """
    paths = pathlib.Path(directory).glob(f"[!.]*{SUFFIX}")
    return sorted(path.name for path in paths)


def clean_staged(directory: str | os.PathLike) -> None:
    """Removes staged and half-written files.

    Only for a folder that no worker is writing to.
    """
    for suffix in (PARTIAL_SUFFIX, STAGED_SUFFIX):
        for path in pathlib.Path(directory).glob(f"*{suffix}"):
            path.unlink(missing_ok=True)


def _validate(name: str, episode: dict[str, np.ndarray]) -> None:
    arrays = {key: np.asarray(array) for key, array in episode.items()}
    for key in ("action", "reward"):
        if key not in arrays:
            raise BrokenEpisode(f"{name} has no {key!r}.")
    lengths = {key: array.shape[:1] for key, array in arrays.items()}
    if len(set(lengths.values())) > 1 or lengths["reward"] < (2,):
        raise BrokenEpisode(
            f"{name} has no step, or arrays of unequal length: {lengths}."
        )
    for key in arrays.keys() & _FORMS:
        (what, kinds, axes), array = _FORMS[key], arrays[key]
        if array.dtype.kind not in kinds or array.ndim not in axes:
            raise BrokenEpisode(
                f"{name} has {array.dtype} {key!r} of shape"
                f" {list(array.shape)}, but it must be {what}."
            )
