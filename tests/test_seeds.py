import numpy as np
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
