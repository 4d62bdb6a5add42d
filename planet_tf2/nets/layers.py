"""Dense layers and biases that can be trained in half precision."""

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf


class Dense(keras.layers.Dense):
    """Keras' dense layer with the bias of `add_bias`, for inputs `[N, D]`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel, bias = (
            cast_weight(x, inputs.dtype) for x in (self.kernel, self.bias)
        )
        return self.activation(add_bias(tf.matmul(inputs, kernel), bias))


# Tensors by the identity of the variable that they are the value of.
_cast: contextvars.ContextVar[Mapping[int, tf.Tensor] | None]
_cast = contextvars.ContextVar("cast", default=None)


@contextlib.contextmanager
def cast_before(variables: Iterable[Any], dtype: str) -> Iterator[None]:
    """Reads and casts weights once for all that happens in a `with` block.

    A layer that is used in each step of a loop does so each time, which in half
    precision takes as long as a small product. Not for training: what is cast
    before a loop gets a gradient that is summed in half precision.
    """
    token = _cast.set({id(x): tf.cast(x, dtype) for x in variables})
    try:
        yield
    finally:
        _cast.reset(token)


def cast_weight(variable: Any, dtype: tf.DType) -> tf.Tensor:
    """Returns a weight in another precision."""
    known = (_cast.get() or {}).get(id(variable))
    return tf.cast(variable if known is None else known, dtype)


def build_stack(layers: Sequence[Dense], input_size: int) -> None:
    """Creates the variables of layers that are applied one after the other."""
    for layer in layers:
        layer.build((None, input_size))
        input_size = layer.units


def apply_stack(layers: Sequence[Dense], inputs: tf.Tensor) -> tf.Tensor:
    """Applies layers one after the other to `[N, D]`."""
    for layer in layers:
        inputs = layer(inputs)
    return inputs


def apply_side_by_side(
    layers: Sequence[Dense], inputs: tf.Tensor
) -> list[tf.Tensor]:
    """Applies linear layers to the same `[N, D]`, in one product.

    Small products take as long to set up as to compute.
    """
    kernel, bias = (
        tf.concat([cast_weight(x, inputs.dtype) for x in parts], -1)
        for parts in zip(*((x.kernel, x.bias) for x in layers), strict=True)
    )
    outputs = add_bias(tf.matmul(inputs, kernel), bias)
    return tf.split(outputs, [layer.units for layer in layers], -1)


def add_bias(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Adds a bias to the last dimension.

    Same as `tf.nn.bias_add`, whose gradient in half precision is wrong for
    large batches. It sums in half precision too, and in bfloat16 adding 1 to
    256 changes nothing. Matrix products keep their sums in float32.

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
        rows = tf.reshape(upstream, [-1, upstream.shape[-1]])
        ones = tf.ones([1, tf.shape(rows)[0]], rows.dtype)
        return upstream, tf.matmul(ones, rows)[0]

    return tf.nn.bias_add(outputs, bias), gradient
