"""The actor's network: from features to a distribution of actions."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.nets import DistributionHead
from planet_tf2.nets.one_hot import gumbel
from planet_tf2.tools import seeds


class Policy(DistributionHead):
    """Predicts the distribution of actions as vectors.

    Boxes are between -1 and 1, choices are one-hot vectors, and several of
    them are joined to one vector.

    Args:
      size: A, entries of an action.
      num_layers: hidden layers.
      units: units of each hidden layer.
      dist: `onehot` for choices; `normal` or `trunc_normal` for boxes.
      sizes: how many classes each choice has, if there are several.
      settings: see `DistributionHead`.
    """

    def __init__(
        self,
        size: int,
        num_layers: int,
        units: int,
        dist: str,
        *,
        sizes: Sequence[int] | None = None,
        **settings: Any,
    ):
        super().__init__(
            (size,), num_layers, units, dist, sizes=sizes, **settings
        )
        self.size, self.discrete = size, dist == "onehot"
        self._choices = (sizes or [size]) if self.discrete else None

    def noise(self, seed: tf.Tensor, shape: Sequence[Any]) -> tf.Tensor:
        """Draws what makes samples by `sample_from`, `[*shape, A]`."""
        draw = gumbel if self.discrete else seeds.normal
        return draw(seed, [*shape, self.size])

    def numbers(self, action: tf.Tensor) -> tf.Tensor:
        """Returns the numbers of choices, `[..., n]`; boxes as they are."""
        if self._choices is None:
            return action
        parts = tf.split(action, self._choices, -1)
        return tf.stack([tf.argmax(x, -1, tf.int32) for x in parts], -1)

    def uniform(self, seed: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
        """Draws actions that are all equally likely, `[count, A]`."""
        if self._choices is None:
            shape = [count, self.size]
            return tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
        parts = tf.split(self.noise(seed, [count]), self._choices, -1)
        return tf.concat(
            [tf.one_hot(tf.argmax(x, -1), x.shape[-1]) for x in parts], -1
        )
