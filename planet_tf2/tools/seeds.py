"""Seeds for TensorFlow's stateless random operations.

A seed is an int32 tensor `[2]`. Whoever needs randomness is handed one, and
splits it or folds a step into it for those below, so that a run's random
numbers follow from its first seed and its step counters alone.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

# Maps a kind of noise and what was drawn of it to what is taken instead.
Source = Callable[[str, tf.Tensor], tf.Tensor]
_source: contextvars.ContextVar[Source | None]
_source = contextvars.ContextVar("source", default=None)


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


@contextlib.contextmanager
def noise_from(source: Source) -> Iterator[None]:
    """Asks a function for all noise that is drawn inside of the `with` block.

    So a graph can take as inputs what it would draw, where its format has no
    random numbers. The kinds are `normal`, `uniform` and `bytes`, as the
    functions below draw them.
    """
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


def draws_elsewhere() -> bool:
    """Whether this is inside of `noise_from`, where no loop can draw."""
    return _source.get() is not None


def _drawn(kind: str, noise: tf.Tensor) -> tf.Tensor:
    source = _source.get()
    return noise if source is None else source(kind, noise)


def random_bytes(seed: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Draws uint8 of a shape, all values equally likely."""
    count = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [(count + 3) // 4], seed, None, None, tf.int32
    )
    drawn = tf.reshape(tf.bitcast(words, tf.uint8), [-1])
    return _drawn("bytes", tf.reshape(drawn[:count], shape))


def uniform(seed: tf.Tensor, shape: tf.Tensor, low: float = 0.0) -> tf.Tensor:
    """Draws float32 of a shape between `low`, about 0, and 1, which is not."""
    drawn = tf.random.stateless_uniform(shape, seed, minval=low)
    return _drawn("uniform", drawn)


def normal(seed: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Draws standard normal float32 of a shape.

    By the transform of Box and Muller (1958), as `tf.random.stateless_normal`,
    but each of its functions for all numbers at once, which on CPUs takes half
    the time.
    """
    count = tf.reduce_prod(shape)
    first, second = tf.unstack(
        tf.random.stateless_uniform([2, (count + 1) // 2], seed)
    )
    radius = tf.sqrt(-2 * tf.math.log(1 - first))  # 1 - first is never 0.
    angle = 2 * np.pi * second
    drawn = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], 0)
    return _drawn("normal", tf.reshape(drawn[:count], shape))
