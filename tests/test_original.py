"""docs/original.md names tests that exist, for every difference."""

import ast
import functools
import inspect
import pathlib
import re

import pytest

from planet_tf2 import agents
from planet_tf2.experiment.experiment import Experiment

_TESTS = pathlib.Path(__file__).parent
_NOTES = (_TESTS.parent / "docs" / "original.md").read_text()
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


def test_every_difference_names_a_test():
    notes = _NOTES[_NOTES.index("## Defects") : _NOTES.index("## Weights")]
    rows = re.findall(r"^\| (?!---|# |the original)(.*) \|$", notes, re.M)
    assert len(rows) > 30
    for row in rows:
        assert re.search(r"`test_\w+\.py::test_\w+`$", row), row


def test_workers_ping_by_default():
    parameters = inspect.signature(Experiment).parameters
    assert parameters["ping_every"].default == 30
    script = (_TESTS.parent / "scripts" / "train.py").read_text()
    assert re.search(r'DEFINE_float\(\s*"ping_every",\s*30,', script)


def test_environments_have_processes_by_default():
    assert agents.resolve().isolate_envs == "process"
