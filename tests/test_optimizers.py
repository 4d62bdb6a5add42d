import keras
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.nets.optimizers import Optimizer

SHAPES = [(3, 2), (2,)]
RATE, B1, B2 = 1e-3, 0.9, 0.999


def normal(seed, scale=1.0):
    random = np.random.default_rng(seed)
    return [
        (scale * random.normal(size=shape)).astype(np.float32)
        for shape in SHAPES
    ]


def make_variables():
    return [keras.Variable(value) for value in normal(0)]


def global_norm(gradients):
    return np.sqrt(sum((np.float64(g) ** 2).sum() for g in gradients))


def numpy_adam(steps, epsilon, clipping):
    """Adam in float64, with epsilon where TensorFlow 1 has it."""
    weights = [np.float64(w) for w in normal(0)]
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    for time, gradients in enumerate(steps, 1):
        scale = min(1, clipping / global_norm(gradients))
        for index, gradient in enumerate(gradients):
            gradient = np.float64(gradient) * scale
            first[index] = B1 * first[index] + (1 - B1) * gradient
            second[index] = B2 * second[index] + (1 - B2) * gradient**2
            m, root = first[index], np.sqrt(second[index])
            correction = np.sqrt(1 - B2**time)
            step = correction * m / (root + epsilon)
            weights[index] = weights[index] - RATE * step / (1 - B1**time)
    return weights


def train(steps, graph=False, **kwargs):
    variables = make_variables()
    optimizer = Optimizer(variables, RATE, **kwargs)
    apply = tf.function(optimizer.apply) if graph else optimizer.apply
    for gradients in steps:
        apply([tf.constant(g) for g in gradients])
    return [v.numpy() for v in variables]


# Small enough that epsilon matters.
STEPS = [normal(seed, 1e-3) for seed in range(1, 6)]


def assert_close(actual, desired):
    for one, other in zip(actual, desired, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-7)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-8])
def test_exact_form(epsilon, graph):
    actual = train(STEPS, graph, epsilon=epsilon)
    assert_close(actual, numpy_adam(STEPS, epsilon, 1000))


@pytest.mark.parametrize("graph", [False, True])
def test_clips_by_the_global_norm(graph):
    norms = [global_norm(gradients) for gradients in STEPS]
    clipping = float(np.median(norms))
    actual = train(STEPS, graph, clipping=clipping)
    expected = numpy_adam(STEPS, 1e-4, clipping)
    assert_close(actual, expected)
    free = numpy_adam(STEPS, 1e-4, 1000)
    assert (
        max(np.abs(a - b).max() for a, b in zip(free, expected, strict=True))
        > 1e-5
    )
