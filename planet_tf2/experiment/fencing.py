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

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.experiment.claims import Claim
from planet_tf2.tools.files import replacing

# Of the names of scratch folders; the id of a claim comes behind.
PREFIX = ".scratch-"


def open_scratch(folder: RunFolder, claim: Claim) -> bool:
    """Makes `folder.scratch` for a new claim, and shuts out earlier ones.

    Args:
      folder: Folder of the run, which this process has claimed.
      claim: Its claim.

    Returns:
      Whether it worked. It does not if another worker took over in turn.

    Raises:
      OSError: The disk is full, say, although the claim still holds.
    """
    former = set(folder.path.glob(f"{PREFIX}*"))
    if not claim.holds():
        return False  # Some of these may belong to a newer claim.
    folder.scratch = folder.path / f"{PREFIX}{claim.id}"
    try:
        folder.scratch.mkdir(exist_ok=True)
        for path in former:
            # Atomic, so that nothing can be written to what is being removed.
            removed = folder.scratch / path.name
            with contextlib.suppress(FileNotFoundError):
                path.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)
        for path in _appended_files(folder) if former else []:
            with (
                open(path, "rb") as old,
                replacing(path, folder.scratch) as new,
            ):
                shutil.copyfileobj(old, new, 2**20)
    except OSError:
        if claim.holds():
            raise
        return False
    return True


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
