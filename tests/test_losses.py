import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.agents.planet import losses

tfd = tfp.distributions


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(), (4,), (3, 2, 2)])
def test_negative_log_likelihood(shape):
    mean, target = normal(0, 2, 5, *shape), normal(1, 2, 5, *shape)
    dist = tfd.Independent(tfd.Normal(mean, 1.0), len(shape))
    error = np.float64(mean - target) ** 2
    expected = error.reshape(2, 5, -1).sum(-1) / 2
    expected += np.prod(shape) * np.log(2 * np.pi) / 2
    result = losses.negative_log_likelihood(dist, target)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("graph", [False, True])
def test_masked_mean(graph):
    values, mask = tf.constant([1.0, 2.0, 6.0]), tf.constant([1, 0, 1]) > 0
    function = tf.function(losses.masked_mean) if graph else losses.masked_mean
    assert function(values, mask) == 3.5
    assert function(values, mask & False) == 0
