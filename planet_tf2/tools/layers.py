"""Dense layers and biases that can be trained in half precision."""

from collections.abc import Callable

import keras
import tensorflow as tf


class Dense(keras.layers.Dense):
    """Keras' dense layer with the bias of `add_bias`, for inputs `[N, D]`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.matmul(inputs, self.kernel)
        return self.activation(add_bias(outputs, self.bias))


def add_bias(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias to the last dimension.

    Same as `tf.nn.bias_add`, whose gradient in bfloat16 is wrong for large
    batches: it sums in bfloat16 too, and from 256 on adding 1 to such a sum
    changes nothing. `tf.reduce_sum` keeps its sums in float32.

    Args:
      outputs: `[..., F]`.
      bias: `[F]`.
    """
    bias = tf.convert_to_tensor(bias)
    if outputs.dtype == tf.float32:
        return tf.nn.bias_add(outputs, bias)
    return _add_low_precision_bias(outputs, bias)


@tf.custom_gradient
def _add_low_precision_bias(
    outputs: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        axes = list(range(upstream.shape.rank - 1))
        return upstream, tf.reduce_sum(upstream, axes)

    return tf.nn.bias_add(outputs, bias), gradient
