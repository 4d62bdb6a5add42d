"""Convolutions of stride 2 in the form that processors like.

TensorFlow's gradients of strided convolutions are several times slower on CPUs
than the arithmetic in them asks for, most of all on small images and with few
channels. The same functions, gradients and variables follow from convolutions
of stride 1 over *blocks*: `space_to_depth` turns each 2x2 square of pixels
into one pixel with four times the channels, and a kernel of size 2n becomes
one of size n (odd kernels are padded with zeros).

    strided convolution      correlate(blocks(x), kernel)
    transposed convolution   pixels(spread(x, kernel))

`spread` is the transpose of `correlate`, so each is the other's gradient, and
the gradient for the kernel is a matrix product for each of its n * n entries.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


class StridedConv(keras.layers.Layer):
    """Same as `keras.layers.Conv2D(filters, size, strides=2)`.

    Args:
      filters: output channels.
      size: side of the kernel.
      activation: Keras' name of the activation, or `None`.
    """

    def __init__(
        self,
        filters: int,
        size: int,
        activation: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._filters = filters
        self._size = size
        self._activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables for inputs `[N, H, H, C]`."""
        self.kernel = self.add_weight(
            (self._size, self._size, input_shape[-1], self._filters),
            "glorot_uniform",
            name="kernel",
        )
        self.bias = self.add_weight((self._filters,), "zeros", name="bias")
        self.built = True

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        side = (input_shape[1] - self._size) // 2 + 1
        return (input_shape[0], side, side, self._filters)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, H, H, C]` to `[N, (H - size) // 2 + 1, ..., filters]`."""
        kernel = _block_kernel(self.kernel)
        side = self.compute_output_shape(inputs.shape)[1]
        used = 2 * (side + kernel.shape[0] - 1)
        inputs = _resize(inputs, used)
        outputs = correlate(tf.nn.space_to_depth(inputs, 2), kernel)
        return self._activation(outputs + self.bias)


class StridedTransposedConv(keras.layers.Layer):
    """Same as `keras.layers.Conv2DTranspose(filters, size, strides=2)`.

    Args:
      filters: output channels.
      size: side of the kernel.
      activation: Keras' name of the activation, or `None`.
    """

    def __init__(
        self,
        filters: int,
        size: int,
        activation: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._filters = filters
        self._size = size
        self._activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables for inputs `[N, H, H, C]`."""
        self.kernel = self.add_weight(
            (self._size, self._size, self._filters, input_shape[-1]),
            "glorot_uniform",
            name="kernel",
        )
        self.bias = self.add_weight((self._filters,), "zeros", name="bias")
        self.built = True

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        side = 2 * (input_shape[1] - 1) + self._size
        return (input_shape[0], side, side, self._filters)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, H, H, C]` to `[N, 2 * (H - 1) + size, ..., filters]`."""
        outputs = spread(inputs, _block_kernel(self.kernel))
        outputs = tf.nn.depth_to_space(outputs, 2)
        side = self.compute_output_shape(inputs.shape)[1]
        return self._activation(_resize(outputs, side) + self.bias)


@tf.custom_gradient
def correlate(
    inputs: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Convolves with stride 1 and without padding.

    Args:
      inputs: `[N, H, H, C]`.
      kernel: `[n, n, C, F]`.

    Returns:
      `[N, H - n + 1, H - n + 1, F]`.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = kernel.shape[0]
        return _spread(upstream, kernel), _products(inputs, upstream, size)

    return _correlate(inputs, kernel), gradient


@tf.custom_gradient
def spread(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Adds every pixel, times the kernel, to its n x n neighbourhood.

    Args:
      inputs: `[N, H, H, F]`.
      kernel: `[n, n, C, F]`.

    Returns:
      `[N, H + n - 1, H + n - 1, C]`.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = kernel.shape[0]
        return _correlate(upstream, kernel), _products(upstream, inputs, size)

    return _spread(inputs, kernel), gradient


def _correlate(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(inputs, kernel, 1, "VALID")


def _spread(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    margin = kernel.shape[0] - 1
    kernel = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
    margins = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
    return tf.nn.conv2d(tf.pad(inputs, margins), kernel, 1, "VALID")


def _products(inputs: tf.Tensor, outputs: tf.Tensor, size: int) -> tf.Tensor:
    """Sums inputs times outputs for each entry of a kernel `[n, n, C, F]`.

    Args:
      inputs: `[N, H, H, C]`.
      outputs: `[N, H - n + 1, H - n + 1, F]`.
      size: n.
    """
    side = outputs.shape[1]
    channels, filters = inputs.shape[-1], outputs.shape[-1]
    flat = tf.reshape(outputs, [-1, filters])
    products = []
    for row in range(size):
        for column in range(size):
            part = inputs[:, row : row + side, column : column + side]
            part = tf.reshape(part, [-1, channels])
            products.append(tf.matmul(part, flat, transpose_a=True))
    return tf.reshape(tf.stack(products), [size, size, channels, filters])


def _block_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Turns a kernel `[2n, 2n, A, B]` over pixels into `[n, n, 4A, B]`."""
    odd = kernel.shape[0] % 2
    kernel = tf.pad(kernel, [[0, odd], [0, odd], [0, 0], [0, 0]])
    size, (first, second) = kernel.shape[0] // 2, kernel.shape[2:]
    kernel = tf.reshape(kernel, [size, 2, size, 2, first, second])
    kernel = tf.transpose(kernel, [0, 2, 1, 3, 4, 5])
    return tf.reshape(kernel, [size, size, 4 * first, second])


def _resize(images: tf.Tensor, side: int) -> tf.Tensor:
    """Cuts or pads images `[N, H, H, C]` to `side`, below and to the right."""
    missing = side - images.shape[1]
    if missing > 0:
        margins = [[0, 0], [0, missing], [0, missing], [0, 0]]
        images = tf.pad(images, margins)
    elif missing < 0:
        images = images[:, :side, :side]
    return images
