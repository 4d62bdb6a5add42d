"""Keeps workers that lost a run from writing to its folder.

A worker that slept for too long, so that another took over its run, wakes up in
the middle of its work. It checks its claim before it writes, but may have
fallen asleep between the check and the writing. So the new owner puts up a
fence first:

- A file that is replaced as a whole is written in a *scratch folder* that
  belongs to the claim, and renamed to its place (`tools.files.replacing`). The
  new owner removes the scratch folders of earlier claims, so that renaming
  fails.
- A file that is appended to is opened first, and written to after another check
  of the claim. The new owner replaces these files by copies. A worker that
  opened one before has a file without a name in hand, and one that opens it
  afterwards finds that its claim is lost.
"""

import contextlib
import pathlib
import shutil
from collections.abc import Iterable

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.files import replacing

_PREFIX = ".scratch-"


def scratch_folders(folder: RunFolder) -> set[pathlib.Path]:
    """Returns the scratch folders of a run, to be asked for before claiming.

    Those that appear later may belong to a newer claim.
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
    """Makes `folder.scratch` for a new claim, and shuts out earlier ones.

    Args:
      folder: Folder of the run, which this process has claimed.
      claim_id: Its claim.
      scratch: Scratch folders from before it was claimed.
      former_ids: Claims that were taken over.
    """
    folder.scratch = folder.path / f"{_PREFIX}{claim_id}"
    folder.scratch.mkdir(exist_ok=True)
    former = {folder.path / f"{_PREFIX}{former}" for former in former_ids}
    former |= set(scratch)
    if not former:
        return
    for path in former:
        # Atomic, so that nothing can be written to what is being removed.
        removed = folder.scratch / path.name
        with contextlib.suppress(FileNotFoundError):
            path.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)
    for path in _appended_files(folder):
        with open(path, "rb") as old, replacing(path, folder.scratch) as new:
            shutil.copyfileobj(old, new, 2**20)


def close_scratch(folder: RunFolder) -> None:
    """Removes the scratch folder and unfinished files in it."""
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
