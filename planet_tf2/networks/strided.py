"""Convolutions of stride 2 in the form that processors like.

TensorFlow's gradients of strided convolutions are slow on CPUs for small images
and few channels. The same functions, gradients and variables follow from
convolutions
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


class KernelLayer(keras.layers.Layer):
    """A layer with a square kernel, a bias and an activation.

    Args:
      filters: output channels, F.
      size: side of the kernel, k.
      activation: Keras' name of the activation, or `None`.
      transposed: whether the kernel is `[k, k, F, C]` for C input channels, as
        that of a transposed convolution, and not `[k, k, C, F]`.
    """

    def __init__(
        self,
        filters: int,
        size: int,
        activation: str | None = None,
        transposed: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._filters = filters
        self._size = size
        self._activation = keras.activations.get(activation)
        self._transposed = transposed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables for inputs `[N, H, H, C]`."""
        channels = [input_shape[-1], self._filters]
        if self._transposed:
            channels.reverse()
        self.kernel = self.add_weight(
            (self._size, self._size, *channels), "glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight((self._filters,), "zeros", name="bias")
        self.built = True

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the shape of the outputs, `[N, H', H', F]`."""
        side = self.output_side(input_shape[1])
        return (input_shape[0], side, side, self._filters)

    def output_side(self, side: int) -> int:
        """Returns the side H' of the outputs for inputs of side H."""
        raise NotImplementedError

    def finish(self, outputs: tf.Tensor) -> tf.Tensor:
        """Adds the bias and applies the activation."""
        return self._activation(outputs + self.bias)


class StridedConv(KernelLayer):
    """Same as `keras.layers.Conv2D(filters, size, strides=2)`."""

    def output_side(self, side: int) -> int:
        return (side - self._size) // 2 + 1

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, H, H, C]` to `[N, H', H', F]`."""
        kernel = _block_kernel(self.kernel)
        side = self.output_side(inputs.shape[1])
        inputs = _resize(inputs, 2 * (side + kernel.shape[0] - 1))
        return self.finish(correlate(tf.nn.space_to_depth(inputs, 2), kernel))


class StridedTransposedConv(KernelLayer):
    """Same as `keras.layers.Conv2DTranspose(filters, size, strides=2)`."""

    def __init__(
        self,
        filters: int,
        size: int,
        activation: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(filters, size, activation, transposed=True, **kwargs)

    def output_side(self, side: int) -> int:
        return 2 * (side - 1) + self._size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, H, H, C]` to `[N, H', H', F]`."""
        outputs = spread(inputs, _block_kernel(self.kernel))
        outputs = tf.nn.depth_to_space(outputs, 2)
        side = self.output_side(inputs.shape[1])
        return self.finish(_resize(outputs, side))


class PixelTransposedConv(StridedTransposedConv):
    """A transposed convolution of a single pixel, as a matrix product.

    Over a 1x1 input every output position sees the same pixel, so the layer
    is a product with the kernel unfolded.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, C]` to `[N, k, k, F]`."""
        kernel = tf.reshape(self.kernel, [-1, inputs.shape[-1]])
        outputs = tf.matmul(inputs, kernel, transpose_b=True)
        shape = [-1, self._size, self._size, self._filters]
        return self.finish(tf.reshape(outputs, shape))


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
