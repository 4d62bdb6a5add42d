"""Whole episodes, planner and environment together in one graph."""

import time
from typing import Any

import tensorflow as tf

from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.tools import seeds


def simulate(
    agent: Any,
    env: InGraphBatchEnv,
    env_seeds: tf.Tensor,
    seed: tf.Tensor,
    action_noise: float | tf.Tensor = 0.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs one episode in every environment, until all of them are over.

    An agent whose episode is over waits for the others. Environments have to
    bound their episodes (`MaximumDuration`).

    Args:
      agent: `MPCAgent` or anything with its methods, for `B = len(env)`.
      env: batch of environments.
      env_seeds: int64 `[B]`, the environments' seeds.
      seed: int32 `[2]`, determines the agents' randomness.
      action_noise: standard deviation of exploration noise.

    Returns:
      Returns, float32 `[B]`, and lengths in agent steps, int32 `[B]`.
    """
    everyone = tf.range(len(env))
    observ = env.reset(everyone, env_seeds)
    agent.begin_episode(everyone)

    def step(time, running, returns, lengths, observ):
        indices = tf.cast(tf.where(running)[:, 0], tf.int32)
        seen = {name: tf.gather(x, indices) for name, x in observ.items()}
        action = agent.perform(
            indices, seen, action_noise, seeds.fold_in(seed, time)
        )
        seen, reward, done = env.step(indices, action)
        agent.experience(indices, seen, action, reward, done)
        agent.end_episode(tf.boolean_mask(indices, done))
        rows = indices[:, None]
        observ = {
            name: tf.tensor_scatter_nd_update(observ[name], rows, seen[name])
            for name in observ
        }
        running = tf.tensor_scatter_nd_update(running, rows, ~done)
        returns = tf.tensor_scatter_nd_add(returns, rows, reward)
        lengths = tf.tensor_scatter_nd_add(lengths, rows, tf.ones_like(indices))
        return time + 1, running, returns, lengths, observ

    count = len(env)
    _, _, returns, lengths, _ = tf.while_loop(
        lambda time, running, *_: tf.reduce_any(running),
        step,
        (
            tf.constant(0),
            tf.ones([count], tf.bool),
            tf.zeros([count]),
            tf.zeros([count], tf.int32),
            {
                k: tf.ensure_shape(v, (count, *v.shape[1:]))
                for k, v in observ.items()
            },
        ),
        parallel_iterations=1,
    )
    return returns, lengths


class Rollout:
    """`simulate` compiled once for an agent and its environments.

    Args:
      agent: the agent.
      env: its environments.
    """

    def __init__(self, agent: Any, env: InGraphBatchEnv):
        self._env = env
        self._simulate = tf.function(
            lambda *args: simulate(agent, env, *args), autograph=False
        )

    def __call__(
        self, env_seeds: list[int], seed: tf.Tensor, action_noise: float = 0.0
    ) -> list[dict[str, Any]]:
        """Runs one episode in every environment.

        Args:
          env_seeds: a seed for each environment.
          seed: int32 `[2]`, determines the agents' randomness.
          action_noise: standard deviation of exploration noise.

        Returns:
          For every environment a dictionary with `return`, `length` in agent
          steps, and what the environment said at the end under `info`.
          Besides, what a decision took, which is one for all environments that
          are still running: `decision_seconds` on average, of which
          `planning_seconds` passed outside of the environments. The first time
          includes building the graph.

        Raises:
          RolloutStopped: if the program is about to stop.
          Exception: whatever an environment raised.
        """
        self._env.error = None
        start, waited = time.monotonic(), self._env.busy_seconds
        try:
            returns, lengths = self._simulate(
                tf.constant(env_seeds, tf.int64),
                seed,
                tf.constant(action_noise, tf.float32),
            )
        except tf.errors.OpError:
            if self._env.error is not None:
                raise self._env.error from None
            raise
        decisions = max(1, int(tf.reduce_max(lengths)))
        seconds = time.monotonic() - start
        waited = self._env.busy_seconds - waited
        return [
            {
                "return": float(returns[index]),
                "length": int(lengths[index]),
                "info": self._env.finished[index],
                "decision_seconds": seconds / decisions,
                "planning_seconds": max(0.0, seconds - waited) / decisions,
            }
            for index in range(len(self._env))
        ]

    @property
    def retraces(self) -> int:
        """How often the graph was built after the first time."""
        return max(0, self._simulate.experimental_get_tracing_count() - 1)
