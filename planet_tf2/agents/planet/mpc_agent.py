"""The agent: filters what it sees, plans, executes the first action."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents.recurrent import RecurrentActor
from planet_tf2.tools import seeds


class MPCAgent(RecurrentActor):
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
        self._action_size = action_size
        self._model = model
        self._planner = planner
        super().__init__("mpc_agent", batch_size)

    def initial(self, count: int | tf.Tensor) -> dict[str, Any]:
        """Returns the zero state, and an action of zeros."""
        return {
            "latent": self._model.cell.zero_state(count),
            "action": tf.zeros([count, self._action_size]),
        }

    def step(
        self,
        memory: dict[str, Any],
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        """Filters `image`, plans, and takes the first action of the plan.

        Actions lie in [-1, 1]; the noise of exploration is added after
        planning, and the sum clipped.
        """
        image_seed, state_seed, plan_seed, noise_seed = seeds.split(seed, 4)
        image = self._model.preprocess(observ["image"], image_seed)
        embedded = self._model.encoder(image)
        cell = self._model.cell
        noise = cell.noise(state_seed, [tf.shape(memory["action"])[0]])
        state = cell.posterior(
            memory["latent"], memory["action"], embedded, noise
        )
        action = self._planner(state, plan_seed)[:, 0]
        if tf.get_static_value(explore) != 0:
            exploration = tf.random.stateless_normal(
                tf.shape(action), noise_seed
            )
            action += explore * exploration
        action = tf.clip_by_value(action, -1, 1)
        return action, {"latent": state, "action": action}
