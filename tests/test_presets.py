import pytest

from planet_tf2.agents import resolve
from planet_tf2.agents.planet import PRESET_HELP, PRESETS
from planet_tf2.configs.config_error import ConfigError


def test_debug_is_that_of_the_original():
    collects = [{"after": 10, "every": 10}]
    debug = dict(PRESETS["debug"])
    # The original has no such bound; it never reaches that many.
    epochs = debug["max_steps"] // (debug["train_steps"] + debug["test_steps"])
    assert epochs < debug.pop("loader_max_episodes")
    assert debug == {
        "action_repeat": 50,
        "num_seed_episodes": 1,
        "train_steps": 10,
        "test_steps": 10,
        "max_steps": 500,
        "train_collects": collects,
        "test_collects": collects,
        "model_size": 10,
        "state_size": 5,
        "num_layers": 1,
        "num_units": 10,
        "batch_shape": [5, 10],
        "loader_every": 5,
        "planner_amount": 5,
        "planner_topk": 2,
        "planner_iterations": 2,
        "log_every": 1,
    }


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
