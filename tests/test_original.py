"""Pages on originals name tests that exist, for every difference."""

import ast
import functools
import inspect
import pathlib
import re

import pytest

from planet_tf2 import agents
from planet_tf2.experiment.experiment import Experiment

_TESTS = pathlib.Path(__file__).parent
_DOCS = _TESTS.parent / "docs"
_NOTES = (_DOCS / "original.md").read_text()
_PORTING = (_DOCS / "dreamer_porting.md").read_text()
_NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", _NOTES + _PORTING)


@functools.cache
def functions(file):
    tree = ast.parse((_TESTS / file).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("file, name", sorted(set(_NAMED)))
def test_named_tests_exist(file, name):
    assert name in functions(file)


def test_every_difference_names_a_test():
    notes = _NOTES[_NOTES.index("## Defects") : _NOTES.index("## Weights")]
    rows = re.findall(r"^\| (?!---|# |the original)(.*) \|$", notes, re.M)
    assert len(rows) > 30
    check(rows)


def test_every_defect_of_the_port_of_dreamer_names_a_test():
    rows = re.findall(r"^\| (\d+ .*) \|$", _PORTING, re.M)
    assert [int(row.split()[0]) for row in rows] == list(range(1, 22))
    check(rows)


def test_switches_of_the_port_without_effect(caplog):
    """Defects 5 and 6: `compile` renamed what is in checkpoints."""
    (row,) = re.findall(r"^\| (`compile`.*) \| accepted", _PORTING, re.M)
    names = re.findall(r"`([\w.]+)`", row)
    assert set(names) == set(agents.find("dreamer").Parameters.DEPRECATED)
    text = ", ".join(f"{name}: 1" for name in names)
    params = agents.resolve("default", f"{{{text}}}", agent="dreamer")
    assert params == agents.resolve(agent="dreamer")
    for name in names:
        assert f"Parameter {name!r} has no effect" in caplog.text


def check(rows):
    for row in rows:
        assert re.search(r"`test_\w+\.py::test_\w+`$", row), row


def test_workers_ping_by_default():
    parameters = inspect.signature(Experiment).parameters
    assert parameters["ping_every"].default == 30
    script = (_TESTS.parent / "scripts" / "train.py").read_text()
    assert re.search(r'DEFINE_float\(\s*"ping_every",\s*30,', script)


def test_environments_have_processes_by_default():
    assert agents.resolve().isolate_envs == "process"
