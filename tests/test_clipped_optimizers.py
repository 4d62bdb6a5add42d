import keras
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.nets.clipped_optimizers import OPTIMIZERS, ClippedOptimizer

RATE, EPSILON = 1e-2, 1e-3


def normal(seed, scale=1.0):
    random = np.random.default_rng(seed)
    return [scale * random.normal(size=shape) for shape in ((3, 2), (2,))]


# Small enough that epsilon matters.
STEPS = [normal(seed, 1e-2) for seed in range(1, 6)]


def train(graph=False, **settings):
    variables = [keras.Variable(w.astype(np.float32)) for w in normal(0)]
    optimizer = ClippedOptimizer(variables, **settings)
    apply = tf.function(optimizer.apply) if graph else optimizer.apply
    for gradients in STEPS:
        apply([tf.constant(g, tf.float32) for g in gradients])
    assert optimizer.updates == len(STEPS)
    return [v.numpy() for v in variables]


def step(kind, m, v, g, t):
    """Returns m, v and what is subtracted, in units of the learning rate."""
    if kind == "sgd":
        return m, v, g
    if kind == "momentum":
        m = 0.9 * m + g
        return m, v, m
    m = 0.9 * m + 0.1 * g
    if kind == "adamax":
        v = np.maximum(0.999 * v, abs(g))
        return m, v, m / (1 - 0.9**t) / (v + EPSILON)
    v = 0.999 * v + 0.001 * g**2
    root = np.sqrt(v / (1 - 0.999**t))
    return m, v, m / (1 - 0.9**t) / (root + EPSILON)


def reference(kind="adam", clipping=1000.0, decay=0.0):
    weights = normal(0)
    m, v = ([0 * w for w in weights] for _ in range(2))
    for t, gradients in enumerate(STEPS, 1):
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        factor = min(1, clipping / (norm + 1e-6)) if clipping else 1
        for i, g in enumerate(gradients):
            m[i], v[i], change = step(kind, m[i], v[i], factor * g, t)
            weights[i] = (1 - decay) * weights[i] - RATE * change
    return weights


def assert_close(actual, desired):
    for one, other in zip(actual, desired, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-7)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_exact_form(kind, graph):
    settings = {"learning_rate": RATE, "epsilon": EPSILON}
    assert_close(train(graph, kind=kind, **settings), reference(kind))


@pytest.mark.parametrize("clipping", [0.01, 0.0])
def test_clips_by_the_global_norm(clipping):
    settings = {"learning_rate": RATE, "kind": "sgd", "clipping": clipping}
    assert_close(train(**settings), reference("sgd", clipping))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_weight_decay(kind):
    """Defect 4: it did nothing, since its variables had run out."""
    settings = {"learning_rate": RATE, "epsilon": EPSILON, "kind": kind}
    trained = train(**settings, weight_decay=0.1)
    assert_close(trained, reference(kind, decay=0.1))


def test_unknown_kinds_are_refused():
    """Defect 8: `nadam` was offered, and crashed."""
    with pytest.raises(ValueError, match="no optimizer 'nadam'.*adam, adamax"):
        ClippedOptimizer([], "nadam")
