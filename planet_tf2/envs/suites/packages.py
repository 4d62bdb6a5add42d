"""Imports the packages that suites need."""

import contextlib
import importlib
import io
from collections.abc import Iterable
from types import ModuleType

from planet_tf2.tools.nearest import did_you_mean


def load(module: str, suite: str, install: str = "") -> ModuleType:
    """Imports a module of a suite's package.

    Args:
      module: Name of the module.
      suite: Name of the suite, and of its extra in `setup.py`.
      install: How to install it, if not by that extra.

    Raises:
      ValueError: It cannot be imported; the message says how to install it.
    """
    try:
        # Classic gym, where it is there, says at length that it is out of date.
        with contextlib.redirect_stderr(io.StringIO()):
            return importlib.import_module(module)
    except ImportError as error:
        command = install or f"pip install -e '.[{suite}]'"
        raise ValueError(
            f"The tasks {suite}:... need the package {module.partition('.')[0]}"
            f", which cannot be imported ({error}). Install it: {command}"
        ) from error


def choose(what: str, value: str, known: Iterable[str]) -> str:
    """Returns the value if it is one of those known.

    Raises:
      ValueError: It is not; the message suggests the nearest.
    """
    known = tuple(known)
    if value not in known:
        hint = did_you_mean(str(value), known)
        raise ValueError(
            f"{what} is {value!r}.{hint} It must be one of {', '.join(known)}."
        )
    return value
