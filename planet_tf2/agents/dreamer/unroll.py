"""A step of a recurrent model, applied through time."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.nets.layers import in_steps

# Steps that stand in a graph one after the other, at most. A loop is built
# sooner, but adds up the gradient of the weights step by step.
LONGEST = 64


def unroll(
    step: Callable[[Any, Sequence[tf.Tensor]], Any],
    state: Any,
    inputs: Sequence[tf.Tensor],
) -> Any:
    """Applies a step to every time step of some inputs.

    Args:
      step: from a state and the inputs of a time step, `[B, ...]`, to the next
        state, in the structure and types of the state.
      state: nested tensors `[B, ...]`.
      inputs: tensors `[T, B, ...]`.

    Returns:
      The states after each step, `[B, T, ...]`.
    """
    length = inputs[0].shape[0]
    if length is None or not 1 <= length <= LONGEST:
        states = tf.scan(step, tuple(inputs), state)
        return tf.nest.map_structure(time_major, states)
    results = []
    with in_steps(length):
        for entries in zip(*map(tf.unstack, inputs), strict=True):
            state = step(state, entries)
            results.append(state)
    return tf.nest.map_structure(lambda *s: tf.stack(s, 1), *results)


def time_major(tensor: tf.Tensor) -> tf.Tensor:
    """Swaps batch and time, `[B, T, ...]` to `[T, B, ...]` or back."""
    tensor = tf.convert_to_tensor(tensor)
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
