"""Layers with RMS normalization."""

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.nets.rms import (
    RMSMLP,
    BlockLinear,
    Linear,
    RMSLayer,
    rms_norm,
)

RUNS = [lambda f: f, lambda f: tf.function(f, autograph=False)]


def normal(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("run", RUNS)
def test_rms_norm_and_its_gradient_are_those_of_the_formula(run):
    x, upstream = (tf.constant(normal(2, 3, 5, seed=s)) for s in (1, 2))
    scale = tf.constant(normal(5, seed=3))

    def formula(x, scale):
        size = tf.reduce_mean(x**2, -1, keepdims=True) + 1e-4
        return x * scale / tf.sqrt(size)

    def with_gradients(function):
        with tf.GradientTape() as tape:
            tape.watch([x, scale])
            y = function(x, scale)
        return y, *tape.gradient(y, [x, scale], upstream)

    ours = run(lambda: with_gradients(rms_norm))()
    plain = with_gradients(formula)
    for actual, desired in zip(ours, plain, strict=True):
        np.testing.assert_allclose(actual, desired, 1e-5, 1e-6)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("shared", [0, 3])
def test_blocks_are_those_of_a_matrix(run, shared):
    x, more = normal(2, 5, 8, seed=1), normal(2, 5, shared, seed=2)
    layer = BlockLinear(12, 4)
    layer.build(8, shared)
    layer.bias.assign(normal(12, seed=3))
    inputs = (x, more) if shared else (x,)
    found = run(lambda: layer(*inputs))()
    kernel = layer.kernel.numpy()
    assert kernel.shape == (4, 2 + shared, 3)
    runs = [
        np.concatenate([x[..., 2 * i : 2 * i + 2], more], -1) @ kernel[i]
        for i in range(4)
    ]
    desired = np.concatenate(runs, -1) + layer.bias.numpy()
    np.testing.assert_allclose(found, desired, 1e-5, 1e-5)


def test_first_weights_know_all_inputs_of_blocks():
    """Their deviation is not that of a block's own inputs."""
    layer = BlockLinear(400, 4)
    layer.build(400, 100)
    std = layer.kernel.numpy().std()
    np.testing.assert_allclose(std, 800**-0.5, 0.02)
    assert abs(layer.kernel.numpy()).max() < 2 * 1.1369 * 800**-0.5
    layer = Linear(400, 0.01)
    layer.build(400)
    np.testing.assert_allclose(layer.kernel.numpy().std(), 5e-4, 0.02)
    layer = Linear(4, 0.0)
    layer.build(4)
    assert not layer.kernel.numpy().any()


def test_size_that_blocks_do_not_divide():
    with pytest.raises(ValueError, match="12 entries cannot .* 8 blocks"):
        BlockLinear(12, 8)
    with pytest.raises(ValueError, match="6 entries cannot .* 4 blocks"):
        BlockLinear(12, 4).build(6)


@pytest.mark.parametrize("run", RUNS)
def test_half_precision(run):
    """Computes in it, from and with float32, and its gradients are close."""
    x = normal(300, 8)
    gradients = []
    for policy in ("float32", "mixed_bfloat16"):
        mlp = RMSMLP(2, 8, dtype=policy)
        mlp.build(8)
        for index, variable in enumerate(mlp.trainable_variables):
            variable.assign(
                1 + tf.random.stateless_normal(variable.shape, [index, 0])
            )

        def differentiate(mlp=mlp):
            with tf.GradientTape() as tape:
                y = mlp(x)
                loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
            return y, tape.gradient(loss, mlp.trainable_variables)

        y, gradient = run(differentiate)()
        assert y.dtype == policy.removeprefix("mixed_")
        gradients.append(np.concatenate([np.ravel(g) for g in gradient]))
    assert np.isfinite(gradients[1]).all()
    error = np.linalg.norm(gradients[1] - gradients[0])
    assert 0 < error < 0.03 * np.linalg.norm(gradients[0])


def test_names():
    layer = RMSLayer(4, blocks=2)
    layer.build(6, 3)
    shapes = {k: tuple(v.shape) for k, v in layer.named("dynhid0").items()}
    assert shapes == {
        "dynhid0/kernel": (2, 6, 2),
        "dynhid0/bias": (4,),
        "dynhid0norm/scale": (4,),
    }
    mlp = RMSMLP(2, 4)
    mlp.build(3)
    names = list(mlp.named("mlp/linear{}", "mlp/norm{}"))
    assert names[2:4] == ["mlp/norm0/scale", "mlp/linear1/kernel"]
