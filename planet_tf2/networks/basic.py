"""Feed-forward heads: from latent features to a distribution."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.networks.unit_normal import UnitNormal
from planet_tf2.tools import weights
from planet_tf2.tools.activations import get_activation
from planet_tf2.tools.layers import Dense, apply_stack, build_stack

tfd = tfp.distributions


class FeedForward(keras.layers.Layer):
    """Predicts a unit-variance normal from features.

    Args:
      shape: shape of the predicted value, `()` for a scalar.
      num_layers: hidden layers.
      units: units of each hidden layer.
      activation: of the hidden layers, see `tools.activations`.
    """

    def __init__(
        self,
        shape: Sequence[int] = (),
        num_layers: int = 3,
        units: int = 300,
        activation: str | Callable = "relu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._shape = tuple(shape)
        activation = get_activation(activation)
        self._layers_in_order = [
            Dense(units, activation, dtype=self.dtype_policy)
            for _ in range(num_layers)
        ]
        last = Dense(int(np.prod(shape)), dtype=self.dtype_policy)
        self._layers_in_order.append(last)

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries."""
        build_stack(self._layers_in_order, feature_size)
        self.built = True

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution of the value.

        Args:
          features: `[..., F]`.

        Returns:
          Distribution with batch shape `[...]` and the head's event shape.
        """
        mean = self.mean(features)
        return UnitNormal(mean, len(self._shape))

    def mean(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the mean alone, `[..., *shape]`, as planning needs it."""
        hidden = tf.reshape(features, [-1, features.shape[-1]])
        hidden = apply_stack(self._layers_in_order, hidden)
        hidden = tf.cast(hidden, tf.float32)
        shape = tf.concat([tf.shape(features)[:-1], self._shape], 0)
        mean = tf.reshape(hidden, tf.cast(shape, tf.int32))
        return tf.ensure_shape(mean, features.shape[:-1] + self._shape)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        return weights.name_dense_layers("dense", self._layers_in_order)
