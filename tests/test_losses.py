import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_fakes import normal_kl

from planet_tf2.agents.planet import losses

tfd = tfp.distributions


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(), (4,), (3, 2, 2)])
def test_reconstruction(shape):
    mean, target = normal(0, 2, 5, *shape), normal(1, 2, 5, *shape)
    dist = tfd.Independent(tfd.Normal(mean, 1.0), len(shape))
    error = np.float64(mean - target) ** 2
    # Summed over the entries, then averaged over batch and time.
    expected = error.reshape(2, 5, -1).sum(-1).mean() / 2
    expected += np.prod(shape) * np.log(2 * np.pi) / 2
    result = losses.reconstruction(dist, target)
    assert result.shape == ()
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_reconstruction_of_a_perfect_image():
    image = tf.zeros([1, 2, 64, 64, 3])
    dist = tfd.Independent(tfd.Normal(image, 1.0), 3)
    result = losses.reconstruction(dist, image)
    np.testing.assert_allclose(result, 64 * 64 * 3 * 0.9189385, rtol=1e-5)


def test_free_nats_are_per_time_step():
    kl = tf.constant([[0.0, 1.0, 2.0], [3.0, 4.0, 11.0]])
    result = losses.divergence(kl, 3.0)
    # The mean of the whole is above 3; most steps are not.
    np.testing.assert_allclose(result, (0 + 0 + 0 + 0 + 1 + 8) / 6)
    np.testing.assert_allclose(losses.divergence(kl), 21 / 6)
    np.testing.assert_allclose(losses.divergence(kl, 20.0), 0)


def test_free_nats_stop_the_gradient_of_their_steps():
    kl = tf.constant([[0.0, 2.9], [3.1, 8.0]])
    with tf.GradientTape() as tape:
        tape.watch(kl)
        loss = losses.divergence(kl, 3.0)
    np.testing.assert_allclose(tape.gradient(loss, kl), [[0, 0], [0.25, 0.25]])


def test_divergence_of_normals_in_closed_form():
    mean, other = normal(0, 2, 5, 3), normal(1, 2, 5, 3)
    stddev, other_stddev = (
        np.exp(normal(2, 2, 5, 3)),
        np.exp(normal(3, 2, 5, 3)),
    )
    kl = tfd.kl_divergence(
        tfd.Independent(tfd.Normal(mean, stddev), 1),
        tfd.Independent(tfd.Normal(other, other_stddev), 1),
    )
    expected = normal_kl(mean, stddev, other, other_stddev)
    assert (expected < 3).any() and (expected > 3).any()
    np.testing.assert_allclose(
        losses.divergence(kl, 3.0),
        np.maximum(0, expected - 3).mean(),
        rtol=1e-5,
    )


@pytest.mark.parametrize("graph", [False, True])
def test_masked_mean(graph):
    values, mask = tf.constant([1.0, 2.0, 6.0]), tf.constant([1, 0, 1]) > 0
    function = tf.function(losses.masked_mean) if graph else losses.masked_mean
    assert function(values, mask) == 3.5
    assert function(values, mask & False) == 0
