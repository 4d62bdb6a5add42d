"""Offsets and scales of returns, values and advantages (edition 2025)."""

import tensorflow as tf

from planet_tf2.agents.dreamer.returns import percentiles
from planet_tf2.nets.module import Module

KINDS = ("none", "perc", "meanstd")


class Normalizer(Module):
    """Follows how large values are, in exponential moving averages.

        e := (1 - rate) e + rate x, from 0 on

    `perc` follows two percentiles, which are offset and, by their distance,
    scale; `meanstd` the mean and that of squares, from which the standard
    deviation follows; `none` nothing: offset 0, scale 1. A state is
    float32 `[3]`: both averages, and that of 1, by which they can be divided
    so that they do not begin near zero.

    Args:
      kind: one of `KINDS`.
      rate: see above.
      limit: the smallest scale.
      low, high: percentiles of `perc`.
      debias: whether averages are divided by that of 1, or by the rate if that
        is larger.

    Attributes:
      state: what is known so far.

    Raises:
      ValueError: there is no such kind.
    """

    def __init__(
        self,
        kind: str = "none",
        rate: float = 0.01,
        limit: float = 1e-8,
        low: float = 5.0,
        high: float = 95.0,
        *,
        debias: bool = True,
    ):
        super().__init__("normalizer")
        if kind not in KINDS:
            raise ValueError(
                f"There is no normalizer {kind!r}. Choose one of "
                f"{', '.join(KINDS)}."
            )
        self._kind, self._rate, self._limit = kind, rate, limit
        self._fractions, self._debias = (low / 100, high / 100), debias
        self.state = tf.Variable(
            tf.zeros([3]),
            trainable=False,
            name="state",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def moved(self, state: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Returns what a state becomes by values of all devices, any shape."""
        if self._kind == "none":
            return state
        values = tf.reshape(tf.stop_gradient(values), [-1])
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            values = context.all_gather(values, 0)
        if self._kind == "perc":
            seen = tf.unstack(percentiles(values, self._fractions))
        else:
            seen = [tf.reduce_mean(values), tf.reduce_mean(tf.square(values))]
        seen = tf.stack([*seen, 1.0])
        return (1 - self._rate) * state + self._rate * seen

    def offset_and_scale(self, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what to subtract from values, and then divide them by."""
        if self._kind == "none":
            return tf.constant(0.0), tf.constant(1.0)
        first, second, weight = tf.unstack(state)
        if self._debias:
            weight = tf.maximum(weight, self._rate)
            first, second = first / weight, second / weight
        if self._kind == "perc":
            return first, tf.maximum(self._limit, second - first)
        deviation = tf.sqrt(tf.nn.relu(second - tf.square(first)))
        return first, tf.maximum(deviation, self._limit)
