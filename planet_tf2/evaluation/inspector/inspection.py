"""Looks into decisions of a stored episode: what was planned, and why."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.loading import LoadedRun
from planet_tf2.evaluation.predictions import Filtered, Predictor, state_at
from planet_tf2.tools import seeds

# Tells its random numbers from those of other uses.
_USE = 4


class Future(NamedTuple):
    """What a model expects of actions, or what came of them.

    Attributes:
      action: the actions, float32 `[L, A]`.
      reward: the reward that follows each of them, float32 `[L]`.
      image: the image that follows each of them, uint8 `[L, H, H, 3]`.
    """

    action: np.ndarray
    reward: np.ndarray
    image: np.ndarray


class Decision(NamedTuple):
    """A decision of an episode.

    Attributes:
      time: its number, from 0: it is made at that frame of the episode.
      trace: how the search for a plan went, arrays `[I, ...]` without the axis
        of the agents, see `agents.planet.search_trace`; None where the planner
        does not tell.
      planned: what the model expects of the plan, as far as it reaches.
      expected: what it expects of the actions that were taken, as far as plan
        and episode reach.
      happened: what came of them.
    """

    time: int
    trace: Any
    planned: Future
    expected: Future
    happened: Future


class Inspection(NamedTuple):
    """What a model makes of an episode, and what it plans in it.

    Attributes:
      episode: the episode.
      filtered: what the model makes of it, frame by frame.
      decisions: the decisions that were looked into.
    """

    episode: HeldOut
    filtered: Filtered
    decisions: list[Decision]


class Inspector:
    """Plans at moments of stored episodes, with the model of a run.

    The model sees the episode up to the decision. Then it plans as the agent
    does, without exploration noise. The plan differs from that of the time the
    episode was collected: the model has learned since, and random numbers are
    others.

    Args:
      run: the loaded run.
      seed: determines all randomness; a whole number of at least 0.
    """

    def __init__(self, run: LoadedRun, seed: int = 0):
        self._run = run
        self._seed = seed
        self._predictor = Predictor(run, seed)
        self._horizon: int = run.agent.horizon
        self._search = tf.function(run.agent.plan, autograph=False)
        self._imagine = tf.function(self._imagine_graph, autograph=False)

    def inspect(self, episode: HeldOut, times: Sequence[int]) -> Inspection:
        """Looks into decisions of an episode, by their numbers from 0."""
        filtered = self._predictor.filter(episode)
        decisions = [self._decide(episode, filtered, time) for time in times]
        return Inspection(episode, filtered, decisions)

    def _decide(
        self, episode: HeldOut, filtered: Filtered, time: int
    ) -> Decision:
        state = state_at(filtered.states, time)
        # Both futures have the same noise, so that only the actions differ.
        search_seed, future_seed = seeds.split(
            seeds.derive(self._seed, _USE, time), 2
        )
        plan, trace = self._search(state, search_seed)
        if trace is not None:
            trace = tf.nest.map_structure(lambda x: x[:, 0].numpy(), trace)
        following = slice(time + 1, time + 1 + self._horizon)
        names = ("action", "reward", "image")
        happened = Future(*(episode.arrays[n][following] for n in names))
        planned = self._expect(state, plan[0].numpy(), future_seed)
        expected = self._expect(state, happened.action, future_seed)
        return Decision(time, trace, planned, expected, happened)

    def _expect(
        self, state: Any, action: np.ndarray, seed: tf.Tensor
    ) -> Future:
        """Imagines what comes of actions `[L, A]`."""
        length = len(action)
        # Always as many, so that the graph is built once.
        padded = np.zeros([self._horizon, self._run.action_size], np.float32)
        padded[:length] = action
        reward, image = self._imagine(state, tf.constant(padded[None]), seed)
        image = tf.image.convert_image_dtype(image[0], tf.uint8, True)
        return Future(
            action, reward[0, :length].numpy(), image[:length].numpy()
        )

    def _imagine_graph(
        self, state: Any, action: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        mean = self._run.agent.imagine(state, action, seed).mean
        return mean["reward"], mean["image"]
