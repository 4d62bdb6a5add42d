"""Seeds for TensorFlow's stateless random operations.

A seed is an int32 tensor `[2]`. Whoever needs randomness is handed one, and
splits it or folds a step into it for those below, so that a run's random
numbers follow from its first seed and its step counters alone.
"""

import numpy as np
import tensorflow as tf


def new_seed() -> tf.Tensor:
    """Draws a seed from TensorFlow's global generator."""
    limit = tf.int32.max
    return tf.random.uniform([2], 0, limit, tf.int32)


def derive(*numbers: int) -> tf.Tensor:
    """Returns the seed that belongs to a sequence of numbers.

    Args:
      *numbers: not negative; the run's seed, and what tells this use from
        all others.
    """
    words = np.random.SeedSequence(numbers).generate_state(2)
    return tf.constant((words >> 1).astype(np.int32))


def split(seed: tf.Tensor, num: int) -> list[tf.Tensor]:
    """Returns `num` independent seeds made from one."""
    return tf.unstack(tf.random.split(seed, num))


def fold_in(seed: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """Returns a seed for the `number`-th use of `seed`."""
    return tf.random.fold_in(seed, number)
