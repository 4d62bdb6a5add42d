"""Feed-forward heads: from latent features to a distribution."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets import weights
from planet_tf2.nets.distributions import make_distribution
from planet_tf2.nets.layers import Dense, apply_stack, build_stack

tfd = tfp.distributions


LEARNED = "learned"
_MIN_STDDEV = 0.01


class FeedForward(keras.layers.Layer):
    """Predicts a distribution, by default a unit-variance normal.

    Args:
      shape: shape of the predicted value, `()` for a scalar.
      num_layers: hidden layers.
      units: units of each hidden layer.
      activation: of the hidden layers, Keras' name of it or a function.
      dist: kind of distribution, see `nets.distributions`.
      stddev: standard deviation of the normal; `learned` predicts it by one
        more layer, as softplus(x + 0.55) + 0.01, which starts close to 1.
      bounds: smallest and largest value that bounded distributions have.
    """

    def __init__(
        self,
        shape: Sequence[int] = (),
        num_layers: int = 3,
        units: int = 300,
        activation: str | Callable | None = "relu",
        dist: str = "normal",
        stddev: float | str = 1.0,
        bounds: Sequence[float] = (-1.0, 1.0),
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._shape = tuple(shape)
        self._dist, self._bounds = dist, tuple(bounds)
        self._stddev = stddev

        def dense(units: int, function: str | Callable | None = None) -> Dense:
            return Dense(units, function, dtype=self.dtype_policy)

        self._layers_in_order = [
            dense(units, activation) for _ in range(num_layers)
        ]
        size = int(np.prod(shape))
        self._layers_in_order.append(dense(size))
        self._stddev_layer = dense(size) if stddev == LEARNED else None

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries."""
        build_stack(self._layers_in_order, feature_size)
        if self._stddev_layer is not None:
            last = self._layers_in_order[-1].kernel.shape[0]
            self._stddev_layer.build((None, last))
        self.built = True

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution of the value.

        Args:
          features: `[..., F]`.

        Returns:
          Distribution with batch shape `[...]` and the head's event shape.
        """
        hidden = self._hidden(features)
        return make_distribution(
            self._dist,
            self._arrange(self._layers_in_order[-1](hidden), features),
            self._predict_stddev(hidden, features),
            self._bounds,
            len(self._shape),
        )

    def mean(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the mean alone, `[..., *shape]`, as planning needs it."""
        if self._dist not in ("normal", "deterministic"):
            return self(features).mean()
        location = self._layers_in_order[-1](self._hidden(features))
        return self._arrange(location, features)

    def _hidden(self, features: tf.Tensor) -> tf.Tensor:
        hidden = tf.reshape(features, [-1, features.shape[-1]])
        return apply_stack(self._layers_in_order[:-1], hidden)

    def _predict_stddev(
        self, hidden: tf.Tensor, features: tf.Tensor
    ) -> float | tf.Tensor:
        if self._stddev_layer is None:
            return float(self._stddev)
        raw = self._arrange(self._stddev_layer(hidden), features)
        return tf.nn.softplus(raw + 0.55) + _MIN_STDDEV

    def _arrange(self, outputs: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Gives a layer's outputs the shape of the value, in float32."""
        outputs = tf.cast(outputs, tf.float32)
        shape = tf.concat([tf.shape(features)[:-1], self._shape], 0)
        outputs = tf.reshape(outputs, tf.cast(shape, tf.int32))
        return tf.ensure_shape(outputs, features.shape[:-1] + self._shape)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        layers = [*self._layers_in_order]
        if self._stddev_layer is not None:
            layers.append(self._stddev_layer)
        return weights.name_dense_layers("dense", layers)
