"""Convolutional encoder and decoder of DreamerV3, for images of any size.

Each layer halves, or doubles, the side of the image, down to `minres`. For
64x64 images and d = depth:

    encoder  64x64xC -> 32x32xd -> 16x16x2d -> 8x8x4d -> 4x4x8d = 128d
    decoder  F -> 4x4x8d -> 8x8x4d -> 16x16x2d -> 32x32xd -> 64x64xC
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets import blocks
from planet_tf2.nets.distributions import UnitNormal
from planet_tf2.nets.layers import Dense, add_bias, cast_weight
from planet_tf2.nets.normed import (
    Activation,
    LayerNorm,
    finish,
    flatten,
    hidden_initializer,
    name_normed,
    output_initializer,
    unflatten,
)
from planet_tf2.nets.symlog import MSE
from planet_tf2.tools.devices import has_convolution_library


class NormedConv(keras.layers.Layer):
    """A convolution of stride 2, from `[N, H, W, C]` to `[N, H/2, W/2, F]`.

    Args:
      filters: output channels, F.
      activation: Keras' name of it, or a function.
      norm: whether to normalize the channels.
      size: side of the kernel.
    """

    def __init__(
        self,
        filters: int,
        activation: Activation = "silu",
        norm: bool = True,
        size: int = 4,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self._size = size
        self._activation = keras.activations.get(activation)
        self._norm = LayerNorm(dtype=self.dtype_policy) if norm else None

    def build(self, channels: int) -> None:
        """Creates the variables for inputs of `channels` channels, C."""
        shape = self._kernel_shape(channels)
        self.kernel = self.add_weight(
            (self._size, self._size, *shape), self._initializer(), name="kernel"
        )
        if self._norm is not None:
            self._norm.build(self.filters)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = self._apply(inputs, cast_weight(self.kernel, inputs.dtype))
        return finish(outputs, self._norm, self._activation)

    def _apply(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if not _blocks_pay(inputs, kernel):
            return tf.nn.conv2d(inputs, kernel, 2, "SAME")
        padded = tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
        padded = tf.nn.space_to_depth(padded, 2)
        return blocks.correlate(padded, blocks.block_kernel(kernel))

    def _kernel_shape(self, channels: int) -> tuple[int, int]:
        return (channels, self.filters)

    def _initializer(self) -> keras.initializers.Initializer:
        return hidden_initializer()

    def named(self, kernel: str, norm: str) -> dict[str, Any]:
        """Returns the variables below the original names of its two parts."""
        return name_normed(self, kernel, self._norm, norm)


class NormedTransposedConv(NormedConv):
    """A transposed one, from `[N, H, W, C]` to `[N, 2H, 2W, F]`."""

    def _apply(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if _blocks_pay(inputs, kernel):
            return _spread(inputs, kernel)
        _, height, width, _ = inputs.shape
        shape = [tf.shape(inputs)[0], 2 * height, 2 * width, self.filters]
        return tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "SAME")

    def _kernel_shape(self, channels: int) -> tuple[int, int]:
        return (self.filters, channels)


class OutputTransposedConv(NormedTransposedConv):
    """The last one, with a bias instead of normalization and activation.

    Libraries are slow for so few output channels, see `ThinTransposedConv` of
    `strided`. Here too only the gradients are theirs.

    Args:
      filters: output channels, F.
      outscale: of the kernel's first values, see `output_initializer`.
      size: side of the kernel.
    """

    def __init__(
        self, filters: int, outscale: float = 1.0, size: int = 4, **kwargs: Any
    ):
        super().__init__(filters, None, False, size, **kwargs)
        self._outscale = outscale

    def build(self, channels: int) -> None:
        """Creates the variables for inputs of `channels` channels, C."""
        super().build(channels)
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = super().call(inputs)
        width = outputs.shape[2]
        rows = tf.reshape(outputs, [-1, width * self.filters])
        # The gradient of `tile` sums, for which half precision is too coarse.
        bias = tf.tile(tf.cast(self.bias, tf.float32), [width])
        rows = add_bias(rows, tf.cast(bias, rows.dtype))
        return tf.reshape(rows, [-1, *outputs.shape[1:]])

    def _apply(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        if self._size != 4 or _blocks_pay(inputs, kernel):
            return super()._apply(inputs, kernel)
        return _spread_thinly(inputs, kernel)

    def _initializer(self) -> keras.initializers.Initializer:
        return output_initializer(self._outscale)


def _blocks_pay(inputs: tf.Tensor, kernel: tf.Tensor) -> bool:
    """Whether to compute over blocks of pixels, as `strided` does."""
    fits = kernel.shape[0] == 4 and inputs.shape[1] == inputs.shape[2]
    return fits and not has_convolution_library()


def _spread(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A transposed convolution over blocks of pixels, for 4x4 kernels."""
    outputs = blocks.spread(inputs, blocks.block_kernel(kernel))
    return tf.nn.depth_to_space(outputs, 2)[:, 1:-1, 1:-1]


@tf.custom_gradient
def _spread_thinly(
    inputs: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        d_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=upstream,
            filter_sizes=kernel.shape,
            out_backprop=inputs,
            strides=[1, 2, 2, 1],
            padding="SAME",
        )
        return tf.nn.conv2d(upstream, kernel, 2, "SAME"), d_kernel

    return _spread(inputs, kernel), gradient


class ImageEncoder(keras.layers.Layer):
    """Embeds images.

    Args:
      depth: channels of the first convolution; each next one has twice as many.
      size: height and width of the images, or their side.
      minres: height of what is embedded.
      activation: of the convolutions.
      norm: whether to normalize.
      kernel_size: side of the kernels.

    Attributes:
      embedding_size: E, size of an embedding.
    """

    def __init__(
        self,
        depth: int,
        size: int | Sequence[int] = 64,
        minres: int = 4,
        activation: Activation = "silu",
        norm: bool = True,
        *,
        kernel_size: int = 4,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        height, width = (size, size) if isinstance(size, int) else size
        channels = layer_channels(depth, (height, width), minres)
        self._convs = [
            NormedConv(
                c, activation, norm, kernel_size, dtype=self.dtype_policy
            )
            for c in channels
        ]
        area = minres * (width >> len(channels))
        self.embedding_size = area * channels[-1]

    def build(self, channels: int) -> None:
        """Creates the variables for images of `channels` channels."""
        for conv in self._convs:
            conv.build(channels)
            channels = conv.filters
        self.built = True

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Embeds images `[..., H, W, C]` in -0.5..0.5 as `[..., E]`."""
        hidden = tf.reshape(image, [-1, *image.shape[-3:]])
        for conv in self._convs:
            hidden = conv(hidden)
        return unflatten(hidden, image, [self.embedding_size], 3)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        named: dict[str, Any] = {}
        for index, conv in enumerate(self._convs):
            named |= conv.named(f"conv{index}", f"norm{index}")
        return named


class ImageDecoder(keras.layers.Layer):
    """Predicts the mean of images.

    Args:
      depth: channels before the last layer; each one before had twice as many.
      shape: height, width and channels of the images. Those of several images
        are joined and for the caller to split.
      minres: height after the dense layer.
      activation: of the convolutions but for the last.
      norm: whether to normalize.
      outscale: of the first values of dense layer and last convolution.
      sigmoid: whether the mean is a sigmoid, and not the output + 0.5.
      kernel_size: side of the kernels.
    """

    def __init__(
        self,
        depth: int,
        shape: Sequence[int] = (64, 64, 3),
        minres: int = 4,
        activation: Activation = "silu",
        norm: bool = True,
        *,
        outscale: float = 1.0,
        sigmoid: bool = False,
        kernel_size: int = 4,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self._shape, self._sigmoid = tuple(shape), sigmoid
        *channels, last = layer_channels(depth, self._shape[:2], minres)
        self._first_shape = (minres, shape[1] >> (len(channels) + 1), last)
        self._dense = Dense(
            tf.TensorShape(self._first_shape).num_elements(),
            kernel_initializer=output_initializer(outscale),
            dtype=policy,
        )
        self._convs = [
            NormedTransposedConv(c, activation, norm, kernel_size, dtype=policy)
            for c in reversed(channels)
        ]
        self._last = OutputTransposedConv(
            self._shape[-1], outscale, kernel_size, dtype=policy
        )

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries, F."""
        self._dense.build((None, feature_size))
        channels = self._first_shape[-1]
        for conv in [*self._convs, self._last]:
            conv.build(channels)
            channels = conv.filters
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the mean, float32 `[..., H, W, C]`, for `[..., F]`."""
        hidden = self._dense(flatten(features))
        hidden = tf.reshape(hidden, [-1, *self._first_shape])
        for conv in [*self._convs, self._last]:
            hidden = conv(hidden)
        mean = tf.cast(hidden, tf.float32)
        mean = tf.sigmoid(mean) if self._sigmoid else mean + 0.5
        return unflatten(mean, features, self._shape)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        named = {"dense/kernel": self._dense.kernel}
        named["dense/bias"] = self._dense.bias
        for index, conv in enumerate([*self._convs, self._last]):
            named |= conv.named(f"conv{index}", f"norm{index}")
        return {**named, f"conv{len(self._convs)}/bias": self._last.bias}


def image_distribution(dist: str, mean: tf.Tensor) -> Any:
    """Returns the distribution of images around a mean `[..., H, W, C]`.

    Args:
      dist: `mse`, see `symlog.MSE`, or `normal`, with unit variance.
      mean: of the images.
    """
    return {"mse": MSE, "normal": UnitNormal}[dist](mean, 3)


def layer_channels(depth: int, size: Sequence[int], minres: int) -> list[int]:
    """Returns the channels of the encoder's layers.

    Raises:
      ValueError: the size is not `minres` times a power of 2.
    """
    layers = max(size[0] // minres, 1).bit_length() - 1
    fits = layers and size[0] == minres << layers and not size[1] % 2**layers
    if not fits:
        raise ValueError(
            f"Images of {size[0]}x{size[1]} pixels cannot be halved down to "
            f"{minres}. Choose a size of {minres} times a power of 2."
        )
    return [depth * 2**layer for layer in range(layers)]
