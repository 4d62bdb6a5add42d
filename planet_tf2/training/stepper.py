"""Acts in environments a few decisions at a time, and goes on within episodes.

Everything follows from the number of decisions so far: which episode has which
seed, and what the agent draws. See `live_envs` for what checkpoints hold.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Actor, Agent
from planet_tf2.configs.step_schedule import StepSchedule
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.data.streams import Streams
from planet_tf2.tools import seeds
from planet_tf2.training.live_envs import LiveEnvs
from planet_tf2.training.trainer import Step

_ACT = 4  # As a use of a run's seed, see `stages`.
_SAMPLE, _EXPLORE = 1.0, 2.0  # See `Actor.perform`.


class Stepper:
    """The agent in all of its environments.

    Args:
      agent: what acts.
      envs: where.
      schedule: when.
      seed: the run's seed.
      streams: where what the agent wants to be stored of its decisions goes, if
        it learns from streams.

    Attributes:
      saved: what checkpoints hold: counters, running episodes, and what the
        actor remembers of them.
    """

    def __init__(
        self,
        agent: Agent,
        envs: LiveEnvs,
        schedule: StepSchedule,
        seed: int,
        streams: Streams | None = None,
    ):
        self._envs, self._schedule, self._streams = envs, schedule, streams
        actor = agent.actor(len(envs), {})
        acting, counts = actor, streams is not None
        if streams is not None and agent.replay_latents:
            acting = _Remembered(actor, streams)
        self._rollout = Rollout(acting, InGraphBatchEnv(envs), counts)
        numbers = np.random.SeedSequence((seed, _ACT))
        words = numbers.generate_state(len(envs))
        self._env_seeds = [int(number) >> 1 for number in words]
        self._seed = seeds.derive(seed, _ACT)
        with tf.device("CPU"):  # Where texts are.
            self._counters = {
                "rounds": tf.Variable(0, dtype=tf.int32, trainable=False),
                "episodes": tf.Variable(
                    tf.zeros([len(envs)], tf.int64), trainable=False
                ),
                "running": tf.Variable(envs.pack(), trainable=False),
            }
        self.saved = tf.train.Checkpoint(
            **self._counters, actor=tf.train.Checkpoint(**actor.saved)
        )

    @property
    def decisions(self) -> int:
        """Decisions that were taken, in all environments together."""
        return int(self._rollout.state.time) * len(self._envs)

    def act(self, step: Step) -> list[dict[str, Any]]:
        """Takes the decisions that are due before an update.

        Returns:
          Of every episode that ended what the recorder says of it, the number
          of its environment as `index`, and the seconds that a decision took.

        Raises:
          EnvUnreliable: an environment broke too often in a row.
        """
        state = self._rollout.state
        rounds = self._schedule.rounds(step.update, len(self._envs))
        due = rounds - int(state.time)
        until = self._schedule.explore_until
        explores = until is None or self.decisions < until
        explore = _EXPLORE if explores else _SAMPLE
        given, results = (self._env_seeds, self._seed, explore), []
        # All there is to learn from may be lost with a first episode.
        while due > 0 or self._streams and not self._streams.decisions:
            results += self._rollout.steps(max(1, due), *given)
            due = 0
        return [
            {**result, **info["episode"]}
            for result in results
            if "episode" in (info := result.pop("info"))
        ]

    def flush(self) -> None:
        """Puts into the variables where the environments are."""
        state = self._rollout.state
        self._counters["rounds"].assign(state.time)
        self._counters["episodes"].assign(state.episodes)
        self._counters["running"].assign(self._envs.pack())

    def restore(self, pause: Callable[[], None]) -> None:
        """Goes on from where the variables say.

        Args:
          pause: called from time to time; may raise an exception.
        """
        running = self._counters["running"].numpy()
        observ = self._envs.play_again(running, pause)
        self._rollout.go_on_from(
            int(self._counters["rounds"]),
            self._counters["episodes"].numpy(),
            observ,
        )


class _Remembered:
    """An actor of whose decisions the latents are stored."""

    def __init__(self, actor: Actor, streams: Streams):
        self._actor, self._streams = actor, streams
        self.begin_episode = actor.begin_episode
        self.experience, self.end_episode = actor.experience, actor.end_episode

    def perform(self, indices: tf.Tensor, *args: Any) -> tf.Tensor:
        action = self._actor.perform(indices, *args)
        with tf.control_dependencies([action]):
            rows = {
                name: tf.gather(x, indices)
                for name, x in self._actor.latents.items()
            }

        def store(indices: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
            latents = dict(zip(rows, arrays, strict=True))
            self._streams.remember(indices, latents)
            return indices

        stored = tf.numpy_function(
            store, [indices, *rows.values()], indices.dtype
        )
        with tf.control_dependencies([stored]):
            return tf.identity(action)
