"""The gated recurrent unit as the original computes it."""

from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets.layers import add_bias, cast_weight, linear


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
        # Inputs are cast below, since the state keeps its precision.
        super().__init__(autocast=False, **kwargs)
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

    def call(
        self, inputs: tf.Tensor, state: tf.Tensor, skip: int = 0
    ) -> tf.Tensor:
        """Computes the next state.

        Args:
          inputs: x, `[B, D - skip]`.
          state: h, `[B, H]`.
          skip: how many of the first inputs are zero and have been left out.

        Returns:
          h', `[B, H]`, in the precision of h.
        """
        inputs = tf.cast(inputs, self.compute_dtype)
        known = tf.cast(state, self.compute_dtype)
        gates = self._product(
            [inputs, known], self.gates_kernel, self.gates_bias, skip
        )
        reset, update = tf.split(tf.sigmoid(gates), 2, -1)
        candidate = self._product(
            [inputs, reset * known],
            self.candidate_kernel,
            self.candidate_bias,
            skip,
        )
        candidate = tf.tanh(candidate)
        update = tf.cast(update, state.dtype)
        candidate = tf.cast(candidate, state.dtype)
        return update * state + (1 - update) * candidate

    def _product(
        self, inputs: list[tf.Tensor], kernel: Any, bias: Any, skip: int
    ) -> tf.Tensor:
        joined = tf.concat(inputs, -1)
        if not skip:
            return linear(joined, [kernel], [bias])
        kernel, bias = (
            cast_weight(x, self.compute_dtype) for x in (kernel, bias)
        )
        return add_bias(joined @ kernel[skip:], bias)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        return {
            "gates/kernel": self.gates_kernel,
            "gates/bias": self.gates_bias,
            "candidate/kernel": self.candidate_kernel,
            "candidate/bias": self.candidate_bias,
        }
