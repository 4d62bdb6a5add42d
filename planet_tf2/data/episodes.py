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
import re
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from planet_tf2.data.conversion import StepType, fit
from planet_tf2.data.episode_archive import BrokenEpisode, open_archive
from planet_tf2.tools.files import move, replacing, sync_directory

SUFFIX = ".npz"
STAGED_SUFFIX = ".npz.staged"
DAMAGED_SUFFIX = ".damaged"
# No names for observations. In metrics.jsonl, `file` names an episode.
RESERVED_NAMES = {"action", "reward", "is_first", "terminal", "return", "file"}
_REWARD, _FLAG = StepType(np.float32), StepType(np.bool_)
# Where a file has none of these they are made.
_MADE = {"return": _REWARD, "is_first": _FLAG, "terminal": _FLAG}
_OTHER_NAMES = {"terminal": "is_terminal"}  # In files of Dreamer.
# Names that this program gives, with the time in nanoseconds.
_NAME = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "-" + "[0-9a-f]" * 32
_NANOSECONDS = re.compile(r"\d{8}T\d{6}-([0-9a-f]{16})[0-9a-f]{16}")


def episode_name(after: str = "") -> str:
    """Returns a new name: `<YYYYmmddTHHMMSS>-<32 hexadecimal digits>`.

    The time is UTC. The first half of the digits is the time as well, in
    nanoseconds since 1970; the others are random. Therefore names sort in the
    order in which the episodes ended, also within one second, and readers that
    sort them see the same order in every run.

    Args:
      after: A name that it has to sort behind, even if the clock went back.
    """
    now = time.time_ns()
    if earlier := _NANOSECONDS.match(after):
        now = max(now, int(earlier[1], 16) + 1)
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
    # Of values the collector judges, which knows the task.
    forms = {
        key: np.broadcast_to(np.zeros((), array.dtype), array.shape)
        for key, array in episode.items()
    }
    conform(f"Episode {name}", forms)
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
      directory: Existing folder.

    Returns:
      Path of the published file.

    Raises:
      FileNotFoundError: There is neither the staged nor the published file.
    """
    path = pathlib.Path(path)
    name = path.name.removesuffix(STAGED_SUFFIX) + SUFFIX
    target = pathlib.Path(directory) / name
    try:
        move(path, target)
    except FileNotFoundError:
        if not target.exists():
            raise
    sync_directory(target.parent)
    return target


def load_episode(
    path: str | os.PathLike, types: Mapping[str, StepType] | None = None
) -> dict[str, np.ndarray]:
    """Reads an episode, and converts it if it is of another program.

    Args:
      path: Path of the file.
      types: The arrays to read, and what they have to be; `reward` comes with
        them. By default all that hold numbers for every time step.

    Returns:
      The arrays `[T+1, ...]`. Without `types`, `reward` and floats of other
      widths are float32 and `image` is uint8, whatever the file holds; `return`
      float32 `[T+1]` is the reward summed up so far; `is_first` and `terminal`
      bool `[T+1]` are added where the file has none.

    Raises:
      BrokenEpisode: The file cannot be read, or does not hold such an episode.
      DamagedEpisode: It is damaged.
      FileNotFoundError: There is no such file.
      OSError: There is not enough memory.
    """
    with open_archive(path) as arrays:
        return conform(f"Episode file {os.fspath(path)!r}", arrays, types)


def list_episodes(directory: str | os.PathLike) -> list[str]:
    """Returns the names of the published episode files, sorted.

    The names keep their suffix. Files that are staged or being written are left
    out, and so is everything in a folder that does not exist yet.
    """
    paths = pathlib.Path(directory).glob(f"[!.]*{SUFFIX}")
    return sorted(path.name for path in paths)


def list_staged(directory: str | os.PathLike) -> set[str]:
    """Returns the names of the files in a folder that wait for `publish`."""
    found = pathlib.Path(directory).glob(f"{_NAME}{STAGED_SUFFIX}")
    return {path.name for path in found}


def clean_staged(
    directory: str | os.PathLike, kept: Collection[str] = ()
) -> None:
    """Removes staged and half-written files.

    Only for a folder that no worker is writing to.

    Args:
      directory: The folder, which may be missing.
      kept: Names of files to leave alone.
    """
    for path in pathlib.Path(directory).glob(f"{_NAME}{SUFFIX}.*"):
        if path.name not in kept and not path.name.endswith(DAMAGED_SUFFIX):
            path.unlink(missing_ok=True)


def conform(
    name: str,
    entries: Mapping[str, Any],
    types: Mapping[str, StepType] | None = None,
) -> dict[str, np.ndarray]:
    """Returns the arrays of a file or of a dictionary as an episode.

    Args:
      name: what it is called in messages.
      entries: arrays, or what `np.asarray` makes one of, by name.
      types: see `load_episode`, also for what is returned and raised.
    """
    found = {}
    wanted = {"reward": _REWARD, **(types or _types_of(entries))}
    if not {"terminal", "is_terminal"} & {*entries} and "discount" in entries:
        # The first version of Dreamer tells ends by these alone.
        discount = np.asarray(entries["discount"])
        entries = {**entries, "discount": discount, "terminal": discount == 0}
    for key in wanted:
        stored = key if key in entries else _OTHER_NAMES.get(key)
        if key != "return" and stored in entries:
            found[key] = entries[stored]
        elif key not in _MADE:
            raise BrokenEpisode(f"{name} has no {key!r}.")
    steps = (*found["reward"].shape, 0)[0]
    if steps < 2:
        raise BrokenEpisode(f"{name} has no step, but {steps} rewards.")
    made = {
        "is_first": np.arange(steps) == 0,
        "terminal": np.zeros(steps, bool),
    }
    for key, entry in found.items():
        try:
            made[key] = fit(entry, steps, wanted[key])
        except BrokenEpisode:
            raise
        except ValueError as error:
            raise BrokenEpisode(f"{name} has {key!r}, {error}.") from None
    sums = np.cumsum(made["reward"], dtype=np.float64)
    made["return"] = sums.astype(np.float32)
    return {key: made[key] for key in wanted}


def _types_of(entries: Mapping[str, Any]) -> dict[str, StepType]:
    """Returns what to read where nobody says what is needed."""
    types = {"action": _REWARD}
    for key, entry in entries.items():
        if key in _OTHER_NAMES.values():
            continue
        if entry.shape and entry.dtype.kind in "biuf":
            is_whole = entry.dtype.kind in "biu"
            dtype = entry.dtype.newbyteorder("=") if is_whole else np.float32
            dtype = np.uint8 if key == "image" else dtype
            learned = key in ("action", "image")
            types[key] = StepType(dtype, entry.shape[1:], learned)
    return {**types, **_MADE, "reward": _REWARD}
