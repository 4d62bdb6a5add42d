"""What a search for a plan did, iteration by iteration.

Planners are asked for it with `trace=True`. Otherwise `begin` gives them no
arrays, and their graphs have nothing of it.
"""

from typing import NamedTuple

import tensorflow as tf

Arrays = tuple[tf.TensorArray, ...]


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


def begin(trace: bool, iterations: int) -> Arrays:
    """Returns arrays to go through a loop, or none where nothing is traced."""
    count = len(Trace._fields) if trace else 0
    return tuple(tf.TensorArray(tf.float32, iterations) for _ in range(count))


def invariants(arrays: Arrays) -> tuple[tf.TensorShape, ...]:
    """Returns the arrays' part of a loop's `shape_invariants`."""
    return tuple(tf.TensorShape(None) for _ in arrays)


def note(
    arrays: Arrays,
    iteration: tf.Tensor,
    mean: tf.Tensor,
    stddev: tf.Tensor,
    returns: tf.Tensor,
    topk: int,
) -> Arrays:
    """Writes down an iteration, if there is something to write on.

    Args:
      arrays: what `begin` gave, or the last `note`.
      iteration: its number, from 0.
      mean: of the normal that was refit, `[B, H, A]`.
      stddev: of the same.
      returns: of all candidates, `[B, K]`.
      topk: how many of them the normal was refit to.
    """
    if not arrays:
        return ()
    best = tf.math.top_k(returns, topk).values  # [B, K']
    values = (
        mean,
        stddev,
        best[:, 0],
        tf.reduce_mean(best, 1),
        tf.reduce_mean(returns, 1),
    )
    return tuple(
        array.write(iteration, value)
        for array, value in zip(arrays, values, strict=True)
    )


def finish(
    arrays: Arrays, iterations: int, mean: tf.Tensor, stddev: tf.Tensor
) -> Trace:
    """Returns the trace.

    Args:
      arrays: what the last `note` gave.
      iterations: how many there were.
      mean: of the normal that the search started from, `[B, H, A]`.
      stddev: of the same.
    """
    start = mean[None], stddev[None]
    if not iterations:  # Then the arrays know no shapes.
        nothing = tf.zeros([0, tf.shape(mean)[0]])
        return Trace(*start, nothing, nothing, nothing)
    means, stddevs, *returns = (array.stack() for array in arrays)
    return Trace(
        tf.concat([start[0], means], 0),
        tf.concat([start[1], stddevs], 0),
        *returns,
    )
