"""The agent: filters what it sees, plans, executes the first action."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.tools import seeds


class MPCAgent(tf.Module):
    """Model-predictive control in latent space (algorithm 1 of the paper).

    One object serves a batch of agents, each in its own environment. The
    belief and the last executed action of every agent are kept in variables,
    so that the methods work inside a `tf.function`. `agent_indices: [N]` tells
    which of the agents a call is about.

    Args:
      batch_size: number of agents.
      action_size: A, entries of an action.
      cell: latent cell, built.
      encoder: maps preprocessed images `[N, ...]` to embeddings `[N, E]`.
      preprocess: maps stored images and a seed to preprocessed images.
      planner: maps states `[N, ...]` and a seed to plans `[N, H, A]`.
    """

    def __init__(
        self,
        batch_size: int,
        action_size: int,
        cell: Any,
        encoder: Callable[[tf.Tensor], tf.Tensor],
        preprocess: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        planner: Callable[[dict[str, tf.Tensor], tf.Tensor], tf.Tensor],
    ):
        super().__init__("mpc_agent")
        self._cell = cell
        self._encoder = encoder
        self._preprocess = preprocess
        self._planner = planner
        self._state = {
            name: tf.Variable(value, trainable=False)
            for name, value in cell.zero_state(batch_size).items()
        }
        self._prev_action = tf.Variable(
            tf.zeros([batch_size, action_size]), trainable=False
        )

    @property
    def state(self) -> dict[str, tf.Tensor]:
        """What the agents believe, tensors `[B, ...]`."""
        return {name: tf.identity(v) for name, v in self._state.items()}

    def begin_episode(self, agent_indices: tf.Tensor) -> None:
        """Forgets state and previous action of these agents, no others."""
        for variable in [*self._state.values(), self._prev_action]:
            zeros = tf.zeros_like(tf.gather(variable, agent_indices))
            _assign_rows(variable, agent_indices, zeros)

    def perform(
        self,
        agent_indices: tf.Tensor,
        observ: dict[str, tf.Tensor],
        action_noise: float | tf.Tensor = 0.0,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Observes and chooses an action for each of the given agents.

        Args:
          agent_indices: int `[N]`.
          observ: observations; `image`, uint8 `[N, ...]`, is used.
          action_noise: standard deviation of the exploration noise, which is
            added after planning; the sum is clipped to [-1, 1].
          seed: int32 `[2]`, determines all randomness of the decision.

        Returns:
          Actions `[N, A]`. They are remembered as executed.
        """
        seed = seeds.new_seed() if seed is None else seed
        image_seed, state_seed, plan_seed, noise_seed = seeds.split(seed, 4)
        embedded = self._encoder(self._preprocess(observ["image"], image_seed))
        prev_state = {
            name: tf.gather(variable, agent_indices)
            for name, variable in self._state.items()
        }
        prev_action = tf.gather(self._prev_action, agent_indices)
        latent_noise = tf.random.stateless_normal(
            tf.shape(prev_state["sample"]), state_seed
        )
        state = self._cell.posterior(
            prev_state, prev_action, embedded, latent_noise
        )
        action = self._planner(state, plan_seed)[:, 0]
        exploration = tf.random.stateless_normal(tf.shape(action), noise_seed)
        action = tf.clip_by_value(action + action_noise * exploration, -1, 1)
        for name, variable in self._state.items():
            _assign_rows(variable, agent_indices, state[name])
        _assign_rows(self._prev_action, agent_indices, action)
        return action

    def experience(
        self,
        agent_indices: tf.Tensor,
        observ: dict[str, tf.Tensor],
        action: tf.Tensor,
        reward: tf.Tensor,
        done: tf.Tensor,
    ) -> None:
        """Is told what came of an action. This agent learns from disk."""

    def end_episode(self, agent_indices: tf.Tensor) -> None:
        """Is told that these agents' episodes are over."""


def _assign_rows(
    variable: tf.Variable, indices: tf.Tensor, rows: tf.Tensor
) -> None:
    indices = tf.cast(indices, tf.int64)
    variable.scatter_nd_update(indices[:, None], rows)
