"""Dense layers with RMS normalization, of DreamerV3 as of 2025.

Hidden layers are SiLU(RMS(x W + b)). In half precision products and activations
are computed in it; normalization is in float32 always.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets.layers import add_bias, cast_weight, linear
from planet_tf2.nets.normed import flatten, unflatten

EPSILON = 1e-4


def trunc_normal_in(outscale: float = 1.0) -> keras.initializers.Initializer:
    """Returns the initializer of all kernels: normal, cut at two deviations.

    The deviation is outscale / sqrt(fan), where fan counts all inputs: of a
    convolution those of its whole kernel, of a block-diagonal layer those of
    all blocks.
    """
    if not outscale:
        return keras.initializers.Zeros()
    return keras.initializers.VarianceScaling(
        outscale**2, "fan_in", "truncated_normal"
    )


@tf.custom_gradient
def rms_norm(inputs: tf.Tensor, scale: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Divides by the root mean square of the last dimension, in few passes.

    Args:
      inputs: float32 `[..., D]`.
      scale: of the results, `[D]`.
    """
    inverse = tf.math.rsqrt(_mean(tf.square(inputs)) + EPSILON)
    unit = inputs * inverse

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        leading = list(range(inputs.shape.rank - 1))
        d_scale = tf.reduce_sum(upstream * unit, leading)
        d_unit = upstream * scale
        return inverse * (d_unit - unit * _mean(d_unit * unit)), d_scale

    return unit * scale, gradient


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, -1, keepdims=True)


class RMSNorm(keras.layers.Layer):
    """RMS normalization of the last dimension, computed in float32."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def build(self, size: int) -> None:
        """Creates the variable for inputs `[..., size]`."""
        self.scale = self.add_weight((size,), "ones", name="scale")
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `[..., D]` in the precision of the inputs."""
        scale = tf.cast(self.scale, tf.float32)
        outputs = rms_norm(tf.cast(inputs, tf.float32), scale)
        return tf.cast(outputs, inputs.dtype)


class Linear(keras.layers.Layer):
    """A linear layer with a bias, from `[..., D]` to `[..., units]`.

    Args:
      units: size of the outputs.
      outscale: of the kernel's first values, see `trunc_normal_in`.
    """

    def __init__(self, units: int, outscale: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.units, self._outscale = units, outscale

    def build(self, size: int) -> None:
        """Creates the variables for inputs `[..., size]`."""
        self._add_weights((size, self.units))

    def _add_weights(self, shape: tuple[int, ...]) -> None:
        start = trunc_normal_in(self._outscale)
        self.kernel = self.add_weight(shape, start, name="kernel")
        self.bias = self.add_weight((self.units,), "zeros", name="bias")
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.add_bias(self.product(inputs))

    def product(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns inputs times kernel, `[..., units]`."""
        outputs = linear(flatten(inputs), [self.kernel])
        return unflatten(outputs, inputs, [self.units])

    def add_bias(self, product: tf.Tensor) -> tf.Tensor:
        """Adds the bias to `[..., units]`."""
        return add_bias(product, cast_weight(self.bias, product.dtype))

    def named(self, name: str) -> dict[str, Any]:
        """Returns the variables below a name."""
        return {f"{name}/kernel": self.kernel, f"{name}/bias": self.bias}


class BlockLinear(Linear):
    """A linear layer that is block-diagonal.

    Inputs and outputs are cut into runs. A run of outputs depends on its run of
    inputs, and on more that all of them share.

    Args:
      units: size of the outputs, a multiple of the number of blocks.
      blocks: how many there are, g.
      outscale: of the kernel's first values.
    """

    def __init__(
        self, units: int, blocks: int, outscale: float = 1.0, **kwargs: Any
    ):
        super().__init__(units, outscale, **kwargs)
        _check_divides(blocks, units)
        self._blocks, self._own = blocks, 0

    def build(self, size: int, shared: int = 0) -> None:
        """Creates the variables.

        Args:
          size: D, of the inputs that are cut, a multiple of g.
          shared: S, of those that all blocks see behind their own.
        """
        _check_divides(self._blocks, size)
        self._own = size // self._blocks
        run = self.units // self._blocks
        self._add_weights((self._blocks, self._own + shared, run))

    def call(
        self, inputs: tf.Tensor, shared: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns `[..., units]` for `[..., D]` and shared `[..., S]`."""
        return self.add_bias(self.product(inputs, shared))

    def product(
        self, inputs: tf.Tensor, shared: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns inputs times kernel, `[..., units]`."""
        kernel = cast_weight(self.kernel, inputs.dtype)
        if shared is None:
            return block_product(inputs, kernel)
        own, rest = self.parts(kernel)
        product = tf.matmul(flatten(shared), rest)
        product = unflatten(product, inputs, [self.units])
        return block_product(inputs, own) + product

    def parts(self, kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what a kernel has for runs and for shared inputs.

        Returns:
          `[g, D / g, units / g]` and `[S, units]`.
        """
        own, rest = kernel[:, : self._own], kernel[:, self._own :]
        rest = tf.transpose(rest, [1, 0, 2])
        return own, tf.reshape(rest, [rest.shape[0], self.units])


def block_product(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiplies each run of the last dimension by a matrix of its own.

    Args:
      inputs: `[..., D]`.
      kernel: `[g, D / g, n]`.

    Returns:
      `[..., g * n]`.
    """
    blocks, own, run = kernel.shape
    runs = tf.reshape(inputs, [-1, blocks, own])
    product = tf.matmul(tf.transpose(runs, [1, 0, 2]), kernel)
    product = tf.transpose(product, [1, 0, 2])
    product = tf.reshape(product, [-1, blocks * run])
    return unflatten(product, inputs, [blocks * run])


def _check_divides(blocks: int, size: int) -> None:
    if size % blocks:
        raise ValueError(
            f"{size} entries cannot be cut into {blocks} blocks of one size. "
            "Choose a number of blocks that divides them."
        )


class RMSLayer(keras.layers.Layer):
    """A hidden layer: linear, normalized, SiLU.

    Args:
      units: size of the outputs.
      blocks: of a block-diagonal linear layer; 0 for a full one.
    """

    def __init__(self, units: int, blocks: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.units = units
        self.linear = (
            BlockLinear(units, blocks, dtype=policy)
            if blocks
            else Linear(units, dtype=policy)
        )
        self.norm = RMSNorm(dtype=policy)

    def build(self, *sizes: int) -> None:
        """Creates the variables for inputs of sizes as the linear layer has."""
        self.linear.build(*sizes)
        self.norm.build(self.units)
        self.built = True

    def call(self, *inputs: tf.Tensor) -> tf.Tensor:
        return self.finish(self.linear.product(*inputs))

    def finish(self, product: tf.Tensor) -> tf.Tensor:
        """Returns the outputs for inputs times kernel, `[..., units]`."""
        return self.activate(self.linear.add_bias(product))

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the outputs for those of the linear layer."""
        return tf.nn.silu(self.norm(outputs))

    def named(self, linear: str, norm: str | None = None) -> dict[str, Any]:
        """Returns the variables below names of its two parts."""
        norm = norm or f"{linear}norm"
        return {**self.linear.named(linear), f"{norm}/scale": self.norm.scale}


class RMSMLP(keras.layers.Layer):
    """Hidden layers one after the other.

    Args:
      num_layers: how many.
      units: units of each.
    """

    def __init__(self, num_layers: int, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self._units = units
        self._hidden = [
            RMSLayer(units, dtype=self.dtype_policy) for _ in range(num_layers)
        ]

    def build(self, size: int) -> None:
        """Creates the variables for inputs `[..., size]`."""
        for layer in self._hidden:
            layer.build(size)
            size = layer.units
        self.built = True

    def size(self, size: int) -> int:
        """Returns the size of the outputs for inputs `[..., size]`."""
        return self._units if self._hidden else size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        for layer in self._hidden:
            inputs = layer(inputs)
        return inputs

    def named(self, linear: str, norm: str | None = None) -> dict[str, Any]:
        """Returns the variables by patterns such as `mlp{}`."""
        named: dict[str, Any] = {}
        for index, layer in enumerate(self._hidden):
            norm_name = None if norm is None else norm.format(index)
            named |= layer.named(linear.format(index), norm_name)
        return named
