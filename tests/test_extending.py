"""The examples of docs/extending.md are run as they are printed."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from doc_files import ROOT, blocks, read
from tf_fakes import make_agent, random_batch, tiny_params

from planet_tf2.agents.planet import build
from planet_tf2.agents.planet.build import make_heads
from planet_tf2.agents.planet.unroll import closed_loop, open_loop
from planet_tf2.tools import seeds

CODE = blocks(read("docs/extending.md"), "python")
PARAMETER, HEAD = blocks(read("docs/extending.md"), "diff")
# Learns once, with what was added.
_TRY = """
from tf_fakes import make_agent, random_batch, tiny_params
from planet_tf2.tools import seeds

params = tiny_params(**{settings})
agent = make_agent(params)
batch = {{**random_batch(), "terminal": random_batch()["reward"] > 0}}
batch = {{name: batch[name] for name in agent.batch_spec}}
print(*sorted(agent.train_step(batch, seeds.derive(0))))
"""


def example(name):
    """Runs the block that defines something, and returns that."""
    (code,) = (block for block in CODE if name in block)
    namespace = {"__name__": "example"}
    exec(compile(code, "docs/extending.md", "exec"), namespace)
    return namespace[name]


def apply(changes, package):
    """Makes changes to the files of a package; returns the names of these."""
    parts = re.split(r"^--- (.+)\n", changes, flags=re.M)
    for name, lines in zip(parts[1::2], parts[2::2], strict=True):
        old, new = (
            re.sub(rf"^[{kept} ]", "", removed, flags=re.M)
            for kept, removed in (
                ("-", re.sub(r"^\+.*\n", "", lines, flags=re.M)),
                ("+", re.sub(r"^-.*\n", "", lines, flags=re.M)),
            )
        )
        text = (package / name).read_text()
        assert text.count(old) == 1, f"{name} has no longer {old}"
        (package / name).write_text(text.replace(old, new))
    return set(parts[1::2])


@pytest.mark.parametrize(
    "changes, files, settings, losses",
    [
        (
            PARAMETER,
            2,
            {
                "overshooting_free_nats": 1,
                "overshooting_scale": 1,
                "overshooting_distance": 2,
            },
            {"overshooting"},
        ),
        (HEAD, 4, {"terminal_loss_scale": 2}, {"terminal"}),
    ],
    ids=["parameter", "head"],
)
def test_additions(tmp_path, changes, files, settings, losses):
    package = tmp_path / "planet_tf2"
    shutil.copytree(ROOT / "planet_tf2", package)
    assert len(apply(changes, package)) == files
    done = subprocess.run(
        [sys.executable, "-c", _TRY.format(settings=settings)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert losses <= set(done.stdout.split())


def make_cell(**kwargs):
    cell = example("LinearCell")(state_size=3, **kwargs)
    cell.build(2, 7)
    return cell


class TestModel:
    @pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
    def test_unrolls_in_any_precision(self, policy):
        cell = make_cell(dtype=policy)
        embedded = tf.random.stateless_normal([2, 6, 7], [1, 2])
        embedded = tf.cast(embedded, cell.compute_dtype)
        action = tf.random.stateless_normal([2, 6, 2], [3, 4])
        prior, posterior = closed_loop(cell, embedded, action)
        predicted = open_loop(cell, embedded[:, :3], action, 3)
        for states in (prior, posterior, predicted):
            assert set(states) == set(cell.state_sizes)
            for value in states.values():
                assert value.shape == (2, 6, 3)
                assert value.dtype == tf.float32
        kl = cell.divergence_from_states(posterior, prior)
        assert (kl.numpy() > 0).all()
        assert cell.features_from_state(prior).shape[-1] == cell.feature_size

    def test_learns(self, monkeypatch):
        monkeypatch.setattr(
            build,
            "make_cell",
            lambda params: example("LinearCell")(params["state_size"]),
        )
        params = tiny_params(cnn_depth=4, main_learning_rate=3e-3)
        model = build.make_model(params, 2)
        learner = build.make_learner(params, model)
        batch = random_batch()
        batch["image"] //= 4
        losses = [
            float(learner.train_step(batch, seeds.derive(0, step))["total"])
            for step in range(12)
        ]
        assert np.isfinite(losses).all()
        assert losses[-1] < losses[0]
        plan = build.make_planner(params, model, 2)
        actions = plan(model.cell.zero_state(3), seeds.derive(1))
        assert actions.shape == (3, params["planner_horizon"], 2)


class TestLoss:
    @pytest.fixture
    def model(self):
        params = tiny_params(mean_only=True)
        made = build.make_model(params, 2)
        heads = make_heads(params, made.cell.feature_size, {})
        model = example("CalmModel")(made.cell, made.encoder, heads, params)
        model.loss_scales["calm"] = 0.5
        return model

    def test_value(self, model):
        batch = model.prepare(random_batch(), seeds.derive(0))
        losses = model.losses(batch)
        assert list(losses) and set(losses) == set(model.loss_names)
        _, posterior = model.infer(batch)
        jumps = np.diff(posterior["mean"].numpy(), axis=1)
        expected = (jumps**2).sum(-1).mean()
        np.testing.assert_allclose(losses["calm"], expected, rtol=1e-5)
        others = {k: v for k, v in losses.items() if k != "calm"}
        total = float(model.scale(losses)) - float(model.scale(others))
        # Image losses are large, so that little is left of small ones.
        np.testing.assert_allclose(total, 0.5 * expected, atol=0.01)


class Point:
    """A place on a line that moves by the action, without any noise."""

    def noise(self, seed, shape):
        return tf.zeros([*shape, 1])

    def transition(self, prev_state, prev_action, noise=None):
        return {"sample": prev_state["sample"] + prev_action}


def reach(states):
    """The further right in the end, the better."""
    return states["sample"][:, -1, 0]


class TestPlanner:
    @pytest.mark.parametrize("graph", [False, True])
    def test_finds_the_best_of_its_candidates(self, graph):
        plan = example("random_shooting")
        start = {"sample": tf.constant([[0.0], [5.0]])}

        def search(seed):
            return plan(Point(), reach, start, 1, 3, 500, seed=seed)

        if graph:
            search = tf.function(search, autograph=False)
        actions = search(seeds.derive(1)).numpy()
        assert actions.shape == (2, 3, 1)
        assert (np.abs(actions) <= 1).all()
        # Of 500 sums of three uniform numbers the largest comes close to 3.
        assert (actions.sum((1, 2)) > 2).all()

    def test_serves_an_agent(self, monkeypatch):
        monkeypatch.setitem(
            build.PLANNERS, "shooting", example("random_shooting")
        )
        params = tiny_params()
        agent = make_agent({**params, "planner": "shooting"}).actor()
        image = tf.zeros([1, 64, 64, 3], tf.uint8)
        action = agent.perform(
            tf.constant([0]), {"image": image}, seed=seeds.derive(0)
        )
        assert action.shape == (1, 2)
        assert np.abs(action.numpy()).max() > 0
