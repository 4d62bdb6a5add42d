"""What the heads predict: independent normals of variance 1."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class UnitNormal(tfd.Independent):
    """Independent normals with standard deviation 1.

    It is TFP's distribution with the same log-density, which a training step
    needs for all pixels of all images, in as few passes over them as possible.

    Args:
      mean: `[..., *event]`.
      event_ndims: how many of the last dimensions are one event.
    """

    def __init__(self, mean: tf.Tensor, event_ndims: int):
        parameters = {"mean": mean, "event_ndims": event_ndims}
        normal = tfd.Normal(mean, tf.ones([], mean.dtype))
        super().__init__(normal, event_ndims, name="UnitNormal")
        self._parameters = parameters

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        mean = self.distribution.loc
        if not _same_shape(value, mean):
            return super()._log_prob(value)
        event = self.event_shape
        batch = tf.shape(mean)[: mean.shape.rank - event.rank]
        size = event.num_elements()
        squared = _squared_distance(
            tf.reshape(value, [-1, size]), tf.reshape(mean, [-1, size])
        )
        constant = 0.5 * np.log(2 * np.pi) * size
        return -0.5 * tf.reshape(squared, batch) - constant


def _same_shape(lhs: tf.Tensor, rhs: tf.Tensor) -> bool:
    known = lhs.shape.is_fully_defined() and rhs.shape.is_fully_defined()
    return known and lhs.shape == rhs.shape


@tf.custom_gradient
def _squared_distance(
    lhs: tf.Tensor, rhs: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns the squared distance of rows `[N, D]`, `[N]`."""
    error = lhs - rhs
    squared = tf.matmul(error[:, None], error[:, :, None])

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scaled = 2 * upstream[:, None] * error
        return scaled, -scaled

    return tf.reshape(squared, [-1]), gradient
