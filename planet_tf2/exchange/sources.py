"""Stored episodes, wherever they are from, in one form.

a folder of npz   ours, the original PlaNet's, Dreamer's of versions 1 and 2
                  and of its ports; the folder of a run, too
a folder of npz   the replay of Dreamer's version 3, see `replay_chunks`
a Minari data set by its path, or its id in Minari's own folder
an HDF5 file      that `export_episodes` wrote
"""

import dataclasses
import functools
import importlib
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.data.stored_spaces import find_spaces, read_spaces
from planet_tf2.exchange import replay_chunks

_ID = re.compile(r"([\w-]+/)*[\w-]+-v\d+")
_MINARI_FILE = "metadata.json"


class Episode(NamedTuple):
    """What happened, as Minari has it.

    Attributes:
      name: which one it is, for messages.
      observations: array, or dictionary or tuple of such, `[T+1, ...]`; empty
        if nobody asked for them.
      actions: `[T, ...]`.
      rewards: float `[T]`.
      terminations, truncations: bool `[T]`: whether the task ended, or a time
        limit or anything else cut the episode off.
    """

    name: str
    observations: Any
    actions: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray


@dataclasses.dataclass(frozen=True)
class Source:
    """A set of episodes.

    Attributes:
      place: where it is.
      kind: what it is, in words.
      observation_space, action_space: as far as they are known.
      read: yields the episodes, with their observations if asked to.
    """

    place: str
    kind: str
    observation_space: gymnasium.Space
    action_space: gymnasium.Space
    read: Callable[[bool], Iterator[Episode]]


def find_folders(place: str) -> list[str]:
    """Returns the folders of training and test episodes of a run, or `place`.

    `import_episodes` makes such folders without a run, too.
    """
    run = RunFolder(place)
    both = run.train_episodes, run.test_episodes
    return [str(folder) for folder in both if folder.is_dir()] or [place]


def open_source(place: str) -> Source:
    """Finds out what is there, and how to read it.

    Raises:
      ValueError: there are no episodes, or Minari is needed and missing.
    """
    path = pathlib.Path(place)
    for folder in (path, path / "data"):
        if (folder / _MINARI_FILE).is_file():
            return _minari_source(place, folder)
    if path.suffix in (".h5", ".hdf5"):
        return _hdf5_source(path)
    if path.is_dir():
        return _folder_source(path)
    if os.path.lexists(path) or not _ID.fullmatch(place):
        raise ValueError(
            f"{place!r} is neither a folder of episodes nor an HDF5 file "
            "(.hdf5), nor a Minari data set such as pendulum/random-v0."
        )
    storage = load_package("minari.storage.datasets_root_dir", "minari")
    root = storage.get_dataset_path()
    folder = root / place / "data"
    if not folder.is_dir():
        raise ValueError(
            f"Minari has no data set {place!r} in {root}. Fetch it: "
            f"minari download {place}"
        )
    return _minari_source(place, folder)


def load_package(name: str, extra: str) -> ModuleType:
    """Imports a module of a package that only some need.

    Raises:
      ValueError: it is not installed; says how to mend that.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"The package {name.partition('.')[0]} cannot be imported ({error})"
            f". Install it: pip install 'planet_tf2[{extra}]'"
        ) from error


def _minari_source(place: str, folder: pathlib.Path) -> Source:
    minari = load_package("minari", "minari")
    try:
        found = minari.MinariDataset(folder)
    except (OSError, ValueError, KeyError, AssertionError) as error:
        text = f"Minari cannot read {place!r}: {error!r}."
        raise ValueError(text) from error

    def read(everything: bool) -> Iterator[Episode]:
        for number, episode in enumerate(found.iterate_episodes()):
            yield Episode(
                f"Episode {number} of {place!r}",
                episode.observations if everything else {},
                episode.actions,
                np.asarray(episode.rewards, np.float64),
                np.asarray(episode.terminations, bool),
                np.asarray(episode.truncations, bool),
            )

    observed, action = found.observation_space, found.action_space
    return Source(place, "Minari", observed, action, read)


def _folder_source(path: pathlib.Path) -> Source:
    spaces = read_spaces(path)
    chunks = replay_chunks.find(path)
    if not chunks:
        read = functools.partial(_read_files, path, spaces)
        return Source(str(path), "folder", *spaces, read)

    def read_streams(everything: bool) -> Iterator[Episode]:
        # Shapes tell what is a row's, so that all is read.
        for name, arrays in replay_chunks.read(chunks):
            yield _as_episode(name, arrays, spaces, True)

    return Source(str(path), "replay of DreamerV3", *spaces, read_streams)


def _hdf5_source(path: pathlib.Path) -> Source:
    h5py = load_package("h5py", "minari")
    try:
        with h5py.File(path) as file:
            spaces = find_spaces(file.values(), path)
    except OSError as error:
        text = f"{str(path)!r} is no HDF5 file that can be read: {error}."
        raise ValueError(text) from error

    def read(everything: bool) -> Iterator[Episode]:
        with h5py.File(path) as file:
            for name in sorted(file):
                where = f"{name} of {str(path)!r}"
                yield _as_episode(where, file[name], spaces, everything)

    return Source(str(path), "HDF5", *spaces, read)


def _read_files(
    path: pathlib.Path, spaces: tuple, everything: bool
) -> Iterator[Episode]:
    for name in episodes.list_episodes(path):
        with episodes.open_archive(path / name) as arrays:
            where = f"Episode file {str(path / name)!r}"
            yield _as_episode(where, arrays, spaces, everything)


def _as_episode(
    name: str, arrays: Mapping[str, Any], spaces: tuple, everything: bool
) -> Episode:
    """Turns arrays `[T+1, ...]` as our files hold them into an episode."""
    observed, action = spaces
    wanted = {"action": action, **(observed if everything else {})}
    types = {
        key: StepType(space.dtype, space.shape, key in ("action", "image"))
        for key, space in wanted.items()
    }
    types["terminal"] = StepType(np.bool_)
    found = episodes.conform(name, arrays, types)
    ends, cut = found["terminal"][1:], np.zeros(len(found["reward"]) - 1, bool)
    cut[-1] = not ends[-1]
    return Episode(
        name,
        {key: found[key] for key in observed if everything},
        found["action"][1:],
        found["reward"][1:],
        ends,
        cut,
    )
