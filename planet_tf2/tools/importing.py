"""Things of other modules by their names, as users give them."""

import importlib
import os
import re
import sys
from typing import Any

from planet_tf2.tools.nearest import did_you_mean

_FORM = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_reference(text: str) -> bool:
    """Whether a text has the form `module:name`."""
    return _FORM.fullmatch(text) is not None


def search_current_folder() -> str:
    """Lets modules be imported from the current folder, and returns it.

    It comes last, so that no file in it takes the place of a library.
    """
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
    return folder


def load(reference: str) -> Any:
    """Imports what a text like `my_module:my_function` refers to.

    Modules are also looked for in the current folder.

    Raises:
      ValueError: The text does not have that form, there is no such module, or
        the module has nothing of that name.
    """
    if not is_reference(reference):
        raise ValueError(f"{reference!r} must look like my_module:my_name.")
    module_name, _, name = reference.partition(":")
    folder = search_current_folder()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that it imports in turn may be what is missing.
        raise ValueError(
            f"Cannot import {reference!r}: {error}. Modules are looked for in "
            f"PYTHONPATH, in installed packages and in {folder}."
        ) from error
    if not hasattr(module, name):
        raise ValueError(
            f"Cannot import {reference!r}: {module_name} has nothing called "
            f"{name!r}.{did_you_mean(name, dir(module), 0.7)}"
        )
    return getattr(module, name)
