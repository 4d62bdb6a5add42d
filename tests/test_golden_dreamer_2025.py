"""Our numbers against those of the author's DreamerV3 of 2025.

Set PLANET_GOLDEN_DREAMER_2025 to a folder with other files of the same names to
compare with those instead.
"""

import importlib

import pytest
from golden_dreamer_files import (
    FOLDER_2025,
    OURS_2025,
    Golden,
    eager,
    graph,
    names,
)

AREAS = "nets core learn behavior train replay counts".split()

# What checks a file, by its name.
CHECKS = {
    name: check
    for area in AREAS
    for name, check in importlib.import_module(
        f"golden_2025_{area}"
    ).CHECKS.items()
}


@pytest.mark.parametrize("run", [eager, graph])
@pytest.mark.parametrize("name", names(FOLDER_2025))
def test_golden(name, run):
    assert name in CHECKS, f"Nothing checks {name}."
    CHECKS[name](Golden(name, FOLDER_2025), run)


def test_there_are_files():
    """Other folders may have some of them only."""
    found = set(names(FOLDER_2025))
    assert found >= set(CHECKS) or FOLDER_2025 != OURS_2025 and found
