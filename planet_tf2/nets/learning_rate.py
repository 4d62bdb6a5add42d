"""Learning rates that change in the course of training."""

import keras
import tensorflow as tf


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
