"""What a search for a plan did, iteration by iteration.

Planners are asked for it with `trace=True`. Otherwise their graphs have nothing
of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Trace(NamedTuple):
    """A search of I iterations.

    Attributes:
      mean, stddev: the normal over plans, `[I + 1, B, H, A]`. Entry 0 is the
        one that the search starts from, entry i what iteration i has made.
      best: return of the best candidate of every iteration, `[I, B]`.
      elite: mean return of those that the normal is refit to, `[I, B]`.
      average: mean return of all candidates, `[I, B]`.
    """

    mean: tf.Tensor
    stddev: tf.Tensor
    best: tf.Tensor
    elite: tf.Tensor
    average: tf.Tensor


def search(
    iterate: Callable[..., tuple[tuple, tf.Tensor]],
    start: tuple[tf.Tensor, ...],
    iterations: int,
    topk: int,
    trace: bool,
) -> tuple[tuple[tf.Tensor, ...], Trace | None]:
    """Runs the iterations of a search, and writes them down if asked to.

    Args:
      iterate: maps the number of an iteration, from 0, and the values of the
        last one to its own values and the returns of all candidates, `[B, K]`.
      start: values to start from: mean and standard deviation of the normal,
        `[B, H, A]`, and whatever else `[B, ...]` iterations hand on.
      iterations: how many there are.
      topk: how many candidates the normal is refit to.
      trace: whether to write them down.

    Returns:
      The last values, and the trace.
    """
    count = len(Trace._fields) if trace else 0
    arrays = tuple(tf.TensorArray(tf.float32, iterations) for _ in range(count))

    def step(iteration: tf.Tensor, values: tuple, arrays: tuple) -> tuple:
        values, returns = iterate(iteration, *values)
        if trace:
            best = tf.math.top_k(returns, topk).values  # [B, K']
            elite, average = (tf.reduce_mean(x, 1) for x in (best, returns))
            noted = (*values[:2], best[:, 0], elite, average)
            arrays = tuple(
                array.write(iteration, value)
                for array, value in zip(arrays, noted, strict=True)
            )
        return iteration + 1, values, arrays

    _, values, arrays = tf.while_loop(
        lambda iteration, *_: iteration < iterations,
        step,
        (0, start, arrays),
        shape_invariants=(
            tf.TensorShape([]),
            tuple(tf.TensorShape([None, *x.shape[1:]]) for x in start),
            tuple(tf.TensorShape(None) for _ in arrays),
        ),
    )
    return values, _finish(arrays, start, iterations) if trace else None


def _finish(
    arrays: tuple[tf.TensorArray, ...], start: Any, iterations: int
) -> Trace:
    mean, stddev, *_ = start
    if not iterations:  # Then the arrays know no shapes.
        nothing = tf.zeros([0, tf.shape(mean)[0]])
        return Trace(mean[None], stddev[None], nothing, nothing, nothing)
    means, stddevs, *returns = (array.stack() for array in arrays)
    return Trace(
        tf.concat([mean[None], means], 0),
        tf.concat([stddev[None], stddevs], 0),
        *returns,
    )
