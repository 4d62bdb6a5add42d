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
    (tmp_path / "my_agents" / "my_agent.py").write_text("Parameters = 3")
    (tmp_path / "my_agents" / "broken.py").write_text("import no_such_thing")
    assert agents.of_run({"agent": "my_agents.my_agent"}).Parameters == 3
    with pytest.raises(ValueError, match="'my_agents.broken'.*no_such_thing"):
        agents.find("my_agents.broken")
    for name in ("my_agents.other", ".my_agent", "", "my_agents:my_agent"):
        with pytest.raises(ValueError, match=f"Unknown agent '{name}'"):
            agents.find(name)
    with pytest.raises(ValueError, match="'json' is no agent"):
        agents.find("json")


def test_misspelt_names_suggest_the_nearest():
    with pytest.raises(ValueError, match=r"'plnet'\. Did you mean 'planet'"):
        agents.find("plnet")
