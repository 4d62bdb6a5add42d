"""Minecraft, against a stand-in for MineRL: the simulator needs Java 8."""

import sys

import fake_minerl
import numpy as np
import pytest

from planet_tf2.configs import builders
from planet_tf2.envs.suites.minecraft import MILESTONES, Minecraft


@pytest.fixture
def game(monkeypatch):
    return fake_minerl.install(monkeypatch)


def _play(env, names):
    env.reset(seed=3)
    return [env.step(env.action_names.index(name)) for name in names]


def test_actions_and_observations(game):
    env = Minecraft("diamond")
    assert env.action_names == (
        *"noop attack turn_up turn_down turn_left turn_right".split(),
        *"forward back left right jump place_dirt".split(),
        *"craft_planks craft_stick craft_crafting_table".split(),
        *"place_crafting_table place_furnace craft_wooden_pickaxe".split(),
        *"craft_stone_pickaxe craft_iron_pickaxe craft_furnace".split(),
        *"equip_stone_pickaxe equip_wooden_pickaxe".split(),
        *"equip_iron_pickaxe smelt_iron_ingot".split(),
    )
    assert env.action_space.n == 25
    obs, _ = env.reset(seed=3)
    assert obs.keys() == env.observation_space.spaces.keys()
    for name, space in env.observation_space.items():
        assert space.contains(obs[name]), name
    assert obs["health"] == 1 and obs["hunger"] == 0.5 and obs["breath"] == 1
    assert obs["equipped"].sum() == 1


def test_each_milestone_is_rewarded_once(game):
    game.script = (
        {"log2": 2},
        {"log": 1, "diamond": 1},
        {"log": 3},
        {"life": 10},
        {"life": 0},
    )
    env = Minecraft("diamond")
    steps = _play(env, ["attack"] * 5)
    rewards = [reward for _, reward, *_ in steps]
    np.testing.assert_allclose(rewards, [1, 1, 0, -0.005, -0.005])
    assert [terminated for *_, terminated, _, _ in steps] == [False] * 4 + [
        True
    ]
    logs = [float(obs["log_log"][0]) for obs, *_ in steps]
    assert logs == [
        2,
        0,
        2,
        0,
        0,
    ]  # What came, so that the sum means something.
    assert steps[3][0]["inventory_max"].sum() == 4
    assert len(MILESTONES) == 12
    np.testing.assert_allclose(steps[3][0]["obs_reward"], [-0.005])


def test_what_goes_on_from_the_step_before(game):
    env = Minecraft("diamond")
    _play(env, ["jump", "noop", *["turn_up"] * 5, *["noop"] * 5])
    actions = env._game.actions
    assert [a["jump"] for a in actions] == [1] * 10 + [0] * 2
    assert sum(a["camera"][0] for a in actions) == -60
    slow = Minecraft("diamond", break_speed=1)
    _play(slow, ["attack", *["noop"] * 30])
    assert sum(a["attack"] for a in slow._game.actions) == 30
    assert slow._game.spec.start[0].xml_template() == (
        "<BreakSpeedMultiplier>1</BreakSpeedMultiplier>"
    )


@pytest.mark.parametrize("goal,rewards", [("wood", [2, 1]), ("climb", [3, -1])])
def test_other_goals(game, goal, rewards):
    """Defect 13: these can be made."""
    game.script = ({"log": 2, "y": 67.0}, {"log": 3, "y": 66.0})
    env = Minecraft(goal)
    assert env.action_space.n == 12
    assert [step[1] for step in _play(env, ["forward"] * 2)] == rewards


def test_as_a_task(game):
    game.script = ({}, {"error": 1})
    settings = {"break_speed": 10.0, "grayscale": False}
    env = builders.make_env(
        "minecraft:diamond", settings=settings, vector_actions=False
    )
    obs, _ = env.reset(seed=0)
    assert obs["image"].shape == (64, 64, 3) and obs["health"].shape == (1,)
    env.step(0)
    with pytest.raises(RuntimeError, match="Minecraft failed"):
        env.step(0)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "minerl", None)
    with pytest.raises(ValueError, match="minerl.*MineRL 0.4.4.*Java 8"):
        builders.make_env("minecraft:diamond")
