"""Keeps small gradients from vanishing in float16."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_START = 2.0**15
_LEAST = 1.0


class LossScale(tf.Module):
    """A factor on the loss that is as large as the gradients allow.

    Float16 has no numbers between 0 and 6e-8 and none above 65504. So the loss
    is multiplied by a power of two before its gradients are taken, and they are
    divided by it. If they overflow, the factor is halved and the step computed
    again, so that no step is lost. After many steps without that it is doubled.

    Args:
      patience: steps without overflow before the factor is doubled.
    """

    def __init__(self, patience: int = 2000):
        super().__init__("loss_scale")
        self._patience = patience
        self.factor = tf.Variable(_START, trainable=False)
        self._calm_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def scale(self, loss: tf.Tensor) -> tf.Tensor:
        """Multiplies a loss, a scalar."""
        return loss * self.factor

    def unscale(self, gradients: Any) -> Any:
        """Divides the gradients, in whatever structure."""
        return tf.nest.map_structure(lambda g: g / self.factor, gradients)

    def repeat_while_overflowing(
        self,
        compute: Callable[[], tuple[Any, Any]],
        results: tuple[Any, Any],
        overflows: Callable[[Any], tf.Tensor],
    ) -> tuple[Any, Any]:
        """Lowers the factor until the gradients are finite.

        Args:
          compute: computes scalars and gradients with the factor as it is.
          results: what it returned the first time.
          overflows: whether the scalars tell of an overflow.

        Returns:
          The last results. They overflow if not even a factor of 1 helps.
        """

        def retry(calm: tf.Tensor, scalars: Any, gradients: Any):
            self.factor.assign(self.factor / 2)
            return tf.constant(False), *compute()

        calm, *results = tf.while_loop(
            lambda calm, scalars, gradients: (
                overflows(scalars) & (self.factor > _LEAST)
            ),
            retry,
            (tf.constant(True), *results),
        )
        none = tf.zeros_like(self._calm_steps)
        steps = tf.where(calm, self._calm_steps + 1, none)
        grow = steps >= self._patience
        self.factor.assign(tf.where(grow, self.factor * 2, self.factor))
        self._calm_steps.assign(tf.where(grow, none, steps))
        return tuple(results)
