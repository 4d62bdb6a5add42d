"""The porting notes name tests that exist."""

import ast
import functools
import inspect
import pathlib
import re

import pytest

from planet_tf2 import train as launch

_TESTS = pathlib.Path(__file__).parent
_NOTES = (_TESTS.parent / "docs" / "porting_notes.md").read_text()
_NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", _NOTES)))


@functools.cache
def functions(file):
    tree = ast.parse((_TESTS / file).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("file, name", _NAMED)
def test_named_tests_exist(file, name):
    assert name in functions(file)


def test_every_row_names_a_test():
    rows = re.findall(r"^\| (.*) \|$", _NOTES, re.M)
    rows = [row for row in rows if not row.startswith(("---", "# |"))]
    heads = [row for row in rows if row.endswith("guarded by")]
    notes = [row for row in rows if row not in heads]
    assert len(notes) > 30 and len(_NAMED) > 50
    for row in notes:
        assert re.search(r"`test_\w+\.py::test_\w+`$", row), row


def test_all_defects_are_there():
    """The thirteen that are known of the original."""
    numbers = re.findall(r"^\| (\d+) \|", _NOTES, re.M)
    assert numbers == [str(number) for number in range(1, 14)]


def test_workers_ping_by_default():
    parameters = inspect.signature(launch.train).parameters
    assert parameters["ping_every"].default == 30
    script = (_TESTS.parent / "scripts" / "train.py").read_text()
    assert re.search(r'DEFINE_float\(\s*"ping_every", 30,', script)
