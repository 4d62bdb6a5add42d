"""Agents are found by their names."""

import sys

import pytest

from planet_tf2 import agents


def test_planet_is_the_default():
    assert agents.find() is agents.find("planet") is agents.of_run({})
    assert agents.find().__name__ == "planet_tf2.agents.planet"


def test_own_modules_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_agents").mkdir()
    (tmp_path / "my_agents" / "my_agent.py").write_text("PRESETS = {}")
    (tmp_path / "my_agents" / "broken.py").write_text("import no_such_thing")
    assert agents.of_run({"agent": "my_agents.my_agent"}).PRESETS == {}
    with pytest.raises(ValueError, match="'my_agents.broken'.*no_such_thing"):
        agents.find("my_agents.broken")
    with pytest.raises(ValueError, match="Unknown agent 'my_agents.other'"):
        agents.find("my_agents.other")


def test_misspelt_names_suggest_the_nearest():
    with pytest.raises(ValueError, match=r"'plnet'\. Did you mean 'planet'"):
        agents.find("plnet")
