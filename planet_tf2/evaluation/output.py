"""Where results go: never into the folder of a run."""

import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    make_folder,
)
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.journal import encodable


def check_outside(
    path: str | os.PathLike[str], folders: Sequence[RunFolder]
) -> None:
    """Checks that a file to be written is in no run's folder, and no folder.

    Raises:
      RunFolderError: it is.
    """
    place = pathlib.Path(path).resolve()
    if place.is_dir():
        raise RunFolderError(
            f"{path} is a folder. Name a file, such as one in it, with --out."
        )
    for folder in folders:
        if place.is_relative_to(folder.path.resolve()):
            raise RunFolderError(
                f"{path} is in the folder of the run {folder.path}, which "
                "belongs to its training. Write it somewhere else with --out."
            )


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a result for people and programs, whole or not at all.

    Raises:
      RunFolderError: the system does not allow it.
    """
    path = pathlib.Path(path)
    make_folder(path.parent)
    write_atomically(path, json.dumps(encodable(value), indent=1) + "\n")


def file_name(words: Sequence[Any]) -> str:
    """Joins words to the name of a file; tasks may have colons and slashes."""
    return re.sub(r"[^\w.-]+", "-", "-".join(str(word) for word in words))
