"""Our numbers against those of the reference of DreamerV3.

Set PLANET_GOLDEN_DREAMER to a folder with other files of the same names to
compare with those instead.
"""

import importlib.util

import pytest
import tensorflow as tf
from golden_dreamer_files import FOLDER, Golden, names

AREAS = ("nets", "world", "behavior", "agent")


def _checks():
    """Returns what checks a file, by its name without what tells it apart."""
    checks = {}
    for area in AREAS:
        module = f"golden_dreamer_{area}"
        if importlib.util.find_spec(module):
            checks |= importlib.import_module(module).CHECKS
    return checks


CHECKS = _checks()


def eager(function):
    return function()


def graph(function):
    return tf.function(function, autograph=False)()


@pytest.mark.parametrize("run", [eager, graph])
@pytest.mark.parametrize("name", names())
def test_golden(name, run):
    if name not in CHECKS:
        pytest.skip(f"Nothing checks {name} yet.")
    CHECKS[name](Golden(name), run)


def test_there_are_files():
    assert names(), FOLDER
