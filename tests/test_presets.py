import pytest

from planet_tf2.agents import resolve
from planet_tf2.agents.planet import PRESET_HELP, PRESETS
from planet_tf2.configs.config_error import ConfigError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_used(name):
    params = resolve(name)
    for key, value in PRESETS[name].items():
        assert params[key] == value
    assert name in PRESET_HELP


@pytest.mark.parametrize("preset", ["default", "debug"])
def test_runs_share_no_lists(preset):
    params = resolve(preset)
    params["batch_shape"].append(3)
    params["train_collects"][0]["every"] = 7
    assert resolve(preset) != params


def test_unknown_preset_suggests_the_nearest():
    with pytest.raises(ConfigError) as caught:
        resolve("debgu")
    message = str(caught.value)
    assert "'debgu'" in message
    assert "Did you mean 'debug'?" in message
    assert "quickstart" in message
