"""Looks into decisions of a stored episode: what was planned, and why."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from planet_tf2.agents.planet import planners
from planet_tf2.agents.planet.make_agent import make_planner
from planet_tf2.agents.planet.search_trace import Trace
from planet_tf2.agents.planet.unroll import imagine
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.loading import LoadedRun
from planet_tf2.evaluation.predictions import Filtered, Predictor
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
        of the agents; None where the planner does not tell.
      planned: what the model expects of the plan, as far as it reaches.
      expected: what it expects of the actions that were taken, as far as plan
        and episode reach.
      happened: what came of them.
    """

    time: int
    trace: Trace | None
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
        self._horizon: int = run.params["planner_horizon"]
        self._tells = planners.can_trace(run.params["planner"])
        self._planner = make_planner(
            run.params, run.model, run.action_size, trace=self._tells
        )
        self._search = tf.function(self._search_graph, autograph=False)
        self._imagine = tf.function(self._imagine_graph, autograph=False)

    def inspect(self, episode: HeldOut, times: Sequence[int]) -> Inspection:
        """Looks into decisions of an episode.

        Args:
          episode: the episode.
          times: numbers of the decisions, from 0 to T - 1.

        Raises:
          ValueError: there is no such decision.
        """
        wrong = [time for time in times if not 0 <= time < episode.length]
        if wrong or not times:
            raise ValueError(
                f"decisions is {', '.join(map(str, wrong)) or 'empty'}, but "
                f"the episode {episode.name} has the decisions 0 to "
                f"{episode.length - 1}."
            )
        filtered = self._predictor.filter(episode)
        return Inspection(
            episode,
            filtered,
            [self._decide(episode, filtered, time) for time in times],
        )

    def _decide(
        self, episode: HeldOut, filtered: Filtered, time: int
    ) -> Decision:
        state = {
            name: tf.constant(value[time : time + 1])
            for name, value in filtered.states.items()
        }
        # Both futures have the same noise, so that only the actions differ.
        search_seed, future_seed = seeds.split(
            seeds.derive(self._seed, _USE, time), 2
        )
        found = self._search(state, search_seed)
        plan, trace = found if self._tells else (found, None)
        if trace is not None:
            trace = Trace(*(value[:, 0].numpy() for value in trace))
        following = slice(time + 1, time + 1 + self._horizon)
        taken = episode.arrays["action"][following]
        happened = Future(
            taken,
            episode.arrays["reward"][following],
            episode.arrays["image"][following],
        )
        return Decision(
            time,
            trace,
            self._expect(state, plan[0].numpy(), future_seed),
            self._expect(state, taken, future_seed),
            happened,
        )

    def _expect(
        self, state: dict[str, tf.Tensor], action: np.ndarray, seed: tf.Tensor
    ) -> Future:
        """Imagines what comes of actions `[L, A]`."""
        length = len(action)
        # Always as many, so that the graph is built once.
        padded = np.zeros([self._horizon, self._run.action_size], np.float32)
        padded[:length] = action
        reward, image = self._imagine(state, tf.constant(padded[None]), seed)
        image = tf.image.convert_image_dtype(image[0] + 0.5, tf.uint8, True)
        return Future(
            action, reward[0, :length].numpy(), image[:length].numpy()
        )

    def _search_graph(
        self, state: dict[str, tf.Tensor], seed: tf.Tensor
    ) -> Any:
        return self._planner(state, seed)

    def _imagine_graph(
        self, state: dict[str, tf.Tensor], action: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        model, cell = self._run.model, self._run.model.cell
        noise = tf.random.stateless_normal(
            [action.shape[1], 1, cell.latent_size], seed
        )
        features = cell.features_from_state(imagine(cell, state, action, noise))
        heads = model.heads
        return heads["reward"].mean(features), heads["image"](features).mean()
