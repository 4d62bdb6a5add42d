"""Dense layers with layer normalization.

Hidden layers have no bias: activation(LayerNorm(x W)), or activation(x W). In
half precision products and activations are computed in it; normalization and
distributions are in float32 always.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets.layers import linear
from planet_tf2.nets.weights import prefix_names

EPSILON = 1e-3
Activation = str | Callable[[tf.Tensor], tf.Tensor] | None


def hidden_initializer() -> keras.initializers.Initializer:
    """Returns the one of hidden layers: normal, cut at two deviations.

    The variance is 1 / fan, fan the mean of inputs and outputs.
    """
    return keras.initializers.VarianceScaling(1, "fan_avg", "truncated_normal")


def output_initializer(outscale: float) -> keras.initializers.Initializer:
    """Returns the one of output layers: uniform, of variance outscale / fan."""
    if not outscale:
        return keras.initializers.Zeros()
    return keras.initializers.VarianceScaling(outscale, "fan_avg", "uniform")


@tf.custom_gradient
def layer_norm(
    inputs: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Normalizes the last dimension, in few passes.

    Args:
      inputs: float32 `[..., D]`.
      scale: `[D]`.
      offset: `[D]`.
    """
    centred = inputs - _mean(inputs)
    inverse = tf.math.rsqrt(_mean(tf.square(centred)) + EPSILON)
    unit = centred * inverse

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        leading = list(range(inputs.shape.rank - 1))
        d_offset = tf.reduce_sum(upstream, leading)
        d_scale = tf.reduce_sum(upstream * unit, leading)
        d_unit = upstream * scale
        along = unit * _mean(d_unit * unit)
        return inverse * (d_unit - _mean(d_unit) - along), d_scale, d_offset

    return unit * scale + offset, gradient


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, -1, keepdims=True)


class LayerNorm(keras.layers.Layer):
    """Layer normalization of the last dimension, computed in float32."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def build(self, size: int) -> None:
        """Creates the variables for inputs `[..., size]`."""
        self.scale = self.add_weight((size,), "ones", name="scale")
        self.offset = self.add_weight((size,), "zeros", name="offset")
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns `[..., D]` in float32."""
        scale, offset = (
            tf.cast(x, tf.float32) for x in (self.scale, self.offset)
        )
        return layer_norm(tf.cast(inputs, tf.float32), scale, offset)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        return {"scale": self.scale, "offset": self.offset}


class NormedDense(keras.layers.Layer):
    """A hidden layer, from `[..., D]` to `[..., units]`.

    Args:
      units: size of the outputs.
      activation: Keras' name of it, or a function.
      norm: whether to normalize.
    """

    def __init__(
        self,
        units: int,
        activation: Activation = "silu",
        norm: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = units
        self._activation = keras.activations.get(activation)
        self._norm = LayerNorm(dtype=self.dtype_policy) if norm else None

    def build(self, size: int) -> None:
        """Creates the variables for inputs `[..., size]`."""
        self.kernel = self.add_weight(
            (size, self.units), hidden_initializer(), name="kernel"
        )
        if self._norm is not None:
            self._norm.build(self.units)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = linear(flatten(inputs), [self.kernel])
        return unflatten(self.finish(outputs), inputs, [self.units])

    def finish(self, product: tf.Tensor) -> tf.Tensor:
        """Returns the outputs for inputs times kernel, `[..., units]`."""
        return finish(product, self._norm, self._activation)

    def named(self, kernel: str, norm: str) -> dict[str, Any]:
        """Returns the variables below the original names of its two parts."""
        return name_normed(self, kernel, self._norm, norm)


def finish(
    outputs: tf.Tensor, norm: LayerNorm | None, activation: Callable
) -> tf.Tensor:
    """Normalizes and activates what a layer computed, in its precision."""
    if norm is not None:
        outputs = tf.cast(norm(outputs), outputs.dtype)
    return activation(outputs)


def name_normed(
    layer: Any, kernel: str, norm: LayerNorm | None, norm_name: str
) -> dict[str, Any]:
    """Names the kernel of a layer and the variables of its normalization."""
    named = {f"{kernel}/kernel": layer.kernel}
    if norm is not None:
        named |= prefix_names(norm_name, norm.original_variables())
    return named


def flatten(inputs: tf.Tensor) -> tf.Tensor:
    """Joins the leading dimensions of `[..., D]` to one."""
    if inputs.shape.rank == 2:
        return inputs
    return tf.reshape(inputs, [-1, inputs.shape[-1]])


def unflatten(
    outputs: tf.Tensor, like: tf.Tensor, shape: Sequence[int], event: int = 1
) -> tf.Tensor:
    """Gives `[N, ...]` the leading dimensions of another tensor.

    Args:
      outputs: to be reshaped.
      like: `[..., *event]`.
      shape: what comes after the leading dimensions.
      event: how many of the last dimensions of `like` do not lead.
    """
    leading = like.shape[:-event]
    if leading.rank == 1 and outputs.shape.rank == 1 + len(shape):
        return outputs
    if leading.is_fully_defined():
        return tf.reshape(outputs, [*leading, *shape])
    known = tf.shape(like)[:-event]
    outputs = tf.reshape(outputs, tf.concat([known, list(shape)], 0))
    return tf.ensure_shape(outputs, leading + list(shape))


class MLP(keras.layers.Layer):
    """Hidden layers, from `[..., D]` to `[..., units]`.

    Args:
      num_layers: how many.
      units: units of each.
      activation: Keras' name of it, or a function.
      norm: whether to normalize.
    """

    def __init__(
        self,
        num_layers: int,
        units: int,
        activation: Activation = "silu",
        norm: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = units
        self._hidden = [
            NormedDense(units, activation, norm, dtype=self.dtype_policy)
            for _ in range(num_layers)
        ]

    def build(self, size: int) -> None:
        """Creates the variables for inputs `[..., size]`."""
        for layer in self._hidden:
            layer.build(size)
            size = layer.units
        self.built = True

    def size(self, size: int) -> int:
        """Returns the size of the outputs for inputs `[..., size]`."""
        return self.units if self._hidden else size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        for layer in self._hidden:
            inputs = layer(inputs)
        return inputs

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        named: dict[str, Any] = {}
        for index, layer in enumerate(self._hidden):
            named |= layer.named(f"dense{index}", f"norm{index}")
        return named
