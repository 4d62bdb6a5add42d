"""The gated recurrent unit as the original computes it."""

from typing import Any

import keras
import tensorflow as tf


class GRUCell(keras.layers.Layer):
    """A GRU with the reset gate before the recurrent product.

    With input x and state h (`[B, D]` and `[B, H]`):

        r, u = split(sigmoid([x, h] W_gates + b_gates))
        c = tanh([x, r * h] W_candidate + b_candidate)
        h' = u * h + (1 - u) * c

    The gates' bias starts at 1, so that the unit remembers at first; kernels
    are Glorot-uniform over input and state together. Keras' own `GRUCell`
    orders the gates differently and starts its recurrent kernel orthogonal.

    Args:
      units: H, size of the state.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_size: int) -> None:
        """Creates the variables for inputs of `input_size` entries, D."""
        size = input_size + self.units
        self.gates_kernel = self.add_weight(
            (size, 2 * self.units), "glorot_uniform", name="gates_kernel"
        )
        self.gates_bias = self.add_weight(
            (2 * self.units,), "ones", name="gates_bias"
        )
        self.candidate_kernel = self.add_weight(
            (size, self.units), "glorot_uniform", name="candidate_kernel"
        )
        self.candidate_bias = self.add_weight(
            (self.units,), "zeros", name="candidate_bias"
        )
        self.built = True

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """Returns the next state, `[B, H]`."""
        gates = tf.concat([inputs, state], -1) @ self.gates_kernel
        gates = tf.sigmoid(gates + self.gates_bias)
        reset, update = tf.split(gates, 2, -1)
        candidate = tf.concat([inputs, reset * state], -1)
        candidate = candidate @ self.candidate_kernel + self.candidate_bias
        return update * state + (1 - update) * tf.tanh(candidate)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        return {
            "gates/kernel": self.gates_kernel,
            "gates/bias": self.gates_bias,
            "candidate/kernel": self.candidate_kernel,
            "candidate/bias": self.candidate_bias,
        }
