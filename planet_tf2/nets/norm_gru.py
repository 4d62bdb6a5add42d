"""The gated recurrent unit of DreamerV2 and DreamerV3."""

from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets.layers import linear
from planet_tf2.nets.normed import LayerNorm, hidden_initializer, name_normed


class NormGRUCell(keras.layers.Layer):
    """A GRU with the reset gate after the product, which is normalized.

    With input x and state h (`[B, D]` and `[B, H]`):

        r, c, u = split(LayerNorm([x, h] W))
        c = tanh(sigmoid(r) * c)
        u = sigmoid(u - 1)
        h' = u * c + (1 - u) * h

    By the 1 the unit remembers at first.

    Args:
      units: H, size of the state.
      norm: whether to normalize.
    """

    def __init__(self, units: int, norm: bool = True, **kwargs: Any):
        # Inputs are cast below, since the state keeps its precision.
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self._norm = LayerNorm(dtype=self.dtype_policy) if norm else None

    def build(self, input_size: int) -> None:
        """Creates the variables for inputs of `input_size` entries, D."""
        self.kernel = self.add_weight(
            (input_size + self.units, 3 * self.units),
            hidden_initializer(),
            name="kernel",
        )
        if self._norm is not None:
            self._norm.build(3 * self.units)
        self.built = True

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """Returns the next state h', `[B, H]`, in the precision of h."""
        known = [tf.cast(x, self.compute_dtype) for x in (inputs, state)]
        parts = linear(tf.concat(known, -1), [self.kernel])
        if self._norm is not None:
            parts = self._norm(parts)
        reset, candidate, update = tf.split(tf.cast(parts, state.dtype), 3, -1)
        candidate = tf.tanh(tf.sigmoid(reset) * candidate)
        update = tf.sigmoid(update - 1)
        return update * candidate + (1 - update) * state

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        return name_normed(self, "gru", self._norm, "gru_norm")
