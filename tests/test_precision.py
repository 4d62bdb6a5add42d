"""Networks in half precision: what stays in float32, and what is right."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.agents import resolve
from planet_tf2.agents.loss_scale import LossScale
from planet_tf2.agents.planet import build
from planet_tf2.nets.layers import Dense, add_bias
from planet_tf2.tools import seeds

LOW = ["bfloat16", "float16"]


def make(precision, changes=""):
    settings = f"{{precision: {precision}, cnn_depth: 2 {changes}}}"
    params = resolve("debug", settings)
    model = build.make_model(params, 2, 0)
    return params, model, build.make_learner(params, model)


def make_batch():
    random = np.random.default_rng(0)
    # Smooth images, since noise cannot be learned.
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    image = np.broadcast_to(ramp[:, None, None], (3, 5, 64, 64, 3))
    return {
        "image": tf.constant(image),
        "action": tf.constant(random.normal(size=(3, 5, 2)), tf.float32),
        "reward": tf.constant(random.normal(size=(3, 5)), tf.float32),
    }


@pytest.mark.parametrize("dtype", ["float32", *LOW])
def test_bias_gradients_of_large_batches(dtype):
    rows = tf.ones([70_000, 3], dtype)
    bias = tf.zeros([3], dtype)
    with tf.GradientTape() as tape:
        tape.watch([rows, bias])
        outputs = add_bias(rows, bias)
    scale = 0.5  # So that the sum is within float16.
    gradient = tape.gradient(outputs, [rows, bias], scale * rows)
    np.testing.assert_array_equal(gradient[0], scale * rows)
    np.testing.assert_allclose(tf.cast(gradient[1], tf.float32), 35_000, 8e-3)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_dense_is_the_layer_of_keras(activation):
    own, other = Dense(3, activation), keras.layers.Dense(3, activation)
    inputs = tf.random.stateless_normal((5, 4), (1, 2))
    other(inputs)
    own.build((None, 4))
    own.kernel.assign(other.kernel)
    own.bias.assign([1.0, 2, 3])
    other.bias.assign([1.0, 2, 3])
    np.testing.assert_allclose(own(inputs), other(inputs), 1e-6)


@pytest.mark.parametrize("precision", LOW)
def test_variables_states_and_losses_are_float32(precision):
    _, model, learner = make(precision)
    assert {v.dtype for v in model.groups["main"]} == {"float32"}
    assert model.encoder.compute_dtype == precision
    batch = model.prepare(make_batch(), seeds.derive(0))
    prior, posterior = model.infer(batch, seeds.derive(1))
    for state in (prior, posterior):
        assert {x.dtype for x in state.values()} == {tf.float32}
    features = model.cell.features_from_state(posterior)
    for head in model.heads.values():
        assert head(features).mean().dtype == tf.float32
    losses = learner.test_step(make_batch(), seeds.derive(2))
    assert {x.dtype for x in losses.values()} == {tf.float32}


@pytest.mark.parametrize("precision", LOW)
def test_same_function_but_for_rounding(precision):
    batch, seed = make_batch(), seeds.derive(2)
    expected = make("float32")[2].train_step(batch, seed)
    actual = make(precision)[2].train_step(batch, seed)
    for name in ("image", "reward", "total", "gradient_norm"):
        np.testing.assert_allclose(actual[name], expected[name], 0.03)
    np.testing.assert_allclose(
        actual["divergence"], expected["divergence"], 0.1, 0.05
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", LOW)
def test_learns(precision):
    learner = make(precision)[2]
    batch = make_batch()
    losses = [
        float(learner.train_step(batch, seeds.derive(n))["image"])
        for n in range(60)
    ]
    constant = 0.5 * np.log(2 * np.pi) * 64 * 64 * 3
    assert losses[-1] - constant < 0.7 * (losses[0] - constant)


@pytest.mark.parametrize("precision", LOW)
def test_plans(precision):
    params, model, _ = make(precision)
    plan = tf.function(build.make_planner(params, model, 2))
    actions = plan(model.cell.zero_state(3), seeds.derive(0))
    assert actions.shape == (3, params["planner_horizon"], 2)
    assert actions.dtype == tf.float32


@pytest.mark.parametrize("kind", ["rssm", "ssm", "drnn"])
@pytest.mark.parametrize("precision", LOW)
def test_plans_cast_weights_once(precision, kind, monkeypatch):
    params, model, _ = make(precision, f", model: {kind}")
    state, seed = model.cell.zero_state(2), seeds.derive(0)
    plan = tf.function(build.make_planner(params, model, 2))
    expected = plan(state, seed)
    loop = plan.get_concrete_function(state, seed).graph
    (loop,) = [
        loop._get_function(node.attr["body"].func.name).graph
        for node in loop.as_graph_def().node
        if "While" in node.op
    ]
    parts = model.cell, model.heads["reward"]
    weights = {tuple(x.shape) for p in parts for x in p.trainable_variables}
    cast = [op for op in loop.get_operations() if op.type == "Cast"]
    assert not any(tuple(op.inputs[0].shape) in weights for op in cast)
    monkeypatch.setattr(build, "cast_before", lambda *_: nullcontext())
    other = tf.function(build.make_planner(params, model, 2))(state, seed)
    np.testing.assert_array_equal(expected, other)


def test_only_float16_scales_its_loss():
    assert make("float16")[2].loss_scale is not None
    assert make("bfloat16")[2].loss_scale is None
    assert make("float32")[2].loss_scale is None


def test_overflow_lowers_the_scale_and_loses_no_step():
    learner = make("float16")[2]
    learner.loss_scale.factor.assign(2.0**40)
    before = [v.numpy() for v in learner.model.groups["main"]]
    values = learner.train_step(make_batch(), seeds.derive(0))
    assert np.isfinite(values["gradient_norm"])
    assert 1 <= learner.loss_scale.factor < 2.0**40
    after = learner.model.groups["main"]
    assert any((x != y).any() for x, y in zip(before, after, strict=True))


class TestLossScale:
    """With a function whose gradients overflow above a factor of 100."""

    def run(self, scale, limit=100.0):
        def compute():
            value = tf.where(scale.factor > limit, np.inf, 1.0)
            return {"norm": value}, [[value]]

        @tf.function(autograph=False)
        def step():
            return scale.repeat_while_overflowing(
                compute, compute(), lambda s: ~tf.math.is_finite(s["norm"])
            )

        return step()

    def test_halves_until_it_fits(self):
        scale = LossScale()
        scalars, gradients = self.run(scale)
        assert scale.factor == 64
        assert scalars["norm"] == 1 and gradients[0][0] == 1

    def test_gives_up_at_one(self):
        scale = LossScale()
        scalars, _ = self.run(scale, limit=0)
        assert scale.factor == 1
        assert np.isinf(scalars["norm"])

    def test_doubles_after_calm_steps(self):
        scale = LossScale(patience=3)
        scale.factor.assign(16)
        factors = []
        for _ in range(12):
            self.run(scale)
            factors.append(float(scale.factor))
        assert factors == [16, 16, 32, 32, 32, 64, 64, 64, 128, 64, 64, 64]

    def test_scales_and_unscales(self):
        scale = LossScale()
        scale.factor.assign(8)
        assert scale.scale(tf.constant(2.0)) == 16
        assert scale.unscale([[tf.constant(16.0)]])[0][0] == 2
