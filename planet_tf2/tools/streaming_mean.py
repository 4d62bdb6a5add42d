"""Means over the values of several updates."""

from collections.abc import Mapping, Sequence

import tensorflow as tf


class StreamingMean(tf.Module):
    """Averages scalars by name until asked for the result.

    Sums and count are variables, so that a checkpoint holds a half-full mean.

    Args:
      names: names of the scalars.
    """

    def __init__(self, names: Sequence[str]):
        super().__init__("streaming_mean")
        self._names = sorted(names)
        size = len(self._names)
        self._sums = tf.Variable(tf.zeros(size, tf.float64), trainable=False)
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False)

    def submit(self, values: Mapping[str, float]) -> None:
        """Adds one value for every name."""
        ordered = [float(values[name]) for name in self._names]
        self._sums.assign_add(tf.constant(ordered, tf.float64))
        self._count.assign_add(1)

    def clear(self) -> dict[str, float]:
        """Returns the means since the last time, and starts anew.

        Without values the means are not a number.
        """
        count = int(self._count)
        sums = self._sums.numpy()
        self._sums.assign(tf.zeros_like(self._sums))
        self._count.assign(0)
        means = sums / count if count else sums * float("nan")
        return dict(zip(self._names, map(float, means), strict=True))
