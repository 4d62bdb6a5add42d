"""Planning with the simulator in place of the model."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2 import envs
from planet_tf2.evaluation import true_simulator
from planet_tf2.evaluation.true_simulator import PLANNERS, SimulatorCell

_SCRIPT = (
    pathlib.Path(__file__).parents[1] / "scripts" / "plan_true_simulator.py"
)


class FakeSimulator:
    """A number that moves by the action; the reward is to be close to 1.

    Its first entry is the time, which ends the episode after six decisions.
    """

    action_size = 1
    made = []

    def __init__(self, *args):
        self.made.append((self, args))
        self.closed = False
        self.seeds = []

    def reset(self, seed):
        self.seeds.append(seed)
        # Too fine a difference for float32.
        self.state = np.array([0.0, 1e-9])
        return self.state

    def predict(self, states, actions):
        assert states.dtype == np.float64
        number = states[:, 1] + actions[:, 0] / 4
        reward = -np.abs(number - 1)
        return (
            np.stack([states[:, 0] + 1, number], 1),
            reward.astype(np.float32),
        )

    def step(self, action):
        states, rewards = self.predict(self.state[None], action[None])
        self.state = states[0]
        return float(rewards[0]), self.state[0] >= 6

    def close(self):
        self.closed = True


@pytest.fixture
def fake(monkeypatch):
    FakeSimulator.made = []
    monkeypatch.setitem(vars(envs), "BatchSimulator", FakeSimulator)
    # Other tests of this process may want to render.
    monkeypatch.setitem(vars(envs), "forbid_rendering", lambda: None)
    return FakeSimulator


def test_cell_asks_the_simulator():
    cell = SimulatorCell(FakeSimulator())
    state = {
        "sample": tf.constant([[0.0, 1e-9], [2.0, 0.5]], tf.float64),
        "reward": tf.zeros([2]),
    }
    action = tf.constant([[0.4], [-1.0]])
    for call in (cell.transition, tf.function(cell.transition)):
        new = call(state, action)
        np.testing.assert_allclose(
            new["sample"], [[1, 0.1 + 1e-9], [3, 0.25]], rtol=1e-7
        )
        np.testing.assert_allclose(new["reward"], [-0.9, -0.75], rtol=1e-6)
    # A difference that counts in float64 is kept.
    still = cell.transition(state, tf.zeros([2, 1]))
    assert still["sample"][0, 1] == 1e-9


@pytest.mark.parametrize("planner", PLANNERS)
def test_runs_episodes(fake, planner):
    results = list(
        true_simulator.run_episodes(
            "cheetah_run",
            planner,
            episodes=2,
            seed=3,
            num_threads=2,
            horizon=5,
            amount=100,
            topk=10,
        )
    )
    ((simulator, arguments),) = fake.made
    assert arguments == ("cheetah", "run", 4, 2, 1000)
    assert simulator.closed
    assert len(set(simulator.seeds)) == 2
    for number, result in enumerate(results):
        assert result["episode"] == number and result["length"] == 6
        # At best four steps of a quarter each: 0.75 + 0.5 + 0.25.
        assert -1.8 < result["return"] < -1.499


def test_seed_determines_the_result(fake):
    def run(seed):
        search = {"horizon": 2, "amount": 4, "topk": 2, "iterations": 1}
        (result,) = true_simulator.run_episodes(
            "cheetah_run", episodes=1, seed=seed, **search
        )
        return result["return"]

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_mistakes(fake):
    with pytest.raises(ValueError, match="at most amount, which is 5"):
        list(true_simulator.run_episodes("cheetah_run", amount=5, topk=6))
    with pytest.raises(ValueError, match="'dummy' is no task of the control"):
        list(true_simulator.run_episodes("dummy"))
    assert not fake.made


@pytest.mark.slow
@pytest.mark.parametrize("planner", PLANNERS)
def test_solves_reacher(tmp_path, planner):
    """A random policy scores 51 on average."""
    out = tmp_path / "new" / "result.json"
    arguments = ["--task=reacher_easy", "--episodes=1", "--amount=20"]
    arguments += ["--topk=4", "--iterations=2", f"--planner={planner}"]
    arguments += ["--seed=3", f"--out={out}"]
    result = subprocess.run(
        [sys.executable, str(_SCRIPT), *arguments],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "MUJOCO_GL"},
    )
    assert result.returncode == 0, result.stderr
    assert "MUJOCO_GL" not in result.stderr
    written = json.loads(out.read_text())
    assert written["mean"] > 700
    assert written["published"] == 964
    assert f"{written['mean']:.1f}" in result.stdout
    (episode,) = written["episodes"]
    assert episode["length"] == 250


@pytest.mark.slow
@pytest.mark.parametrize(
    "argument, message",
    [("--task=cheetah_rum", "'cheetah_run'"), ("--out=/proc/x/y", "/proc")],
)
def test_a_mistake_is_explained_in_a_line(argument, message):
    """Before anything is played."""
    result = subprocess.run(
        [sys.executable, str(_SCRIPT), argument], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert message in result.stderr and "mean" not in result.stdout
    assert len(result.stderr.strip().splitlines()) == 1
