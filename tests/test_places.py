"""Which line an exception of an environment is put down to."""

import importlib
import sys

import pytest

from planet_tf2.envs.errors import place_of
from planet_tf2.envs.wrappers import resize


def _place(function, *args):
    with pytest.raises(Exception) as caught:
        function(*args)
    return place_of(caught.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("their_module", None)


def test_innermost_function_of_the_user(folder):
    (folder / "their_module.py").write_text(
        "def step():\n    _move()\n\ndef _move():\n    raise OSError\n"
    )
    module = importlib.import_module("their_module")
    assert _place(module.step) == "their_module.py:5, in _move"


@pytest.mark.parametrize(
    "call", ["np.concatenate([])", "json.loads('no')", "np.linalg.inv(7)"]
)
def test_calls_of_libraries_are_where_they_were_called(folder, call):
    (folder / "their_module.py").write_text(
        f"import json\nimport numpy as np\n\ndef step():\n    {call}\n"
    )
    module = importlib.import_module("their_module")
    assert _place(module.step) == "their_module.py:5, in step"


def test_while_a_module_is_imported(folder):
    (folder / "their_module.py").write_text("a = 3\nb = a / 0\n")
    place = _place(importlib.import_module, "their_module")
    assert place == "their_module.py:2, in <module>"


def test_objections_of_this_package(tmp_path):
    assert _place(resize, "no image", 4) == ""
