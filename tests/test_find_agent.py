"""Agents are found by their names."""

import sys

import pytest
from absl import flags

from planet_tf2 import agents
from planet_tf2.configs import resolve
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.params_text import define_flags

_OWN = """
from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.kinds import Positive

class Parameters(BaseParameters):
    gain: Positive = 3

PRESETS = {"default": {}, "loud": {"gain": 9}}
"""


def test_planet_is_the_default():
    assert agents.find() is agents.find("planet") is agents.of_run({})
    assert agents.find().__name__ == "planet_tf2.agents.planet"


def test_own_modules_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_agents").mkdir()
    (tmp_path / "my_agents" / "my_agent.py").write_text(_OWN)
    (tmp_path / "my_agents" / "broken.py").write_text("import no_such_thing")
    found = agents.of_run({"agent": "my_agents.my_agent"})
    assert found is agents.find("my_agents.my_agent")
    check_parameters(found)
    with pytest.raises(ValueError, match="'my_agents.broken'.*no_such_thing"):
        agents.find("my_agents.broken")
    for name in ("my_agents.other", ".my_agent", "", "my_agents:my_agent"):
        with pytest.raises(ValueError, match=f"Unknown agent '{name}'"):
            agents.find(name)
    with pytest.raises(ValueError, match="'json' is no agent"):
        agents.find("json")


def check_parameters(agent):
    """They are those of the base and its own, and none of PlaNet's."""
    params = agents.resolve("loud", "{test_steps: 7}", agent=agent.__name__)
    assert (params.gain, params.checkpoint_every) == (9, 70)
    assert "free_nats" not in params
    assert resolve.differences(agent, {}, {"gain": 3}) == []
    assert agent.Parameters.explain("gain") == ""
    for text, message in (
        ("{gain: 0}", "'gain' must be an integer of at least 1, not 0"),
        ("{free_nats: 1}", "Unknown parameter 'free_nats'"),
        ("{image_loss_scale: 1}", "Unknown parameter 'image_loss_scale'"),
        ("{num_gpus: 3}", "50 sequences"),
    ):
        with pytest.raises(ConfigError, match=message):
            resolve.resolve(agent, "default", text)
    values = flags.FlagValues()
    define_flags(agent.Parameters, values)
    assert "gain" in values
    assert "planner" not in values


def test_misspelt_names_suggest_the_nearest():
    with pytest.raises(ValueError, match=r"'plnet'\. Did you mean 'planet'"):
        agents.find("plnet")
