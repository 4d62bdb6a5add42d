"""Environments that users write: how they are found, called and checked."""

import logging
import re
import sys

import numpy as np
import pytest
from custom_tasks import Tiny
from gymnasium import spaces

from planet_tf2.configs import builders, environments
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.envs import EnvError
from planet_tf2.envs.custom_env import make_custom
from planet_tf2.train import train

_ARGUMENTS = {"image_size": 32, "camera_id": 0}


def _name(function):
    return f"custom_tasks:{function}"


class TestFunction:
    @pytest.mark.parametrize("function", ["sized", "all_of_them", "Tiny"])
    def test_gets_what_it_asks_for(self, function):
        env = make_custom(_name(function), _ARGUMENTS)
        assert isinstance(env, Tiny)
        assert env.observation_space.shape == (32, 32, 3)

    @pytest.mark.parametrize(
        "function,message",
        [
            ("returns_nothing", "returned nothing. Did you forget the return"),
            ("returns_the_class", r"returned the class Tiny. Call it: Tiny\("),
            ("without_signature", "it returned dict, which has no reset"),
            ("not_callable", r"\{'name': 'wrong'\} is no function"),
            ("Tinny", "Did you mean 'Tiny'?"),
        ],
    )
    def test_errors(self, function, message):
        with pytest.raises(ValueError, match=message):
            make_custom(_name(function), _ARGUMENTS)


@pytest.mark.parametrize(
    "function,kind",
    [
        ("gymnasium_vector", "environments"),
        ("Several?num_envs=2", "environments"),
        ("Several?num=2&ob_space=Tensor", "environments"),
        ("batched", "environments"),
        ("Several?possible_agents=[left, right]", "agents"),
    ],
)
def test_several_at_once(function, kind):
    with pytest.raises(ConfigError) as caught:
        environments.probe(_name(function), {"isolate_envs": "none"})
    assert f"is several {kind} at once: hand in one" in str(caught.value)
    assert "batch_size in train_collects" in str(caught.value)
    assert repr(_name(function)) in str(caught.value)


def test_spaces_of_classic_gym():
    """In an environment of Gymnasium, where they are told by name."""
    _, action = environments.task_spaces(_name("old_spaces"), {}, False)
    assert action == spaces.Discrete(4, start=1)


@pytest.mark.parametrize("place", ["current folder", "PYTHONPATH"])
def test_worker_finds_the_module(tmp_path, place, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    if place == "PYTHONPATH":
        # As Python does with the variable when it starts.
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.chdir(tmp_path)
    (tmp_path / "helper_of_it.py").write_text("from custom_tasks import Tiny")
    (tmp_path / "somewhere_else.py").write_text(
        "import helper_of_it\n"
        "def make(image_size):\n"
        "    return helper_of_it.Tiny(image_size)\n"
    )
    with environments.open_env("somewhere_else:make", {}) as env:
        obs, _ = env.reset(seed=0)
    assert obs["image"].shape == (64, 64, 3)


class TestEnvironment:
    @pytest.mark.parametrize(
        "kwargs,decisions",
        [
            ({}, 30),
            ({"action_repeat": 7}, 4),
            ({"max_length": 20}, 20),
            ({"action_repeat": 7, "min_length": 6}, 6),
        ],
    )
    def test_length(self, kwargs, decisions, tmp_path):
        env = builders.make_env(
            _name("plain"), image_size=8, record_dir=tmp_path, **kwargs
        )
        env.reset(seed=0)
        done, amount = False, 0
        while not done:
            _, _, _, done, info = env.step(np.zeros(3, np.float32))
            amount += 1
        assert amount == decisions == info["episode"]["length"]
        repeat = kwargs.get("action_repeat", 1)
        played = min(decisions, kwargs.get("max_length", 30) // repeat or 1)
        assert info["episode"]["simulator_steps"] == played * repeat

    def test_spaces(self):
        _, action = environments.task_spaces(_name("plain"), {})
        assert action == spaces.Box(-1, 1, (3,), np.float32)
        _, action = environments.task_spaces(_name("plain"), {}, False)
        assert action == spaces.Discrete(3)
        params = {"image_size": 16}
        observation, action = environments.task_spaces("cheetah_run", params)
        assert observation["image"].shape == (16, 16, 3)
        assert action.shape == (6,)


def test_exceptions_of_the_function_are_shown(tmp_path, caplog):
    """With the place where they were raised, as there is no FAIL file yet."""
    overrides = {"tasks": ["custom_tasks:raises"]}
    with pytest.raises(EnvError, match="ZeroDivisionError") as caught:
        train(str(tmp_path / "logs"), "debug", overrides=overrides)
    assert not (tmp_path / "logs").exists()
    assert re.fullmatch(
        "Task 'custom_tasks:raises': ZeroDivisionError: division by zero"
        r" \(custom_tasks.py:\d+, in raises\)",
        caught.value.summary,
    )
    assert str(caught.value).startswith("Task 'custom_tasks:raises': ")
    assert "the environment of custom_tasks:raises" in caplog.text
    assert "return 1 / 0" in caplog.text


@pytest.mark.parametrize(
    "task,message",
    [
        ("no_such_module:make", "No module named 'no_such_module'"),
        (_name("returns_a_blind_one"), "Tiny cannot be seen"),
        (_name("three_values"), r"step\(\) returned a tuple of 3"),
        (_name("reserved_name"), "called 'reward', a name that episode files"),
    ],
)
def test_nothing_is_written_for_a_task_that_cannot_work(
    task, message, tmp_path
):
    overrides = {"tasks": [task], "isolate_envs": "none"}
    with pytest.raises(ConfigError, match=message) as caught:
        train(str(tmp_path / "logs"), "debug", overrides=overrides)
    assert repr(task) in str(caught.value)
    assert "Error: " not in str(caught.value)
    assert not (tmp_path / "logs").exists()


def _mistake(act, when="step"):
    return f"custom_tasks:Mistaken?act={act}&when={when}"


@pytest.mark.parametrize(
    "task,message",
    [
        (_mistake("look up"), r"KeyError: 'camera'"),
        (_mistake("leave open"), "NotImplementedError"),
        (_mistake("misspell", "reset"), r"TypeError: .*'sead'"),
        (_mistake("convert"), "ValueError: could not"),
        (_mistake("give up"), "RuntimeError: odd"),
        (_mistake("leave"), "SystemExit: 2"),
        (_mistake("lack"), "DependencyNotInstalled: pygame"),
        (_mistake("divide"), "ZeroDivisionError: .*"),
        (_name("wrong_constructor"), "unexpected keyword argument 'size'"),
        # Gymnasium raises it again, in a file of its own.
        ("gym:custom_tasks:Wrong-v0", "'size'"),
    ],
)
@pytest.mark.parametrize("isolation", ["none", "process"])
def test_mistakes_are_told_before_there_is_a_run(task, message, isolation):
    message += r".* \(custom_tasks.py:\d+, in "
    with pytest.raises(ConfigError, match=message) as caught:
        environments.probe(task, {"isolate_envs": isolation})
    assert str(caught.value).startswith(f"Task {task!r}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_who_exits_is_named(isolation):
    with pytest.raises(EnvError, match=r"SystemExit: no licence \(custom_task"):
        task = _mistake("exit", "construct")
        environments.probe(task, {"isolate_envs": isolation})


def test_what_goes_wrong_once_is_bad_luck(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("UNLUCKY", str(tmp_path / "broke"))
    environments.probe(_name("Unlucky"), {})
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert re.search(r"ValueError: .*tasks.py:\d+, in step", record.message)


@pytest.mark.parametrize(
    "act,isolation,message",
    [
        ("raise", "none", r"gone \(custom_tasks.py:\d+, in fail\)"),
        ("crash", "process", "ended with exit code 3"),
        ("hang", "thread", "no answer within 0.5 seconds"),
    ],
)
def test_a_simulator_that_breaks_is_no_mistake(act, isolation, message, caplog):
    """It may have a bad day; whoever collects episodes will see."""
    params = {"isolate_envs": isolation, "env_timeout_seconds": 0.5}
    environments.probe(_mistake(act), params)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"Task {_mistake(act)!r}: " in record.message
    assert re.search(message, record.message)
