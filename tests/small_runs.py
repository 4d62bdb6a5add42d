"""The smallest runs of the real program, and a look inside of them."""

import threading
from typing import NamedTuple

import pytest
from tf_fakes import tiny_params

from planet_tf2.agents import planet
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import DummyEnv
from planet_tf2.tools.journal import Journal
from planet_tf2.train import train
from planet_tf2.training import assemble

# Two epochs of two updates and a test batch each.
SMALL = dict(
    tiny_params(
        train_steps=4,
        test_steps=2,
        max_steps=12,
        action_repeat=100,
        train_collects=[{"after": 2, "every": 4}],
        checkpoint_every=100,
    )
)
DECISIONS = 10


class Spy:
    """Watches which environments a run works with."""

    def __init__(self, monkeypatch):
        self.opened = []
        self.steps_here = set()
        self.retraces = []
        open_env, step = assemble.open_env, DummyEnv.step
        rollout = assemble.Rollout.__call__

        def spying_open(*args, **kwargs):
            self.opened.append(open_env(*args, **kwargs))
            return self.opened[-1]

        def spying_step(env, action):
            self.steps_here.add(threading.get_ident())
            return step(env, action)

        def spying_rollout(graph, *args):
            result = rollout(graph, *args)
            self.retraces.append(graph.retraces)
            return result

        monkeypatch.setattr(assemble, "open_env", spying_open)
        monkeypatch.setattr(DummyEnv, "step", spying_step)
        monkeypatch.setattr(assemble.Rollout, "__call__", spying_rollout)


def run(logdir, **overrides):
    said = []
    train(
        str(logdir),
        "debug",
        overrides={**SMALL, **overrides},
        report=said.append,
    )
    return RunFolder(logdir / "00001"), said


def records(folder):
    """All of the metrics that has to be the same in equal runs."""
    return [
        {
            key: value
            for key, value in record.items()
            if not key.endswith(("_seconds", "_per_second", "file"))
        }
        for record in Journal(folder.metrics)
    ]


class Trained(NamedTuple):
    """A run that was trained in this process.

    Attributes:
      folder: its folder, alone in that of its experiment.
      agent: the agent as it was in the end.
    """

    folder: RunFolder
    agent: object

    @property
    def model(self):
        return self.agent.model


def train_and_keep_model(logdir):
    """Trains a small run without pictures, which take most of the time.

    Of so few units all may be dead; with another activation, none is.
    """
    made, make_agent = [], planet.make_agent

    def keeping(*args, **kwargs):
        made.append(make_agent(*args, **kwargs))
        return made[-1]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(planet, "make_agent", keeping)
        monkeypatch.setattr(
            assemble.Summaries, "predictions", lambda *args, **kwargs: None
        )
        folder, _ = run(logdir, activation="elu")
    return Trained(folder, made[0])


def snapshot(folder):
    """All files below a folder, to see whether something was changed."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
    }
