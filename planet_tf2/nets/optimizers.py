"""Adam behind gradient clipping, as the original sets it up."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets.learning_rate import LearningRate


class Optimizer(tf.Module):
    """Adam with the gradient's global norm clipped.

    With gradient g, the moments m and v as usual, and step t from 1:

        w -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)

    Epsilon stands beside the uncorrected sqrt(v), as in Keras and TensorFlow
    1. At the default of 1e-4 that differs visibly from the form in which
    PyTorch adds it to the corrected one.

    Args:
      variables: what to train.
      learning_rate: lr, a number or a function of the updates so far.
      epsilon: see above.
      clipping: largest global norm of the gradient; a larger gradient is
        scaled down to it.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        learning_rate: float | LearningRate = 1e-3,
        epsilon: float = 1e-4,
        clipping: float = 1000.0,
    ):
        super().__init__("optimizer")
        self.variables_to_train = list(variables)
        self._clipping = clipping
        self._adam = keras.optimizers.Adam(learning_rate, epsilon=epsilon)
        self._adam.build(self.variables_to_train)

    def apply(
        self, gradients: Sequence[tf.Tensor], norm: tf.Tensor | None = None
    ) -> None:
        """Takes one step.

        Args:
          gradients: one for each of `variables_to_train`, the same on all
            devices.
          norm: their global norm, if it is known already.
        """
        gradients, _ = tf.clip_by_global_norm(gradients, self._clipping, norm)
        devices = tf.distribute.get_replica_context().num_replicas_in_sync
        if devices > 1:
            # Keras adds up the gradients of all devices.
            gradients = [gradient / devices for gradient in gradients]
        self._adam.apply(gradients, self.variables_to_train)
