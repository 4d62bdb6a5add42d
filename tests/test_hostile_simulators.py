"""Simulators that change what belongs to the program, or say too much."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from custom_tasks import Mistaken, fail

from planet_tf2.configs import environments
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data import episodes
from planet_tf2.envs import Async, EnvCrash, EnvError

_ACTION = np.zeros(3, np.float32)


def talk():
    print("a" * 300_000)
    sys.stderr.write("b" * 300_000)
    subprocess.run(["head", "-c", "300000", "/dev/zero"])


def leave(child):
    if os.fork():
        os._exit(9)
    child()


def fork():
    if os.fork() == 0:
        raise ZeroDivisionError("the child's own business")


class Untellable(OSError):
    def __str__(self):
        raise KeyError


LONG = "first\n\x1b[31m" + 10_000_000 * "x" + "\nlast"


class Hostile(Mistaken):
    acts = {
        "move": lambda: os.chdir("/"),
        "talk": talk,
        "fork": fork,
        "leave a fork": lambda: leave(signal.pause),
        "leave a program": lambda: leave(
            lambda: os.execvp("sleep", ["sleep", "600"])
        ),
        "say too much": lambda: fail(OSError(LONG)),
        "say nothing": lambda: fail(Untellable()),
    }


def _open(act, when="step", **kwargs):
    task = f"test_hostile_simulators:Hostile?act={act}&when={when}"
    return environments.open_env(task, {}, **kwargs)


@pytest.mark.parametrize(
    "act,when",
    [("move", "construct"), ("move", "reset"), ("move", "step")]
    + [("talk", "step")],
)
def test_episodes_are_where_they_should_be(act, when, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with _open(act, when, record_dir="some") as env:
        (info,) = random_episodes(env, 1, 0)
    (path,) = (tmp_path / "some").iterdir()
    assert info["path"] == str(path)
    assert len(episodes.load_episode(path)["reward"]) == 5


@pytest.mark.parametrize("act", ["leave a program", "leave a fork"])
def test_the_end_of_a_process_is_noticed(act):
    """Without a time limit, though there is still who could answer."""
    with _open(act) as env:
        env.reset(seed=0)
        with pytest.raises(EnvCrash, match="exit code 9"):
            env.step(_ACTION)


def test_a_fork_answers_nothing():
    with _open("fork") as env:
        for seed in range(2):
            env.reset(seed=seed)
            for _ in range(4):
                assert env.step(_ACTION)[1] == 0


def test_an_exception_without_a_message():
    with _open("say nothing") as env:
        env.reset(seed=0)
        with pytest.raises(EnvError, match=r"Untellable: .*failed.* \(custom"):
            env.step(_ACTION)


def test_long_messages_lose_their_middle():
    with _open("say too much") as env:
        env.reset(seed=0)
        with pytest.raises(EnvError) as caught:
            env.step(_ACTION)
    summary = caught.value.summary
    assert len(summary) < 1000 and summary.isprintable()
    assert summary.startswith(r"OSError: first \x1b[31mxxx")
    assert "last (custom_tasks.py:" in summary
    assert len(caught.value.traceback) > 10_000_000  # For log.txt.


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
