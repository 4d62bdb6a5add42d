import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.agents.planet.world_model import preprocess

SEED = tf.constant([1, 2])
ALL = tf.range(256)


def bytes_(values=ALL):
    return tf.cast(values, tf.uint8)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("bits", range(1, 9))
def test_levels(bits, graph):
    function = tf.function(preprocess) if graph else preprocess
    image = function(bytes_(), bits, SEED)
    assert image.dtype == tf.float32 and image.shape == (256,)
    lowest = np.arange(256) // 2 ** (8 - bits) / 2**bits - 0.5
    noise = np.float64(image) - lowest
    assert noise.min() > -1e-7 and noise.max() < 2.0**-bits
    assert -0.5 <= np.min(image) and np.max(image) < 0.5


def test_noise_is_uniform():
    image = preprocess(tf.zeros([20000], tf.uint8), 3, SEED)
    noise = (image.numpy() + 0.5) * 8
    histogram, _ = np.histogram(noise, 10, (0, 1))
    assert histogram.sum() == 20000
    np.testing.assert_allclose(histogram, 2000, rtol=0.1)


def test_seeds():
    black = tf.zeros([4, 5], tf.uint8)
    first = preprocess(black, 5, SEED)
    np.testing.assert_array_equal(first, preprocess(black, 5, SEED))
    other = preprocess(black, 5, tf.constant([1, 3]))
    assert np.abs(first - other).min() > 0
