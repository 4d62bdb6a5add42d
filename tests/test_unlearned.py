"""Observations that nobody learns from: what is stored, what is refused."""

import numpy as np
import pytest

from planet_tf2 import agents
from planet_tf2.agents import planet
from planet_tf2.configs import environments
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data.episodes import load_episode
from planet_tf2.training.assemble import shared_interface

_TASK = "custom_tasks:Crowded"


def _params(**more):
    tasks = {"tasks": [_TASK], "action_repeat": 10}
    return agents.resolve("debug", overrides={**tasks, **more})


def _play(params, tmp_path):
    """Returns the names and types of what an episode holds, and the notes."""
    interface = shared_interface(params, planet)
    with environments.open_env(
        params.tasks[0], params, record_dir=str(tmp_path), **interface
    ) as env:
        (episode,) = random_episodes(env, 1, 0)
        arrays = load_episode(episode["path"])
        observed = set(env.observation_space.spaces)
        return {name: arrays[name].dtype for name in observed}, env.notes


def test_only_small_ones_are_stored(tmp_path):
    found, notes = _play(_params(), tmp_path)
    assert found == {"image": np.uint8, "wind": np.float32}
    text = "Not stored unless record_observations names it: "
    assert notes[:2] == [f"{text}map", f"{text}side"]
    found, notes = _play(_params(record_observations=["side", "map"]), tmp_path)
    assert found["side"] == np.uint8 and found["map"] == np.float32
    assert len(notes) == 1


def test_several_tasks(tmp_path):
    """They share what the agent sees, and have all that is asked for."""
    tasks = [_TASK, "custom_tasks:plain"]
    found, _ = _play(_params(tasks=tasks), tmp_path)
    assert set(found) == {"image"}
    params = _params(tasks=tasks, record_observations=["wind"])
    with pytest.raises(ConfigError, match="plain': .*'wind', but"):
        shared_interface(params, planet)


def test_names_that_there_are_not():
    params = _params(record_observations=["maps"])
    with pytest.raises(
        ConfigError, match="'maps', but.* image, wind, map, side"
    ):
        environments.probe(_TASK, params)


def test_numbers_that_are_not_finite():
    """They are refused only where they are learned from."""
    assert agents.learned(planet, _params()) == ["image"]
    params = _params(state_diagnostics=True)
    assert agents.learned(planet, params) is None
    environments.probe(_TASK, params, learned=["image"])
    for names in (None, ["image", "wind"]):
        with pytest.raises(ConfigError, match="'wind' with values"):
            environments.probe(_TASK, params, learned=names)
