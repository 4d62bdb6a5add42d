"""Tells where in the code of an environment an exception was raised."""

import pathlib
import sysconfig
import traceback

_OWN = str(pathlib.Path(__file__).resolve().parents[1])
_STANDARD = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_PACKAGES = {"site-packages", "dist-packages"}


def place_of(error: BaseException) -> str:
    """Returns the place of a user's code that an exception leads back to.

    That is the innermost function that is no library's, so that a mistake in a
    call to NumPy is shown where NumPy was called; without any, the innermost
    one of an installed package. What this package itself objects to is in
    nobody's line: '' is returned then.

    Args:
      error: The exception, while its traceback begins in this package.

    Returns:
      For example `my_module.py:70, in step`, or ''.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
    ]
    if not frames or _is_in(frames[-1].filename, _OWN):
        return ""
    others = [
        frame
        for frame in frames
        if not _is_in(frame.filename, _OWN) and not _is_standard(frame.filename)
    ]
    users = [frame for frame in others if not _is_installed(frame.filename)]
    if not others:
        return ""
    frame = (users or others)[-1]
    name = pathlib.Path(frame.filename).name
    return f"{name}:{frame.lineno}, in {frame.name}"


def _is_in(filename: str, folder: str) -> bool:
    return pathlib.Path(filename).is_relative_to(folder)


def _is_installed(filename: str) -> bool:
    return not _PACKAGES.isdisjoint(pathlib.Path(filename).parts)


def _is_standard(filename: str) -> bool:
    return not _is_installed(filename) and any(
        _is_in(filename, folder) for folder in _STANDARD
    )
