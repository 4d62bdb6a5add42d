"""How this package starts Python programs beside the current one."""

import os
import pathlib
import sys
from collections.abc import Mapping, MutableMapping

PACKAGE_ROOT = pathlib.Path(__file__).resolve().parents[2]

Variables = Mapping[str, str | None]


def child_environ(changes: Variables) -> dict[str, str]:
    """Returns environment variables for a Python child process.

    The child finds modules where this process finds them, in the same order,
    also those beside the program that the user started. Nothing else of that
    program reaches the child; in particular it does not run its main module.

    Args:
      changes: Variables to set, or to remove where the value is None.

    Returns:
      The complete environment of the child.
    """
    paths = [os.path.abspath(path or os.getcwd()) for path in sys.path]
    if str(PACKAGE_ROOT) not in paths:
        paths.append(str(PACKAGE_ROOT))
    environ = dict(os.environ)
    environ["PYTHONPATH"] = os.pathsep.join(paths)
    # Otherwise `python -m` puts the working directory in front of all these.
    environ["PYTHONSAFEPATH"] = "1"
    update_environ(environ, changes)
    return environ


def update_environ(
    environ: MutableMapping[str, str], changes: Variables
) -> None:
    """Sets environment variables, and removes those whose value is None."""
    for name, value in changes.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
