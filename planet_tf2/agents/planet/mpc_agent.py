"""The agent: filters what it sees, plans, executes the first action."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents.agent import Actor
from planet_tf2.tools import seeds

_map = tf.nest.map_structure


class MPCAgent(Actor):
    """Model-predictive control in latent space (algorithm 1 of the paper).

    One object serves a batch of agents, each in its own environment. The
    belief and the last executed action of every agent are kept in variables,
    so that the methods work inside a `tf.function`.

    Args:
      batch_size: number of agents.
      action_size: A, entries of an action.
      model: the world model; its `preprocess`, `encoder` and `cell` are used.
      planner: maps states `[N, ...]` and a seed to plans `[N, H, A]`.
    """

    def __init__(
        self,
        batch_size: int,
        action_size: int,
        model: Any,
        planner: Callable[[Any, tf.Tensor], tf.Tensor],
    ):
        super().__init__("mpc_agent")
        self._model = model
        self._planner = planner
        self._state = _map(
            lambda value: tf.Variable(value, trainable=False),
            model.cell.zero_state(batch_size),
        )
        self._prev_action = tf.Variable(
            tf.zeros([batch_size, action_size]), trainable=False
        )

    @property
    def state(self) -> dict[str, tf.Tensor]:
        """What the agents believe, tensors `[B, ...]`."""
        return _map(tf.identity, self._state)

    def begin_episode(self, indices: tf.Tensor) -> None:
        """Forgets state and previous action of these agents, no others."""
        for variable in tf.nest.flatten([self._state, self._prev_action]):
            zeros = tf.zeros_like(tf.gather(variable, indices))
            _assign_rows(variable, indices, zeros)

    def perform(
        self,
        indices: tf.Tensor,
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor = 0.0,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Filters `image`, plans, and takes the first action of the plan.

        Actions lie in [-1, 1]; the noise of exploration is added after
        planning, and the sum clipped.
        """
        seed = seeds.new_seed() if seed is None else seed
        image_seed, state_seed, plan_seed, noise_seed = seeds.split(seed, 4)
        image = self._model.preprocess(observ["image"], image_seed)
        embedded = self._model.encoder(image)
        prev_state, prev_action = _map(
            lambda variable: tf.gather(variable, indices),
            (self._state, self._prev_action),
        )
        cell = self._model.cell
        noise = cell.noise(state_seed, [tf.shape(indices)[0]])
        state = cell.posterior(prev_state, prev_action, embedded, noise)
        action = self._planner(state, plan_seed)[:, 0]
        exploration = tf.random.stateless_normal(tf.shape(action), noise_seed)
        action = tf.clip_by_value(action + explore * exploration, -1, 1)
        _map(
            lambda variable, rows: _assign_rows(variable, indices, rows),
            (self._state, self._prev_action),
            (state, action),
        )
        return action


def _assign_rows(
    variable: tf.Variable, indices: tf.Tensor, rows: tf.Tensor
) -> None:
    indices = tf.cast(indices, tf.int64)
    variable.scatter_nd_update(indices[:, None], rows)
