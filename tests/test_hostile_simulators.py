"""Simulators that change what belongs to the program, or say too much."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from custom_tasks import Tiny

from planet_tf2.configs import environments
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data import episodes
from planet_tf2.envs import Async, EnvCrash, EnvError

_ACTION = np.zeros(3, np.float32)


class Hostile(Tiny):
    """Does something in its constructor, in `reset` or in every step."""

    max_episode_steps = 4

    def __init__(self, when, action):
        super().__init__()
        self._when, self._action = when, action
        self._act("construct")

    def reset(self, **kwargs):
        self._act("reset")
        return super().reset(**kwargs)

    def step(self, action):
        self._act("step")
        return super().step(action)

    def _act(self, when):
        if when == self._when:
            self._action()


def moves_when_built():
    return Hostile("construct", lambda: os.chdir("/"))


def moves_when_reset():
    return Hostile("reset", lambda: os.chdir("/usr"))


def moves_in_steps():
    return Hostile("step", lambda: os.chdir("/"))


def is_chatty():
    def talk():
        print("a" * 300_000)
        sys.stderr.write("b" * 300_000)
        subprocess.run(["head", "-c", "300000", "/dev/zero"])

    return Hostile("step", talk)


def says_too_much():
    def fail():
        raise OSError("first\n\x1b[31m" + 10_000_000 * "x" + "\nlast")

    return Hostile("step", fail)


def leaves_a_child():
    def fork_and_die():
        if os.fork():
            os._exit(9)
        os.execvp("sleep", ["sleep", "600"])

    return Hostile("step", fork_and_die)


def leaves_a_fork():
    def fork_and_die():
        if os.fork():
            os._exit(9)
        while True:
            os.read(os.pipe()[0], 1)

    return Hostile("step", fork_and_die)


def returns_twice():
    def fork():
        if os.fork() == 0:
            raise ZeroDivisionError("the child's own business")

    return Hostile("step", fork)


def _name(function):
    return f"test_hostile_simulators:{function}"


@pytest.mark.parametrize(
    "function",
    ["moves_when_built", "moves_when_reset", "moves_in_steps", "is_chatty"],
)
def test_episodes_are_where_they_should_be(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with environments.open_env(_name(function), {}, record_dir="some") as env:
        (info,) = random_episodes(env, 1, 0)
    (path,) = (tmp_path / "some").iterdir()
    assert info["path"] == str(path)
    assert len(episodes.load_episode(path)["reward"]) == 5


class Untellable(OSError):
    def __str__(self):
        raise KeyError


def cannot_be_told():
    def fail():
        raise Untellable

    return Hostile("step", fail)


def test_an_exception_without_a_message():
    with environments.open_env(_name("cannot_be_told"), {}) as env:
        env.reset(seed=0)
        with pytest.raises(EnvError, match=r"Untellable: .*failed.* \(test_ho"):
            env.step(_ACTION)


@pytest.mark.parametrize("function", ["leaves_a_child", "leaves_a_fork"])
def test_the_end_of_a_process_is_noticed(function):
    """Without a time limit, though there is still who could answer."""
    with environments.open_env(_name(function), {}) as env:
        env.reset(seed=0)
        with pytest.raises(EnvCrash, match="exit code 9"):
            env.step(_ACTION)


def test_a_fork_answers_nothing():
    with environments.open_env(_name("returns_twice"), {}) as env:
        for seed in range(2):
            env.reset(seed=seed)
            for _ in range(4):
                assert env.step(_ACTION)[1] == 0


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_long_messages_lose_their_middle(isolation, caplog):
    with environments.open_env(
        _name("says_too_much"), {"isolate_envs": isolation}
    ) as env:
        env.reset(seed=0)
        with pytest.raises(EnvError) as caught:
            env.step(_ACTION)
    summary = caught.value.summary
    assert len(summary) < 1000 and summary.isprintable()
    assert summary.startswith("OSError: first [31mxxx")
    assert "last (test_hostile_simulators.py:" in summary
    assert len(caught.value.traceback) > 10_000_000  # For log.txt.
    environments.probe(_name("says_too_much"), {"isolate_envs": isolation})
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(record.getMessage()) < 1500


@pytest.mark.parametrize(
    "program",
    [
        "import argparse\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--host', default='here')\nparser.parse_args()",
        "import sys\nfrom absl import flags\n"
        "flags.DEFINE_string(__name__, '', '')\nflags.FLAGS(sys.argv)",
        "import sys\nassert len(sys.argv) == 1, sys.argv",
    ],
)
@pytest.mark.parametrize("strategy", ["process", "thread", "none"])
def test_modules_that_read_arguments(program, strategy, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--logdir", "x", "3"])
    monkeypatch.syspath_prepend(tmp_path)
    name = f"reads_arguments_{strategy}"
    (tmp_path / f"{name}.py").write_text(
        f"{program}\nfrom custom_tasks import Tiny as make\n"
    )
    with Async(f"{name}:make", {}, strategy, False) as env:
        env.reset(seed=0)
    assert sys.argv == ["train.py", "--logdir", "x", "3"]
    sys.modules.pop(name, None)
