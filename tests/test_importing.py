import collections
import sys

import pytest

from planet_tf2.tools import importing


def test_load():
    assert importing.load("collections:Counter") is collections.Counter
    assert importing.load("collections.abc:Mapping") is collections.abc.Mapping


@pytest.mark.parametrize(
    "text", ["reward", "a:", ":b", "a:b:c", "a b:c", "a:b.c", "1:b", "a:2", ""]
)
def test_form(text):
    assert not importing.is_reference(text)
    with pytest.raises(ValueError, match="must look like my_module:my_name"):
        importing.load(text)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="'no_such_module'.*PYTHONPATH"):
        importing.load("no_such_module:thing")
    with pytest.raises(ValueError, match="nothing called 'counter'"):
        importing.load("collections:counter")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, which is not on the path of modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert str(tmp_path) not in sys.path
    return tmp_path


def test_modules_in_the_current_folder(folder):
    (folder / "module_right_here.py").write_text("thing = 3\n")
    assert importing.load("module_right_here:thing") == 3


def test_the_current_folder_comes_last(folder):
    (folder / "json.py").write_text("raise OSError")
    importing.search_current_folder()
    importing.search_current_folder()
    assert sys.path.count(str(folder)) == 1 and sys.path[-1] == str(folder)


def test_a_missing_module_further_down(tmp_path, monkeypatch):
    (tmp_path / "outer_module.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="'no_such_module'"):
        importing.load("outer_module:thing")
