"""Convolutions of stride 2, each in the form that the processor likes.

The layers are the functions of Keras' `Conv2D` and `Conv2DTranspose`, with the
same variables. TensorFlow's own operations are the fastest for most of them
where cuDNN or oneDNN is behind these, but not without, and not for a single
pixel, for few output positions or for few output channels. See `blocks` for the
other forms and docs/performance.md for what they gain.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets import blocks
from planet_tf2.nets.layers import add_bias
from planet_tf2.tools.devices import has_convolution_library, has_gpu


class KernelLayer(keras.layers.Layer):
    """A layer with a square kernel, a bias and an activation.

    Args:
      filters: output channels, F.
      size: side of the kernel, k.
      activation: Keras' name of the activation, or `None`.
    """

    # Whether the kernel is `[k, k, F, C]` for C input channels, as that of a
    # transposed convolution, and not `[k, k, C, F]`.
    _transposed = False

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
        return self._activation(add_bias(outputs, self.bias))


class StridedConv(KernelLayer):
    """Same as `keras.layers.Conv2D(filters, size, strides=2)`."""

    def output_side(self, side: int) -> int:
        return (side - self._size) // 2 + 1

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, H, H, C]` to `[N, H', H', F]`."""
        if has_convolution_library():
            few = self.output_side(inputs.shape[1]) <= 8
            if few and inputs.shape[-1] >= 64 and not has_gpu():
                convolve = tf.custom_gradient(self._convolve)
                kernel = tf.cast(self.kernel, inputs.dtype)
                return self.finish(convolve(inputs, kernel))
            outputs = tf.nn.conv2d(inputs, self.kernel, 2, "VALID")
            return self.finish(outputs)
        kernel = blocks.block_kernel(self.kernel)
        return self.finish(blocks.correlate(self._blocks(inputs), kernel))

    def _convolve(
        self, inputs: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        """Convolves; the kernel's gradient is computed by matrix products.

        Libraries are slow at it for few positions with many channels.
        """

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            d_inputs = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(inputs),
                filter=kernel,
                out_backprop=upstream,
                strides=[1, 2, 2, 1],
                padding="VALID",
            )
            size = self._size
            d_kernel = blocks.products(
                self._blocks(inputs), upstream, (size + 1) // 2
            )
            return d_inputs, blocks.pixel_kernel(d_kernel)[:size, :size]

        return tf.nn.conv2d(inputs, kernel, 2, "VALID"), gradient

    def _blocks(self, inputs: tf.Tensor) -> tf.Tensor:
        side = self.output_side(inputs.shape[1])
        reach = 2 * (side + (self._size + 1) // 2 - 1)
        return tf.nn.space_to_depth(blocks.resize(inputs, reach), 2)


class PatchConv(StridedConv):
    """A strided convolution to few positions, as a matrix product."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = blocks.block_kernel(self.kernel)
        inputs = self._blocks(inputs)
        return self.finish(blocks.correlate_patches(inputs, kernel))


class StridedTransposedConv(KernelLayer):
    """Same as `keras.layers.Conv2DTranspose(filters, size, strides=2)`."""

    _transposed = True

    def output_side(self, side: int) -> int:
        return 2 * (side - 1) + self._size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps `[N, H, H, C]` to `[N, H', H', F]`."""
        if has_convolution_library():
            _, *sides = self.compute_output_shape(inputs.shape)
            shape = [tf.shape(inputs)[0], *sides]
            outputs = tf.nn.conv2d_transpose(
                inputs, self.kernel, shape, 2, "VALID"
            )
            return self.finish(outputs)
        outputs = blocks.spread(inputs, blocks.block_kernel(self.kernel))
        return self.finish(self._pixels(outputs, inputs))

    def _pixels(self, outputs: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        outputs = tf.nn.depth_to_space(outputs, 2)
        return blocks.resize(outputs, self.output_side(inputs.shape[1]))


class ThinTransposedConv(StridedTransposedConv):
    """A transposed convolution to few channels, forward over blocks.

    Libraries are slow for so few output channels, and blocks have four times as
    many. In the backward direction they are input channels and do no harm. The
    bias is added, and its gradient summed, by whole rows of pixels.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if not has_convolution_library():
            return super().call(inputs)

        @tf.custom_gradient
        def transpose(inputs: tf.Tensor, kernel: tf.Tensor):
            outputs = blocks.spread(inputs, blocks.block_kernel(kernel))
            return self._pixels(outputs, inputs), _gradient(inputs, kernel)

        outputs = transpose(inputs, tf.convert_to_tensor(self.kernel))
        side = outputs.shape[1]
        rows = tf.reshape(outputs, [-1, side * self._filters])
        # The gradient of `tile` sums, for which half precision is too coarse.
        bias = tf.tile(tf.cast(self.bias, tf.float32), [side])
        rows = add_bias(rows, tf.cast(bias, rows.dtype))
        shape = [-1, side, side, self._filters]
        return self._activation(tf.reshape(rows, shape))


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


def _gradient(
    inputs: tf.Tensor, kernel: tf.Tensor
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the gradient function of a transposed convolution."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        d_inputs = tf.nn.conv2d(upstream, kernel, 2, "VALID")
        d_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=upstream,
            filter_sizes=kernel.shape,
            out_backprop=inputs,
            strides=[1, 2, 2, 1],
            padding="VALID",
        )
        return d_inputs, d_kernel

    return gradient
