"""Actors that remember a state: one step of theirs as a pure function."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents.agent import Actor, State
from planet_tf2.tools import seeds

_map = tf.nest.map_structure


class RecurrentActor(Actor):
    """Keeps in variables what `step` has to remember of every environment.

    That is a dictionary of nested tensors `[B, ...]`; its `latent` is the state
    of the agent's model, of the last observation.

    Args:
      name: of the module.
      batch_size: B, environments.
    """

    def __init__(self, name: str, batch_size: int):
        super().__init__(name)
        self._memory = _map(
            lambda x: tf.Variable(x, trainable=False), self.initial(batch_size)
        )

    def initial(self, count: int | tf.Tensor) -> dict[str, State]:
        """Returns what there is to remember before an episode, `[N, ...]`."""
        raise NotImplementedError

    def step(
        self,
        memory: dict[str, State],
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, State]]:
        """Observes and chooses actions; see `perform`.

        Args:
          memory: of `initial`, or of the last step.
          observ: `[N, ...]` by name.
          explore: 0 as a Python number keeps all that explores out of the
            graph.
          seed: int32 `[2]`.

        Returns:
          Actions `[N, ...]`, and what is to be remembered.
        """
        raise NotImplementedError

    @property
    def state(self) -> State:
        return _map(tf.identity, self._memory["latent"])

    def begin_episode(self, indices: tf.Tensor) -> None:
        self._assign(indices, self.initial(tf.shape(indices)[0]))

    def perform(
        self,
        indices: tf.Tensor,
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor = 0.0,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        seed = seeds.new_seed() if seed is None else seed
        memory = _map(lambda x: tf.gather(x, indices), self._memory)
        action, memory = self.step(memory, observ, explore, seed)
        self._assign(indices, memory)
        return action

    def _assign(self, indices: tf.Tensor, rows: Mapping[str, Any]) -> None:
        indices = tf.cast(indices, tf.int64)[:, None]
        for name, values in rows.items():
            _map(
                lambda variable, x: variable.scatter_nd_update(indices, x),
                self._memory[name],
                values,
            )
