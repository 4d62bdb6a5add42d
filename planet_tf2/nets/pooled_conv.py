"""Convolutional encoder and decoder of DreamerV3 as of 2025.

Each layer halves, or doubles, the side of the image. For 64x64 images, the
multipliers (2, 3, 4, 4) and d = depth:

    encoder  64x64xC -> 32x32x2d -> 16x16x3d -> 8x8x4d -> 4x4x4d = 64d
    decoder  F -> 4x4x4d -> 8x8x4d -> 16x16x3d -> 32x32x2d -> 64x64xC
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from planet_tf2.nets.layers import add_bias, cast_weight
from planet_tf2.nets.normed import unflatten
from planet_tf2.nets.rms import (
    BlockLinear,
    Linear,
    RMSLayer,
    RMSNorm,
    trunc_normal_in,
)

_SMALLEST, _LARGEST = 3, 16
_LIKE = ""


class Conv(keras.layers.Layer):
    """A convolution with a bias, and what makes images smaller or larger.

    Args:
      filters: output channels, F.
      size: side of the kernel.
      resize: nothing; `pool`, the largest of 2x2 outputs; `stride`, of outputs
        every second; `repeat`, each pixel of the inputs 2x2 times; `spread`,
        each once, at odd rows and columns, between zeros.
      normed: whether a normalization of the channels and SiLU follow.
      outscale: of the kernel's first values, see `trunc_normal_in`.
    """

    def __init__(
        self,
        filters: int,
        size: int = 5,
        resize: str = "",
        normed: bool = True,
        *,
        outscale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.filters = filters
        self._size, self._resize, self._outscale = size, resize, outscale
        self._norm = RMSNorm(dtype=self.dtype_policy) if normed else None

    def build(self, channels: int) -> None:
        """Creates the variables for inputs of `channels` channels, C."""
        shape = (self._size, self._size, channels, self.filters)
        start = trunc_normal_in(self._outscale)
        self.kernel = self.add_weight(shape, start, name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")
        if self._norm is not None:
            self._norm.build(self.filters)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `[N, H', W', F]` for `[N, H, W, C]`."""
        outputs = self._apply(tf.cast(inputs, self.compute_dtype))
        outputs = add_bias(outputs, cast_weight(self.bias, outputs.dtype))
        if self._norm is None:
            return outputs
        return tf.nn.silu(self._norm(outputs))

    def _apply(self, inputs: tf.Tensor) -> tf.Tensor:
        if self._resize in ("repeat", "spread"):
            kernel = tf.cast(self.kernel, tf.float32)
            kernel = parity_kernel(kernel, self._resize == "repeat")
            kernel = tf.cast(kernel, inputs.dtype)
            outputs = tf.nn.conv2d(inputs, kernel, 1, "SAME")
            return tf.nn.depth_to_space(outputs, 2)
        kernel = cast_weight(self.kernel, inputs.dtype)
        stride = 2 if self._resize == "stride" else 1
        outputs = tf.nn.conv2d(inputs, kernel, stride, "SAME")
        if self._resize == "pool":
            outputs = tf.nn.max_pool2d(outputs, 2, 2, "VALID")
        return outputs

    def named(self, name: str) -> dict[str, Any]:
        """Returns the variables below a name."""
        named = {f"{name}/kernel": self.kernel, f"{name}/bias": self.bias}
        if self._norm is not None:
            named[f"{name}norm/scale"] = self._norm.scale
        return named


def parity_kernel(kernel: tf.Tensor, repeat: bool) -> tf.Tensor:
    """Turns a kernel for enlarged images into one for them as they were.

    Of images in which each pixel stands 2x2 times, or once between zeros, many
    products are alike, or zero. Even and odd outputs become channels here, as
    `depth_to_space` takes them; a kernel of side 5 has 3 then.

    Args:
      kernel: `[n, n, C, F]`.
      repeat: whether pixels are repeated.

    Returns:
      `[m, m, C, 4 F]`.
    """
    size, _, channels, filters = kernel.shape
    places = [
        (parity, (parity + tap) // 2, tap + (size - 1) // 2)
        for parity in (0, 1)
        for tap in range(-((size - 1) // 2), size // 2 + 1)
        if repeat or (parity + tap) % 2
    ]
    radius = max(abs(place) for _, place, _ in places)
    sums = np.zeros([2, 2 * radius + 1, size], np.float32)
    for parity, place, tap in places:
        sums[parity, place + radius, tap] = 1
    found = tf.einsum("pai,qbj,ijcf->abcpqf", sums, sums, kernel)
    return tf.reshape(found, [*found.shape[:2], channels, 4 * filters])


class PooledEncoder(keras.layers.Layer):
    """Embeds images.

    Args:
      depth: channels of a layer are its multiplier times this.
      mults: multipliers, one for each layer.
      size: height and width of the images.
      kernel_size: side of the kernels.
      strided: whether convolutions have stride 2 instead of max-pooling.
      outer: whether the first one leaves images as large as they are.

    Attributes:
      embedding_size: E, size of an embedding.

    Raises:
      ValueError: see `smallest_map`.
    """

    def __init__(
        self,
        depth: int,
        mults: Sequence[int],
        size: Sequence[int],
        kernel_size: int = 5,
        *,
        strided: bool = False,
        outer: bool = False,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        height, width = smallest_map(size, mults, outer)
        self.embedding_size = height * width * depth * mults[-1]
        resize = "stride" if strided else "pool"
        self._convs = [
            Conv(
                depth * mult,
                kernel_size,
                _LIKE if outer and not index else resize,
                dtype=self.dtype_policy,
            )
            for index, mult in enumerate(mults)
        ]

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
        """Returns the variables by the names of the golden files."""
        named: dict[str, Any] = {}
        for index, conv in enumerate(self._convs):
            named |= conv.named(f"cnn{index}")
        return named


class PooledDecoder(keras.layers.Layer):
    """Predicts the mean of images from the two parts of latent states.

    Args:
      depth: as of the encoder.
      mults: as of the encoder; their order is reversed here.
      shape: height, width and channels of the images. Those of several images
        are joined and for the caller to split.
      units: half the units of the hidden layer for the stochastic part.
      kernel_size: side of the kernels.
      blocks: of the linear layer for the deterministic part; they divide it
        and the channels of the smallest map, depth * mults[-1].
      strided: whether images grow by zeros, and not by repeated pixels.
      outer: whether they do not grow before the last convolution.
      outscale: of the last convolution's first values.

    Raises:
      ValueError: see `smallest_map`.
    """

    def __init__(
        self,
        depth: int,
        mults: Sequence[int],
        shape: Sequence[int],
        units: int,
        kernel_size: int = 5,
        *,
        blocks: int = 8,
        strided: bool = False,
        outer: bool = False,
        outscale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        policy = self.dtype_policy
        self._shape, self._blocks = tuple(shape), blocks
        channels = depth * mults[-1]
        self._first = (*smallest_map(shape[:2], mults, outer), channels)
        assert not channels % blocks, (channels, blocks)
        size = int(np.prod(self._first))
        self._deter = BlockLinear(size, blocks, dtype=policy)
        self._stoch = RMSLayer(2 * units, dtype=policy)
        self._joint = Linear(size, dtype=policy)
        self._norm = RMSNorm(dtype=policy)
        resize = "spread" if strided else "repeat"
        self._convs = [
            Conv(depth * mult, kernel_size, resize, dtype=policy)
            for mult in mults[:-1]
        ]
        self._last = Conv(
            self._shape[-1],
            kernel_size,
            _LIKE if outer else resize,
            normed=False,
            outscale=outscale,
            dtype=policy,
        )

    def build(self, deter_size: int, stoch_size: int) -> None:
        """Creates the variables for parts of such sizes, D and S."""
        self._deter.build(deter_size)
        self._stoch.build(stoch_size)
        self._joint.build(self._stoch.units)
        channels = self._first[-1]
        self._norm.build(channels)
        for conv in self._in_order():
            conv.build(channels)
            channels = conv.filters
        self.built = True

    def _in_order(self) -> list[Conv]:
        return [*reversed(self._convs), self._last]

    def call(self, deter: tf.Tensor, stoch: tf.Tensor) -> tf.Tensor:
        """Returns the mean, float32 `[..., H, W, C]`.

        Args:
          deter: `[..., D]`.
          stoch: `[..., S]`.
        """
        dtype = self.compute_dtype
        height, width, channels = self._first
        # A block's outputs are a map with a part of the channels.
        maps = self._deter(tf.cast(deter, dtype))
        run = channels // self._blocks
        maps = tf.reshape(maps, [-1, self._blocks, height, width, run])
        maps = tf.reshape(
            tf.transpose(maps, [0, 2, 3, 1, 4]), [-1, *self._first]
        )
        joint = self._joint(self._stoch(tf.cast(stoch, dtype)))
        hidden = maps + tf.reshape(joint, [-1, *self._first])
        hidden = tf.nn.silu(self._norm(hidden))
        for conv in self._in_order():
            hidden = conv(hidden)
        mean = tf.sigmoid(tf.cast(hidden, tf.float32))
        return unflatten(mean, deter, self._shape)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        named = {
            **self._deter.named("sp0"),
            **self._stoch.named("sp1"),
            **self._joint.named("sp2"),
            "spnorm/scale": self._norm.scale,
            **self._last.named("imgout"),
        }
        for index, conv in enumerate(self._convs):
            named |= conv.named(f"conv{index}")
        return named


def smallest_map(
    size: Sequence[int], mults: Sequence[int], outer: bool = False
) -> tuple[int, int]:
    """Returns height and width of the smallest map of an encoder or decoder.

    Args:
      size: height and width of the images.
      mults: one for each layer.
      outer: whether one layer does not halve.

    Raises:
      ValueError: images cannot be halved so often, or the map is not 3 to 16
        high and wide.
    """
    halvings = len(mults) - outer
    found = tuple(side / 2**halvings for side in size[:2])
    if any(s % 1 or not _SMALLEST <= s <= _LARGEST for s in found):
        raise ValueError(
            f"Images of {size[0]}x{size[1]} pixels cannot be halved {halvings} "
            f"times, by as many layers, to a side of {_SMALLEST} to "
            f"{_LARGEST}. Choose a size of {_SMALLEST * 2**halvings} to "
            f"{_LARGEST * 2**halvings} that {2**halvings} divides, or more or "
            "fewer layers."
        )
    return int(found[0]), int(found[1])
