"""Keeps workers that lost a run from writing to its folder.

A worker that was asleep for too long, with others taking over, wakes up in the
middle of whatever it was doing. It looks at its claim before it writes
anything, but it may have fallen asleep between the look and the writing. So
whoever takes a run over puts up a fence first:

- What is written as a whole is written in a *scratch folder* that belongs to
  the claim, and renamed to its place (`tools.files.replacing`). The new owner
  removes the scratch folders of earlier claims, and renaming fails.
- What is appended to is opened first, and written to after another look at the
  claim. The new owner has replaced these files by copies, so that whoever
  opened one before has a file without a name in hand, and whoever opens one
  afterwards finds that the claim is lost.
"""

import contextlib
import pathlib
import shutil
from collections.abc import Iterable

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.files import replacing

_PREFIX = ".scratch-"


def scratch_folders(folder: RunFolder) -> set[pathlib.Path]:
    """Returns the scratch folders of a run.

    To be called before claiming: those that appear later may be of somebody who
    has a better claim.
    """
    return set(folder.path.glob(f"{_PREFIX}*"))


def is_scratch(name: str) -> bool:
    """Whether an entry of a run's folder is a scratch folder."""
    return name.startswith(_PREFIX)


def open_scratch(
    folder: RunFolder,
    claim_id: str,
    scratch: Iterable[pathlib.Path] = (),
    former_ids: Iterable[str] = (),
) -> None:
    """Makes the scratch folder of a new claim, and shuts out earlier ones.

    It is `folder.scratch` from then on.

    Args:
      folder: Folder of the run, which this process has claimed.
      claim_id: Its claim.
      scratch: Scratch folders from before it was claimed.
      former_ids: Claims that were taken over.

    Raises:
      OSError: The system does not allow it.
    """
    folder.scratch = folder.path / f"{_PREFIX}{claim_id}"
    folder.scratch.mkdir(exist_ok=True)
    former = {folder.path / f"{_PREFIX}{former}" for former in former_ids}
    former |= set(scratch)
    if not former:
        return
    for path in former:
        # In one go, so that nothing can be written to what is being removed.
        removed = folder.scratch / path.name
        with contextlib.suppress(FileNotFoundError):
            path.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)
    for path in _appended_files(folder):
        with open(path, "rb") as old, replacing(path, folder.scratch) as new:
            shutil.copyfileobj(old, new, 2**20)


def close_scratch(folder: RunFolder) -> None:
    """Removes the scratch folder and what was not finished in it."""
    if folder.scratch is not None:
        shutil.rmtree(folder.scratch, ignore_errors=True)


def _appended_files(folder: RunFolder) -> list[pathlib.Path]:
    """Returns the files that a former owner may have open."""
    files = [folder.metrics, folder.log]
    for directory in (folder.train, folder.test):
        # Each process begins an event file of its own.
        events = list(directory.glob("events.out.tfevents.*"))
        files += sorted(events, key=lambda path: path.stat().st_mtime)[-1:]
    return [path for path in files if path.exists()]
