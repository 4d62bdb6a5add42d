"""Our numbers against those of the reference of DreamerV3.

Set PLANET_GOLDEN_DREAMER to a folder with other files of the same names to
compare with those instead.
"""

import importlib

import pytest
from golden_dreamer_files import FOLDER, OURS, Golden, eager, graph, names

AREAS = ("nets", "world", "behavior", "agent")


# What checks a file, by its name.
CHECKS = {
    name: check
    for area in AREAS
    for name, check in importlib.import_module(
        f"golden_dreamer_{area}"
    ).CHECKS.items()
}


@pytest.mark.parametrize("run", [eager, graph])
@pytest.mark.parametrize("name", names())
def test_golden(name, run):
    assert name in CHECKS, f"Nothing checks {name}."
    CHECKS[name](Golden(name), run)


def test_there_are_files():
    """Other folders may have some of them only."""
    assert set(names()) >= set(CHECKS) or FOLDER != OURS and names(), FOLDER
