"""Predictions of values whose size is not known beforehand.

Hafner et al. (2023), equations 1, 2, 9 and 10. Losses are computed in float32.
"""

import numpy as np
import tensorflow as tf

BUCKETS = 255
_LIMIT = 20.0


def symlog(x: tf.Tensor) -> tf.Tensor:
    """Returns sign(x) ln(1 + |x|): close to x near zero, slow far away."""
    return tf.sign(x) * tf.math.log1p(tf.abs(x))


def symexp(x: tf.Tensor) -> tf.Tensor:
    """Returns sign(x) (exp(|x|) - 1), the inverse of `symlog`."""
    return tf.sign(x) * tf.math.expm1(tf.abs(x))


class SymlogTwoHot:
    """Probabilities of buckets that divide the symlog of a value evenly.

    Their centres go from -20 to 20. A value is a target for the two buckets
    next to it, for the closer one the more; beyond the last one it counts as
    that one.

    Args:
      logits: `[..., *event, 255]`.
      event_ndims: how many dimensions one event has.

    Attributes:
      buckets: the centres.
    """

    def __init__(self, logits: tf.Tensor, event_ndims: int = 0):
        self._logits = logits
        self._axes = _last(event_ndims)
        self.buckets = np.linspace(-_LIMIT, _LIMIT, BUCKETS, dtype=np.float32)

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns minus the cross entropy, `[...]`, of `[..., *event]`."""
        place = tf.clip_by_value(symlog(value), -_LIMIT, _LIMIT)
        distance = tf.abs(place[..., None] - self.buckets)
        step = 2 * _LIMIT / (BUCKETS - 1)
        target = tf.nn.relu(1 - distance / step)
        loss = tf.nn.softmax_cross_entropy_with_logits(target, self._logits)
        return -tf.reduce_sum(loss, self._axes)

    def mean(self) -> tf.Tensor:
        """Returns the symexp of the expected symlog, `[..., *event]`."""
        probs = tf.nn.softmax(self._logits)
        return symexp(tf.reduce_sum(probs * self.buckets, -1))

    mode = mean


class MSE:
    """A value whose log-density is minus its squared error, without a half.

    Args:
      mean: `[..., *event]`.
      event_ndims: how many dimensions one event has.
    """

    def __init__(self, mean: tf.Tensor, event_ndims: int = 0):
        self._mean = mean
        self._axes = _last(event_ndims)

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns minus the sum of squared errors, `[...]`."""
        return -tf.reduce_sum(
            tf.math.squared_difference(self._mean, value), self._axes
        )

    def mean(self) -> tf.Tensor:
        """Returns the mean, `[..., *event]`."""
        return self._mean

    mode = mean


class SquashedMSE(MSE):
    """The same of the symlog of a value."""

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns minus the sum of squared errors of the symlog, `[...]`."""
        return super().log_prob(symlog(value))

    def mean(self) -> tf.Tensor:
        """Returns the symexp of the prediction, `[..., *event]`."""
        return symexp(self._mean)

    mode = mean


class SymlogMSE(SquashedMSE):
    """The same, but tiny errors count as none."""

    _TINY = 1e-8

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns minus the sum of squared errors of the symlog, `[...]`."""
        squared = tf.math.squared_difference(self._mean, symlog(value))
        squared = tf.where(squared < self._TINY, 0.0, squared)
        return -tf.reduce_sum(squared, self._axes)


def _last(ndims: int) -> list[int]:
    return list(range(-ndims, 0))
