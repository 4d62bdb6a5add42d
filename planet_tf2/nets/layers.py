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
        return self.activation(linear(inputs, [self.kernel], [self.bias]))


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


class _Steps:
    """Layers that are applied in each of some steps; see `in_steps`."""

    def __init__(self, length: int):
        self.graph = tf.compat.v1.get_default_graph()
        self._length = length
        self._known: dict[Any, tuple] = {}

    def linear(
        self, inputs: tf.Tensor, kernels: Sequence, biases: Sequence
    ) -> tf.Tensor:
        """See the function of this name."""
        key = *map(id, kernels), inputs.shape[0], inputs.dtype
        kernel, seen, places, _ = self._known.get(key, (None, [], [], None))
        if len(seen) == len(places):  # The first step, or used up.
            kernel, seen, places = self._prepare(inputs, kernels, biases)
            # With the kernels, lest others get their identity.
            self._known[key] = kernel, seen, places, kernels
        seen.append(inputs)
        return tf.matmul(inputs, kernel) + places[len(seen) - 1]

    def _prepare(
        self, inputs: tf.Tensor, kernels: Sequence, biases: Sequence
    ) -> tuple[tf.Tensor, list, list]:
        """Returns kernel, an empty list for inputs, and what to add to outputs.

        That is the bias, and nothing for the kernel; but the gradients of both
        come back through it, those of all steps at once.
        """
        seen: list[tf.Tensor] = []
        rows = self._length * tf.shape(inputs)[0]

        @tf.custom_gradient
        def nothing(kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                known = tf.concat(seen, 0)
                upstream = upstream[: tf.shape(known)[0]]
                return tf.matmul(known, upstream, transpose_a=True)

            return tf.zeros([rows, kernel.shape[1]], kernel.dtype), gradient

        kernel = _joined(kernels, inputs.dtype)
        added = nothing(kernel)
        if biases:
            added = add_bias(added, _joined(biases, inputs.dtype))
        places = tf.split(added, self._length)
        return tf.stop_gradient(kernel), seen, places


_steps: contextvars.ContextVar[_Steps | None]
_steps = contextvars.ContextVar("steps", default=None)


@contextlib.contextmanager
def in_steps(length: int) -> Iterator[None]:
    """Sums gradients of weights over steps, by one product for each layer.

    For steps that stand in a graph one after the other. Else there is a product
    of few rows for each step, and a sum of as many gradients.

    Args:
      length: how many steps there are inside of the `with` block.
    """
    token = _steps.set(_Steps(length))
    try:
        yield
    finally:
        _steps.reset(token)


def linear(
    inputs: tf.Tensor, kernels: Sequence[Any], biases: Sequence[Any] = ()
) -> tf.Tensor:
    """Multiplies `[N, D]` by kernels side by side, and adds their biases."""
    steps = _steps.get()
    # Not within branches or loops inside of a step.
    if steps and steps.graph is tf.compat.v1.get_default_graph():
        return steps.linear(inputs, kernels, biases)
    outputs = tf.matmul(inputs, _joined(kernels, inputs.dtype))
    if biases:
        outputs = add_bias(outputs, _joined(biases, inputs.dtype))
    return outputs


def _joined(weights: Sequence[Any], dtype: tf.DType) -> tf.Tensor:
    parts = [cast_weight(x, dtype) for x in weights]
    return parts[0] if len(parts) == 1 else tf.concat(parts, -1)


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
    kernels, biases = zip(*((x.kernel, x.bias) for x in layers), strict=True)
    outputs = linear(inputs, kernels, biases)
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
