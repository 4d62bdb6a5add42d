"""The heads' distribution against TFP's own."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets.distributions import UnitNormal

tfd = tfp.distributions


def make_pair(mean, event_ndims):
    plain = tfd.Independent(tfd.Normal(mean, 1.0), event_ndims)
    return UnitNormal(mean, event_ndims), plain


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("shape, event_ndims", [((3, 2), 0), ((3, 4, 5), 2)])
def test_log_prob_and_gradients(shape, event_ndims, graph):
    mean = tf.random.stateless_normal(shape, (1, 2))
    value = tf.random.stateless_normal(shape, (3, 4))

    def log_prob(index):
        with tf.GradientTape() as tape:
            tape.watch([mean, value])
            dist = make_pair(mean, event_ndims)[index]
            result = dist.log_prob(value)
        weight = tf.range(tf.size(result), dtype=tf.float32)
        weight = tf.reshape(weight, result.shape)
        return result, *tape.gradient(result, [mean, value], weight)

    if graph:
        log_prob = tf.function(log_prob, autograph=False)
    for ours, theirs in zip(log_prob(0), log_prob(1), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5)


def test_is_a_distribution_of_tfp():
    mean = tf.random.stateless_normal((3, 4, 5), (1, 2))
    ours, theirs = make_pair(mean, 2)
    assert ours.batch_shape == (3,) and ours.event_shape == (4, 5)
    np.testing.assert_array_equal(ours.mean(), mean)
    np.testing.assert_array_equal(ours.mode(), mean)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy(), 1e-6)
    assert ours.sample(7).shape == (7, 3, 4, 5)


@pytest.mark.parametrize("shape", [(7, 3, 4, 5), (4, 5), (1, 4, 1)])
def test_values_are_broadcast(shape):
    mean = tf.random.stateless_normal((3, 4, 5), (1, 2))
    value = tf.random.stateless_normal(shape, (3, 4))
    ours, theirs = make_pair(mean, 2)
    np.testing.assert_allclose(
        ours.log_prob(value), theirs.log_prob(value), 1e-5
    )


def test_values_of_unknown_shape():
    mean = tf.random.stateless_normal((3, 4), (1, 2))
    function = tf.function(
        lambda value: make_pair(mean, 1)[0].log_prob(value),
        input_signature=[tf.TensorSpec(None)],
        autograph=False,
    )
    expected = make_pair(mean, 1)[1].log_prob(mean + 1)
    np.testing.assert_allclose(function(mean + 1), expected, 1e-5)
