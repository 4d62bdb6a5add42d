import collections

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


def test_a_missing_module_further_down(tmp_path, monkeypatch):
    (tmp_path / "outer_module.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="'no_such_module'"):
        importing.load("outer_module:thing")
