"""Where results go: never into the folder of a run."""

import csv
import io
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

from planet_tf2.data.run_folder import RunFolder, RunFolderError, make_folder
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.journal import encodable
from planet_tf2.tools.plain_text import one_line


def check_outside(
    path: str | os.PathLike[str], folders: Sequence[RunFolder]
) -> None:
    """Checks that a file can be written and is in no run's folder.

    Leaves nothing behind, so that it can be called before the work is done.

    Raises:
      RunFolderError: it is in the folder of a run, is a folder itself, or the
        system does not allow it.
    """
    place = pathlib.Path(path).resolve()
    if place.is_dir():
        raise RunFolderError(
            f"{path} is a folder. Name a file, such as one in it."
        )
    for folder in folders:
        if place.is_relative_to(folder.path.resolve()):
            raise RunFolderError(
                f"{path} is in the folder of the run {folder.path}, which "
                "belongs to its training. Write it somewhere else."
            )
    existing = next(p for p in place.parents if p.exists())
    try:
        # Permissions alone do not tell, those of /proc for example.
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise RunFolderError(
            f"Cannot write {path}: no file can be made in {existing} "
            f"({error.strerror}). Write it somewhere else."
        ) from None


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a result for people and programs, whole or not at all."""
    path = pathlib.Path(path)
    make_folder(path.parent)
    write_atomically(path, json.dumps(encodable(value), indent=1) + "\n")


def csv_text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Writes a table as CSV, with the names of its columns first."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


def file_name(words: Sequence[Any]) -> str:
    """Joins words to the name of a file; tasks may be long and have slashes."""
    name = one_line("-".join(str(word) for word in words), 160)
    return re.sub(r"[^\w.-]+", "-", name)
