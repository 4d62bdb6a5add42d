import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from planet_tf2.tools import seeds


def numbers(many):
    return {tuple(seed.numpy().tolist()) for seed in many}


def test_derive():
    seed = seeds.derive(1, 2, 3)
    assert seed.shape == (2,) and seed.dtype == tf.int32
    np.testing.assert_array_equal(seed, seeds.derive(1, 2, 3))
    others = [
        seeds.derive(*args)
        for args in ((1, 2, 3), (3, 2, 1), (1, 2), (1, 2, 4), (12, 3), (0,))
    ]
    assert len(numbers(others)) == 6
    many = np.stack([seeds.derive(n) for n in range(100)])
    assert (many >= 0).all() and len(np.unique(many)) == 200


def test_split_and_fold_in():
    seed = seeds.derive(1)
    parts = seeds.split(seed, 4)
    assert len(parts) == 4
    again = seeds.split(seed, 4)
    assert numbers(parts) == numbers(again)
    folded = [seeds.fold_in(seed, tf.constant(n)) for n in range(4)]
    assert len(numbers([*parts, *folded, seed])) == 9
    np.testing.assert_array_equal(seeds.fold_in(seed, 3), folded[3])


def test_new_seed():
    draw = tf.function(seeds.new_seed)
    assert len(numbers([draw(), draw(), seeds.new_seed()])) == 3
    tf.random.set_seed(5)
    first = seeds.new_seed()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(seeds.new_seed(), first)


@pytest.mark.parametrize("shape", [[1], [7], [3, 5, 2], [0, 4], [501, 401]])
def test_normal(shape):
    seed = seeds.derive(3)
    drawn = tf.function(seeds.normal)(seed, tf.constant(shape)).numpy()
    assert drawn.shape == tuple(shape) and drawn.dtype == np.float32
    assert np.isfinite(drawn).all()
    np.testing.assert_array_equal(drawn, seeds.normal(seed, tf.constant(shape)))
    if drawn.size > 1e5:
        assert scipy.stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
        halves = np.split(drawn.ravel()[1:], 2)  # Of the same radii.
        assert abs(np.corrcoef(halves)[0, 1]) < 0.01
        assert abs(np.corrcoef(np.square(halves))[0, 1]) < 0.01


@pytest.mark.parametrize("shape", [[1], [7], [3, 5, 2], [0, 4], [400, 401]])
def test_random_bytes(shape):
    seed = seeds.derive(4)
    drawn = tf.function(seeds.random_bytes)(seed, tf.constant(shape)).numpy()
    assert drawn.shape == tuple(shape) and drawn.dtype == np.uint8
    again = seeds.random_bytes(seed, tf.constant(shape))
    np.testing.assert_array_equal(drawn, again)
    if drawn.size > 1e5:
        counts = np.bincount(drawn.ravel(), minlength=256)
        assert scipy.stats.chisquare(counts).pvalue > 0.01
