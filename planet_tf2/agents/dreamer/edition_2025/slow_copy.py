"""A copy of a network that follows it slowly."""

from typing import Any

import tensorflow as tf

from planet_tf2.nets.module import Module


class SlowCopy(Module):
    """Another network of the kind, never trained itself.

    Args:
      network: what it follows; built.
      copy: becomes a copy of it; built.
      fraction: how far it moves towards the network.
      every: updates from one move to the next.
    """

    def __init__(
        self, network: Any, copy: Any, fraction: float = 0.02, every: int = 1
    ):
        super().__init__("slow_copy")
        self._network, self.copy = network, copy
        self._fraction, self._every = fraction, every
        self._updates = tf.Variable(
            0,
            trainable=False,
            name="updates",
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        # Checkpoints find these, but not all layers inside of layers.
        self._variables = list(copy.variables)
        for slow, fast in self._pairs():
            slow.assign(fast)

    def __call__(self, inputs: tf.Tensor) -> Any:
        return self.copy(inputs)

    def move(self) -> None:
        """Moves it, if it is time; to be called once after every update."""
        due = self._updates % self._every == 0
        fraction = tf.where(due, self._fraction, 0.0)
        for slow, fast in self._pairs():
            slow.assign(fraction * fast + (1 - fraction) * slow)
        self._updates.assign_add(1)

    def _pairs(self) -> list[tuple[Any, Any]]:
        return list(zip(self._variables, self._network.variables, strict=True))
