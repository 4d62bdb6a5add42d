"""The replay of Dreamer's version 3: streams, cut into files of equal length.

A file `<time>-<id>-<id of the next>-<rows>.npz` holds rows of one environment,
which go on in the next file. An action stands beside the observation that it
*follows*, where ours stands beside the one that it leads to:

    row         0        1         2           3
    is_first    true     false     false       true
    is_last     false    false     true        false
    reward      0        first     second      0
    action      first    second    zeros       first of the next episode
"""

import pathlib
from collections.abc import Iterator, Mapping

import numpy as np

from planet_tf2.data.episode_archive import open_archive
from planet_tf2.data.episodes import list_episodes

Rows = dict[str, np.ndarray]
_ROW = ("is_first", "is_last", "is_terminal", "reward", "action")


def find(directory: pathlib.Path) -> dict[str, tuple[pathlib.Path, str]]:
    """Returns the files in a folder, and the ids of the next ones, by id.

    There are none if any file is of another kind.
    """
    names = list_episodes(directory)
    parts = [name.removesuffix(".npz").split("-") for name in names]
    if any(len(part) != 4 for part in parts):
        return {}
    return {
        part[1]: (directory / name, part[2])
        for name, part in zip(names, parts, strict=True)
    }


def read(
    chunks: Mapping[str, tuple[pathlib.Path, str]],
) -> Iterator[tuple[str, Rows]]:
    """Yields whole episodes as our files hold them, and what to call them.

    Of an episode whose beginning is gone nothing is left; what was still going
    on, or was abandoned, counts as cut off.
    """
    later = {following for _, following in chunks.values()}
    for first in (name for name in chunks if name not in later):
        rows: list[Rows] = []
        for where, piece in _pieces(chunks, first):
            if rows and piece["is_first"][0]:
                yield from _finish(where, rows)
                rows = []
            rows.append(piece)
        if rows:
            yield from _finish(where, rows)


def _pieces(
    chunks: Mapping[str, tuple[pathlib.Path, str]], name: str
) -> Iterator[tuple[str, Rows]]:
    """Yields the rows of a stream, cut where files and episodes begin."""
    while name in chunks:
        path, name = chunks[name]
        where = f"Replay file {str(path)!r}"
        with open_archive(path) as entries:
            for key in _ROW:
                if key not in entries:
                    raise ValueError(f"{where} has no {key!r}.")
            arrays = {
                key: np.asarray(entry)
                for key, entry in entries.items()
                if entry.dtype.kind in "biuf" and "/" not in key
            }
        starts = np.flatnonzero(arrays["is_first"])
        edges = sorted({0, *starts.tolist(), len(arrays["reward"])})
        for begin, end in zip(edges, edges[1:], strict=False):
            yield where, {k: v[begin:end] for k, v in arrays.items()}


def _finish(where: str, rows: list[Rows]) -> Iterator[tuple[str, Rows]]:
    whole = {k: np.concatenate([row[k] for row in rows]) for k in rows[0]}
    if not whole["is_first"][0] or len(whole["reward"]) < 2:
        return
    actions = np.zeros_like(whole["action"])
    actions[1:] = whole["action"][:-1]
    whole["action"] = actions
    whole["reward"][0] = 0
    yield f"An episode in {where[0].lower()}{where[1:]}", whole
