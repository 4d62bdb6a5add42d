"""The table of tasks, and the environments made from it."""

import json
import os
import subprocess
import sys

import pytest

from planet_tf2 import envs
from planet_tf2.configs import tasks
from planet_tf2.configs.tasks import SUITE_TASKS

# Name to domain and task, or id, and action repeat.
_TABLE = {
    "cartpole_balance": ("cartpole", "balance", 8),
    "cartpole_swingup": ("cartpole", "swingup", 8),
    "reacher_easy": ("reacher", "easy", 4),
    "cheetah_run": ("cheetah", "run", 4),
    "finger_spin": ("finger", "spin", 2),
    "cup_catch": ("ball_in_cup", "catch", 4),
    "walker_walk": ("walker", "walk", 2),
    "gym_cheetah": ("", "HalfCheetah-v5", 1),
    "gym_racecar": ("", "CarRacing-v3", 1),
    "dummy": ("", "", 1),
}


def test_table():
    table = {
        name: (task.domain, task.task, task.action_repeat)
        for name, task in tasks.TASKS.items()
    }
    assert table == _TABLE
    for name in _TABLE:
        task = tasks.get_task(name)
        assert task.name == name
        assert task.max_length == 1000
        assert task.renders == (name not in ("dummy", "gym_racecar"))
        assert bool(task.components) == (name not in ("dummy", "gym_racecar"))
        # As in the original, the gym tasks stretch short episodes only.
        assert task.stretched == name.startswith("gym")


def test_all_of_the_control_suite():
    """The table says what the suite says, in a process of its own."""
    program = (
        "import json\n"
        "from dm_control import suite\n"
        "print(json.dumps(suite.ALL_TASKS))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MUJOCO_GL": "off"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [tuple(pair) for pair in json.loads(result.stdout)]
    assert sorted(SUITE_TASKS.values()) == sorted(found)
    assert len(SUITE_TASKS) == len(found)
    for name, (domain, task) in SUITE_TASKS.items():
        assert name == f"{domain}_{task}"


def test_suite_names():
    found = tasks.get_task("dmc:cartpole_three_poles")
    assert (found.domain, found.task) == ("cartpole", "three_poles")
    assert (found.action_repeat, found.max_length) == (8, 1000)
    assert tasks.get_task("dmc:humanoid_CMU_run").action_repeat == 2


@pytest.mark.parametrize(
    "name,kind,task,renders",
    [
        ("gym:Pendulum-v1", tasks.GYMNASIUM, "Pendulum-v1", False),
        ("gym:Ant-v5", tasks.GYMNASIUM, "Ant-v5", True),
        ("gym:ale:ALE/Pong-v5", tasks.GYMNASIUM, "ale:ALE/Pong-v5", None),
        ("classic_gym:A-v0", tasks.CLASSIC_GYM, "A-v0", None),
        ("my_module:my_task", tasks.CUSTOM, "my_module:my_task", None),
    ],
)
def test_families(name, kind, task, renders):
    found = tasks.get_task(name)
    assert (found.name, found.kind, found.task) == (name, kind, task)
    assert found.renders is renders
    assert found.stretched and found.max_length is None
    assert found.action_repeat == 1 and found.action_size is None


@pytest.mark.parametrize(
    "name,words",
    [
        ("cheetah_rum", "Did you mean 'cheetah_run'?"),
        ("unlike anything", "The tasks are cartpole_balance, "),
        (7, "The tasks are"),
        ("dmc:hoper_hop", "Did you mean 'dmc:hopper_hop'?"),
        ("dmc:", "dmc:domain_task"),
        ("gym:", "gym:package:Id-v0"),
        ("Pendulum-v1", "Did you mean 'gym:Pendulum-v1'?"),
        ("gymn:Pendulum-v1", "Did you mean 'gym:Pendulum-v1'?"),
        ("module:", "module:function"),
        ("CarRacing-v2", "Did you mean 'gym:CarRacing-v3'?"),
        ("gym:phys2d/Cartpoles-v0", "Did you mean 'gym:phys2d/CartPole-v1'?"),
        ("dmc:cheetah_walk", "Did you mean 'dmc:cheetah_run'?"),
    ],
)
def test_unknown_task(name, words):
    with pytest.raises(ValueError) as caught:
        tasks.get_task(name)
    assert words in str(caught.value)
    assert f"Unknown task {name!r}" in str(caught.value)


@pytest.mark.parametrize(
    "env_id",
    [
        "Games/Pong-v5",
        "MyGames/Ant-v5",
        "phys/Ant-v5",
        "highway-v0",
        "crafter-v1",
    ],
)
def test_ids_of_packages_that_are_missing(env_id, monkeypatch):
    """No other environment is suggested in their place."""
    monkeypatch.setattr(envs, "plugins", lambda: ())
    with pytest.raises(ValueError) as caught:
        tasks.get_task(f"gym:{env_id}")
    assert "Did you mean" not in str(caught.value)
    assert "gym:package:" in str(caught.value)
