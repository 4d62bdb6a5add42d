"""Rollouts: planner and environments together in one graph.

Either whole episodes, one in every environment, until all are over; or a number
of steps, with new episodes begun on the way.
"""

import functools
import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.tools import seeds


class RolloutState(NamedTuple):
    """Where the environments are.

    Attributes:
      time: int32, decisions taken so far.
      done: bool `[B]`, whose episode is over, or has not begun.
      episodes: int64 `[B]`, episodes begun so far.
      observ: last observations by name, `[B, ...]`.
    """

    time: tf.Tensor
    done: tf.Tensor
    episodes: tf.Tensor
    observ: dict[str, tf.Tensor]


def initial_state(env: InGraphBatchEnv) -> RolloutState:
    """Returns a state in which no episode has begun."""
    count = len(env)
    return RolloutState(
        time=tf.constant(0),
        done=tf.ones([count], tf.bool),
        episodes=tf.zeros([count], tf.int64),
        observ=env.zero_observations(),
    )


def simulate(
    agent: Any,
    env: InGraphBatchEnv,
    env_seeds: tf.Tensor,
    seed: tf.Tensor,
    action_noise: float | tf.Tensor = 0.0,
) -> RolloutState:
    """Runs one episode in every environment, until all of them are over.

    An agent whose episode is over waits for the others. Environments have to
    bound their episodes (`Duration`).

    Args:
      agent: acts in `B = len(env)` environments, see `agents.agent.Actor`.
      env: batch of environments.
      env_seeds: int64 `[B]`, the environments' seeds.
      seed: int32 `[2]`, determines the agents' randomness.
      action_noise: standard deviation of exploration noise.

    Returns:
      The state at the end; its `time` is the length of the longest episode.
    """

    def step(state):
        running = _where(~state.done)
        return (_advance(agent, env, state, running, seed, action_noise),)

    (state,) = tf.while_loop(
        lambda state: ~tf.reduce_all(state.done),
        step,
        (_begin(agent, env, initial_state(env), env_seeds),),
        parallel_iterations=1,
    )
    return state


def simulate_steps(
    agent: Any,
    env: InGraphBatchEnv,
    state: RolloutState,
    num_steps: int | tf.Tensor,
    *,
    env_seeds: tf.Tensor,
    seed: tf.Tensor,
    action_noise: float | tf.Tensor = 0.0,
) -> RolloutState:
    """Takes a number of steps in every environment.

    An environment whose episode is over is reset before its next step, as in
    the original. Therefore no episode begins without a step being taken.

    Args:
      agent: acts in `B = len(env)` environments, see `agents.agent.Actor`.
      env: batch of environments.
      state: where to go on.
      num_steps: int32, steps to take in each environment.
      env_seeds: int64 `[B]`. Episode k of environment i is seeded with
        `episode_seed(env_seeds[i], k)`.
      seed: int32 `[2]`, determines the agents' randomness. With one seed, two
        calls of 5 steps do what one call of 10 does.
      action_noise: standard deviation of exploration noise.

    Returns:
      The state to go on from.
    """
    everyone = tf.range(len(env))

    def begin(state):
        next_seeds = _episode_seeds(env_seeds, state.episodes)
        return _begin(agent, env, state, next_seeds)

    def step(state):
        state = tf.cond(
            tf.reduce_any(state.done), lambda: begin(state), lambda: state
        )
        return (_advance(agent, env, state, everyone, seed, action_noise),)

    end = state.time + num_steps
    (state,) = tf.while_loop(
        lambda state: state.time < end, step, (state,), parallel_iterations=1
    )
    return state


def episode_seed(env_seed: int, number: int) -> int:
    """Returns the seed of an environment's episode with this number."""
    words = np.random.SeedSequence((env_seed, number)).generate_state(1)
    return int(words[0]) >> 1


class Rollout:
    """Runs an agent in its environments, in graphs that are built once.

    Args:
      agent: the agent.
      env: its environments.
    """

    def __init__(self, agent: Any, env: InGraphBatchEnv):
        self._env = env
        self._state = initial_state(env)
        self._episodes = tf.function(
            functools.partial(simulate, agent, env), autograph=False
        )
        self._steps = tf.function(
            functools.partial(simulate_steps, agent, env), autograph=False
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
          For every environment a dictionary with its `index`, and the `return`,
          `length` in agent steps and last `info` of its episode. Besides, what
          a decision took, which is one for all environments that are still
          running: `decision_seconds` on average, of which `planning_seconds`
          passed outside of the environments. The first time includes building
          the graph.

        Raises:
          RolloutStopped: if the program is about to stop.
          Exception: whatever an environment raised.
        """
        self._state = initial_state(self._env)
        episodes = self._run(
            self._episodes,
            env_seeds=tf.constant(env_seeds, tf.int64),
            seed=seed,
            action_noise=tf.constant(action_noise, tf.float32),
        )
        return sorted(episodes, key=lambda episode: episode["index"])

    def steps(
        self,
        num_steps: int,
        env_seeds: list[int],
        seed: tf.Tensor,
        action_noise: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Takes a number of steps in every environment.

        This goes on where the call before ended, also within episodes. After
        an exception, all environments begin new episodes.

        Args:
          num_steps: steps to take in each environment, at least 1.
          env_seeds: a seed for each environment; see `simulate_steps`.
          seed: int32 `[2]`, determines the agents' randomness.
          action_noise: standard deviation of exploration noise.

        Returns:
          The episodes that ended during these steps, in the order in which they
          did; see `__call__`, also for what may be raised.
        """
        return self._run(
            self._steps,
            state=self._state,
            num_steps=tf.constant(num_steps),
            env_seeds=tf.constant(env_seeds, tf.int64),
            seed=seed,
            action_noise=tf.constant(action_noise, tf.float32),
        )

    @property
    def retraces(self) -> int:
        """How often a graph was built after the first time."""
        counts = [
            graph.experimental_get_tracing_count()
            for graph in (self._episodes, self._steps)
        ]
        return sum(max(0, count - 1) for count in counts)

    def _run(self, graph: Any, **arguments: Any) -> list[dict[str, Any]]:
        before, env = self._state, self._env
        # Unless all goes well.
        self._state = before._replace(done=tf.ones_like(before.done))
        env.error = None
        env.take_finished()  # Those of a call that failed.
        start, waited = time.monotonic(), env.busy_seconds
        try:
            self._state = graph(**arguments)
        except tf.errors.OpError:
            if env.error is not None:
                raise env.error from None
            raise
        decisions = int(self._state.time - before.time)
        seconds = time.monotonic() - start
        waited = env.busy_seconds - waited
        times = {
            "decision_seconds": seconds / decisions,
            "planning_seconds": max(0.0, seconds - waited) / decisions,
        }
        return [{**episode, **times} for episode in env.take_finished()]


def _begin(
    agent: Any,
    env: InGraphBatchEnv,
    state: RolloutState,
    env_seeds: tf.Tensor,
) -> RolloutState:
    """Begins an episode where none is running; seeds are int64 `[B]`."""
    indices = _where(state.done)
    first = env.reset(indices, tf.gather(env_seeds, indices))
    agent.begin_episode(indices)
    return RolloutState(
        time=state.time,
        done=tf.zeros_like(state.done),
        episodes=state.episodes + tf.cast(state.done, tf.int64),
        observ=_update(state.observ, indices, first),
    )


def _advance(
    agent: Any,
    env: InGraphBatchEnv,
    state: RolloutState,
    indices: tf.Tensor,
    seed: tf.Tensor,
    action_noise: float | tf.Tensor,
) -> RolloutState:
    """Takes one step in the environments of these indices, `[N]`."""
    seen = {name: tf.gather(x, indices) for name, x in state.observ.items()}
    action = agent.perform(
        indices, seen, action_noise, seeds.fold_in(seed, state.time)
    )
    seen, reward, over, _ = env.step(indices, action)
    agent.experience(indices, seen, action, reward, over)
    agent.end_episode(tf.boolean_mask(indices, over))
    return RolloutState(
        time=state.time + 1,
        done=tf.tensor_scatter_nd_update(state.done, indices[:, None], over),
        episodes=state.episodes,
        observ=_update(state.observ, indices, seen),
    )


def _where(flags: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.where(flags)[:, 0], tf.int32)


def _update(
    observ: dict[str, tf.Tensor],
    indices: tf.Tensor,
    new: dict[str, tf.Tensor],
) -> dict[str, tf.Tensor]:
    rows = indices[:, None]
    return {
        name: tf.tensor_scatter_nd_update(observ[name], rows, new[name])
        for name in observ
    }


def _episode_seeds(env_seeds: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    def compute(env_seeds: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        pairs = zip(env_seeds.tolist(), numbers.tolist(), strict=True)
        return np.array([episode_seed(*pair) for pair in pairs], np.int64)

    return tf.numpy_function(compute, [env_seeds, numbers], tf.int64)
