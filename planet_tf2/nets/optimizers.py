"""Adam behind gradient clipping, and learning rates that change."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.nets.module import Module


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A warm-up, then a decay to a last value, which stays.

        rate |      __
             |    /    \\__            warmup: from rate / warmup on, linearly
             |  /         \\______     decay:  linear or exponential
             |_/_________________
               warmup   decay          updates

    It is a function of the number of updates alone, which the optimizer keeps
    in its checkpoints.

    Args:
      rate: the learning rate between warm-up and decay.
      schedule: `constant`, `linear` or `exponential`.
      warmup: updates until it reaches the rate; none by default.
      decay: updates from the end of the warm-up to the last value.
      final: the last value as a fraction of the rate; above 0 for an
        exponential decay.
    """

    def __init__(
        self,
        rate: float,
        schedule: str = "constant",
        warmup: int = 0,
        decay: int = 1,
        final: float = 1.0,
    ):
        self._rate = rate
        self._schedule = schedule
        self._warmup = warmup
        self._decay = decay
        self._final = final

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Returns the rate of an update.

        Args:
          step: updates before it.
        """
        step = tf.cast(tf.convert_to_tensor(step), tf.float32)
        risen = 1.0
        if self._warmup:
            risen = tf.minimum(1.0, (step + 1) / self._warmup)
        done = tf.clip_by_value((step - self._warmup) / self._decay, 0.0, 1.0)
        return self._rate * risen * self._decayed(done)

    def _decayed(self, done: tf.Tensor) -> tf.Tensor | float:
        if self._schedule == "linear":
            return 1 + (self._final - 1) * done
        if self._schedule == "exponential":
            return tf.pow(self._final, done)
        return 1.0


class Optimizer(Module):
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
        # Otherwise checkpoints would hold the rate in the type of keras.json.
        usual = keras.config.floatx()
        keras.config.set_floatx("float32")
        self._adam = keras.optimizers.Adam(learning_rate, epsilon=epsilon)
        keras.config.set_floatx(usual)
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
        else:
            self._apply_fused(gradients)

    def _apply_fused(self, gradients: Sequence[tf.Tensor]) -> None:
        """Does what Keras does, by one operation for each variable."""
        adam = self._adam
        updates = tf.cast(adam.iterations + 1, tf.float32)
        settings = {
            "lr": adam.learning_rate,
            "beta1": adam.beta_1,
            "beta2": adam.beta_2,
            "beta1_power": tf.pow(adam.beta_1, updates),
            "beta2_power": tf.pow(adam.beta_2, updates),
            "epsilon": adam.epsilon,
        }
        moments = adam._momentums, adam._velocities
        for variables, gradient in zip(
            zip(self.variables_to_train, *moments, strict=True),
            gradients,
            strict=True,
        ):
            var, m, v = (
                x.handle if isinstance(x, tf.Variable) else x.value.handle
                for x in variables
            )
            tf.raw_ops.ResourceApplyAdam(
                var=var, m=m, v=v, grad=gradient, **settings
            )
        adam.iterations.assign_add(1)
