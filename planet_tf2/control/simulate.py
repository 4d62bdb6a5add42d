"""Rollouts: planner and environments together in one graph.

Either whole episodes, one in every environment, until all are over; or a number
of steps, with new episodes begun on the way.
"""

import functools
import time
from collections.abc import Mapping
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


def episode_seed(env_seed: int, number: int) -> int:
    """Returns the seed of an environment's episode with this number."""
    words = np.random.SeedSequence((env_seed, number)).generate_state(1)
    return int(words[0]) >> 1


class Rollout:
    """Runs an agent in its environments, in graphs that are built once.

    Args:
      agent: acts in `B = len(env)` environments, see `agents.agent.Actor`.
      env: its environments.
      resets_count: whether a reset is a step of an environment, see `steps`.
    """

    def __init__(
        self, agent: Any, env: InGraphBatchEnv, resets_count: bool = False
    ):
        self._agent, self._env = agent, env
        self._resets_count = resets_count
        self._state = self._nothing_begun()
        self._episodes = tf.function(self._simulate, autograph=False)
        self._steps = tf.function(self._simulate, autograph=False)

    def __call__(
        self,
        env_seeds: list[int],
        seed: tf.Tensor,
        action_noise: float = 0.0,
        count: int | None = None,
    ) -> list[dict[str, Any]]:
        """Runs one episode in every environment, until all of them are over.

        An agent whose episode is over waits for the others. Environments have
        to bound their episodes (`Duration`).

        Args:
          env_seeds: a seed for each environment.
          seed: int32 `[2]`, determines the agents' randomness.
          action_noise: standard deviation of exploration noise.
          count: how many environments play, the first ones; all by default.

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
        self._state = self._nothing_begun()
        playing = None
        if count is not None and count < len(self._env):
            playing = tf.range(len(self._env)) < count
        graph = functools.partial(self._episodes, playing=playing)
        episodes = self._run(graph, env_seeds, seed, action_noise)
        return sorted(episodes, key=lambda episode: episode["index"])

    def steps(
        self,
        num_steps: int,
        env_seeds: list[int],
        seed: tf.Tensor,
        action_noise: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Takes a number of steps in every environment.

        This goes on where the call before ended, also within episodes; after
        an exception, all environments begin new ones. An environment whose
        episode is over is reset before its next step, as in the original.
        Therefore no episode begins without a step being taken, unless resets
        count as steps. With one seed, two calls of 5 steps do what one call of
        10 does.

        Args:
          num_steps: steps to take in each environment, at least 1.
          env_seeds: a seed for each environment. Episode k of environment i is
            seeded with `episode_seed(env_seeds[i], k)`.
          seed, action_noise: see `__call__`.

        Returns:
          The episodes that ended during these steps, in the order in which they
          did; see `__call__`, also for what may be raised.
        """
        steps = tf.constant(num_steps)
        return self._run(self._steps, env_seeds, seed, action_noise, steps)

    @property
    def state(self) -> RolloutState:
        """Where the environments are, for `go_on_from`."""
        return self._state

    def go_on_from(
        self,
        time: int,
        episodes: np.ndarray,
        observ: Mapping[int, Mapping[str, np.ndarray]],
    ) -> None:
        """Goes on with episodes that somebody else has begun.

        Args:
          time, episodes: see `RolloutState`.
          observ: last observations, by the environments whose episode runs.
        """
        state = self._nothing_begun()
        running = np.array([i in observ for i in range(len(self._env))])
        seen = {
            name: np.stack(
                [
                    observ[i][name] if running[i] else zeros[i]
                    for i in range(len(self._env))
                ]
            )
            for name, zeros in state.observ.items()
        }
        self._state = RolloutState(
            time=tf.constant(time, tf.int32),
            done=tf.constant(~running),
            episodes=tf.constant(episodes, tf.int64),
            observ={
                name: tf.constant(x, state.observ[name].dtype)
                for name, x in seen.items()
            },
        )

    @property
    def retraces(self) -> int:
        """How often a graph was built after the first time."""
        counts = [
            graph.experimental_get_tracing_count()
            for graph in (self._episodes, self._steps)
        ]
        return sum(max(0, count - 1) for count in counts)

    def _nothing_begun(self) -> RolloutState:
        count = len(self._env)
        return RolloutState(
            time=tf.constant(0),
            done=tf.ones([count], tf.bool),
            episodes=tf.zeros([count], tf.int64),
            observ=self._env.zero_observations(),
        )

    def _run(
        self,
        graph: Any,
        env_seeds: list[int],
        seed: tf.Tensor,
        action_noise: float,
        num_steps: tf.Tensor | None = None,
    ) -> list[dict[str, Any]]:
        before, env = self._state, self._env
        # Unless all goes well.
        self._state = before._replace(done=tf.ones_like(before.done))
        env.error = None
        env.take_finished()  # Those of a call that failed.
        start, waited = time.monotonic(), env.busy_seconds
        try:
            self._state = graph(
                before,
                tf.constant(env_seeds, tf.int64),
                seed,
                tf.constant(action_noise, tf.float32),
                num_steps,
            )
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

    def _simulate(
        self,
        state: RolloutState,
        env_seeds: tf.Tensor,
        seed: tf.Tensor,
        action_noise: tf.Tensor,
        num_steps: tf.Tensor | None,
        playing: tf.Tensor | None = None,
    ) -> RolloutState:
        """Takes so many steps, or plays an episode each if there is no number.

        Of episodes, only the environments where `playing` `[B]` is true begin
        one, all of them if it is None.

        Returns:
          The state to go on from.
        """
        if num_steps is None:
            end = None
            state = self._begin(state, env_seeds, playing)
        else:
            end = state.time + num_steps

        def begin_others(state):
            return self._begin(state, _episode_seeds(env_seeds, state.episodes))

        def step(state):
            indices = tf.range(len(self._env))
            if end is None or self._resets_count:
                indices = _where(~state.done)
            if end is not None:
                state = tf.cond(
                    tf.reduce_any(state.done),
                    lambda: begin_others(state),
                    lambda: state,
                )
            if not self._resets_count:
                return (self._advance(state, indices, seed, action_noise),)
            after = tf.cond(
                tf.size(indices) > 0,
                lambda: self._advance(state, indices, seed, action_noise),
                lambda: state._replace(time=state.time + 1),
            )
            return (after,)

        def goes_on(state):
            if end is None:
                return ~tf.reduce_all(state.done)
            return state.time < end

        (state,) = tf.while_loop(goes_on, step, (state,), parallel_iterations=1)
        return state

    def _begin(
        self,
        state: RolloutState,
        env_seeds: tf.Tensor,
        playing: tf.Tensor | None = None,
    ) -> RolloutState:
        """Begins an episode where none is running; seeds are int64 `[B]`."""
        begins, done = state.done, tf.zeros_like(state.done)
        if playing is not None:
            begins, done = begins & playing, begins & ~playing
        indices = _where(begins)
        first = self._env.reset(indices, tf.gather(env_seeds, indices))
        self._agent.begin_episode(indices)
        return state._replace(
            done=done,
            episodes=state.episodes + tf.cast(begins, tf.int64),
            observ=_update(state.observ, indices, first),
        )

    def _advance(
        self,
        state: RolloutState,
        indices: tf.Tensor,
        seed: tf.Tensor,
        action_noise: tf.Tensor,
    ) -> RolloutState:
        """Takes one step in the environments of these indices, `[N]`."""
        # Only the flow of data keeps steps behind resets where agents have
        # variables, and a plan may need no observation.
        with tf.control_dependencies(list(state.observ.values())):
            indices = tf.identity(indices)
        seen = {name: tf.gather(x, indices) for name, x in state.observ.items()}
        action = self._agent.perform(
            indices, seen, action_noise, seeds.fold_in(seed, state.time)
        )
        seen, reward, over, _ = self._env.step(indices, action)
        self._agent.experience(indices, seen, action, reward, over)
        self._agent.end_episode(tf.boolean_mask(indices, over))
        done = tf.tensor_scatter_nd_update(state.done, indices[:, None], over)
        return state._replace(
            time=state.time + 1,
            done=done,
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
        pairs = np.stack([env_seeds, numbers], -1).tolist()
        return np.array([episode_seed(*pair) for pair in pairs], np.int64)

    return tf.numpy_function(compute, [env_seeds, numbers], tf.int64)
