"""What an agent is: the one interface that everything above works with.

An agent learns from batches of stored sequences, makes actors, which act in
environments, and, if it has a model of the world, says what it infers and
expects. Shapes: B sequences or environments, T time steps, H steps of a plan, A
entries of an action. A *state* is what the agent believes, nested tensors
`[B, ...]`, or `[B, T, ...]` of sequences; only the agent looks into it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import tensorflow as tf

from planet_tf2.nets.module import Module

Batch = dict[str, tf.Tensor]
Scalars = dict[str, tf.Tensor]
State = Any


class Prediction(NamedTuple):
    """What an agent says of every time step of some sequences.

    Attributes:
      state: what it believes, `[B, T, ...]`.
      mean: what it expects to observe, by name: images float32
        `[B, T, H, W, C]` in about 0 to 1, `reward` `[B, T]`, and the like.
      target: what was observed instead, as it is learned from; only of what was
        in the batch for every time step.
      log_prob: log-density of the targets, in nats `[B, T]`, by name; not of
        what is predicted without any doubt.
    """

    state: State
    mean: dict[str, tf.Tensor]
    target: dict[str, tf.Tensor]
    log_prob: dict[str, tf.Tensor]


class Plan(NamedTuple):
    """What an agent intends to do.

    Attributes:
      action: `[B, H, A]`.
      trace: how the plan was found, or None; see `agents.planet.planning`.
      expected: what the agent expects of it beside observations and reward, by
        name, each `[B, H + 1]`: before the first action and after each. Empty
        if there is nothing.
    """

    action: tf.Tensor
    trace: Any = None
    expected: Mapping[str, tf.Tensor] = {}


class Actor(Module):
    """Acts in a batch of environments, inside of graphs.

    It keeps in variables what it has to remember of each environment.
    `indices: int32 [N]` tells which of the environments a call is about.
    """

    @property
    def state(self) -> State:
        """What is believed of every environment, `[B, ...]`; None if nothing.

        That is of the last observation and, of actors without a model, nothing.
        """
        return None

    @property
    def saved(self) -> dict[str, Any]:
        """What checkpoints hold of running episodes, by name.

        Only of agents that are trained by steps.
        """
        return {}

    @property
    def latents(self) -> dict[str, tf.Tensor]:
        """What is to be stored with the last observations, `[B, ...]`.

        See `Agent.replay_latents`.
        """
        return {}

    def begin_episode(self, indices: tf.Tensor) -> None:
        """Forgets what there was before in these environments, no others."""

    def perform(
        self,
        indices: tf.Tensor,
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor = 0.0,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Observes and chooses actions. They are remembered as executed.

        Args:
          indices: int32 `[N]`.
          observ: all observations of the environments by name, `[N, ...]`.
          explore: how much to explore, 0 for not at all; PlaNet takes it for
            the standard deviation of noise on actions. Agents that are trained
            by steps get 1 in training, and 2 while they are to explore, see
            `configs.step_schedule`.
          seed: int32 `[2]`, determines everything random in the decision.

        Returns:
          Actions `[N, ...]` in the environments' action space.
        """
        raise NotImplementedError

    def experience(
        self,
        indices: tf.Tensor,
        observ: Mapping[str, tf.Tensor],
        action: tf.Tensor,
        reward: tf.Tensor,
        done: tf.Tensor,
    ) -> None:
        """Is told what came of actions; not needed to learn from disk."""

    def end_episode(self, indices: tf.Tensor) -> None:
        """Is told that the episodes in these environments are over."""


class Agent(Module):
    """An agent with all that it has learned.

    Attributes:
      actor_settings: settings of a collection that its actors depend on.
      batch_spec: shapes of what it needs of each stored time step, by name.
      loss_names: scalars of `train_step` and `test_step` that are losses.
      test_loss_names: those of `test_step`, if fewer.
      norm_names: scalars of `train_step` that are norms of gradients.
      scalar_names: scalars of `train_step` that are neither.
      has_model: whether there are `filter`, `open_loop`, `imagine`, and what
        goes with them.
      has_plans: whether there is `plan`.
      horizon: H, steps that it looks ahead; 0 if it does not.
      predicted: names of the observations that its model predicts; None for all
        that it sees.
      replay_latents: shapes and NumPy types of what it wants stored with each
        time step, of its own making, by name. Batches then have the first time
        step's as `context/NAME`, `[B, ...]`, and one more step, which
        `train_step` does not learn from; `is_last` tells where episodes end.
      fresh_latents: the same of those steps that the last `train_step` has
        learned from, `[B, T, ...]`, to be stored in their place.
      observation_space: what it sees of an environment.
      action_space: of the environments, as it acts in them.
    """

    actor_settings: Sequence[str] = ()
    batch_spec: Mapping[str, tuple[int, ...]]
    loss_names: Sequence[str]
    test_loss_names: Sequence[str] | None = None
    norm_names: Sequence[str] = ()
    scalar_names: Sequence[str] = ()
    has_model: bool = False
    has_plans: bool = False
    horizon: int = 0
    predicted: Sequence[str] | None = None
    replay_latents: Mapping[str, tuple[tuple[int, ...], Any]] = {}
    fresh_latents: Mapping[str, tf.Variable] = {}
    observation_space: gymnasium.spaces.Dict
    action_space: gymnasium.Space

    @property
    def trained_variables(self) -> list[tf.Variable]:
        """What learning changes."""
        raise NotImplementedError

    @property
    def saved(self) -> dict[str, Any]:
        """What checkpoints hold of it, by name."""
        raise NotImplementedError

    @property
    def weights(self) -> dict[str, Any]:
        """What of `saved` it acts and predicts with, by the same names."""
        return self.saved

    # Acting.

    def actor(
        self, batch_size: int = 1, settings: Mapping[str, Any] | None = None
    ) -> Actor:
        """Makes an actor for B environments.

        Args:
          batch_size: B.
          settings: those of a collection; see `actor_settings`.
        """
        raise NotImplementedError

    # Learning, in graphs.

    def train_step(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        """Learns from a batch.

        Args:
          batch: `[B, T, ...]` as stored, by name; see `batch_spec`.
          seed: int32 `[2]`, determines everything random.

        Returns:
          Scalars by name: `loss_names`, `norm_names` and `scalar_names`. If one
          of them is not finite, nothing was learned.
        """
        raise NotImplementedError

    def test_step(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        """Computes the losses of a batch, `loss_names`, and learns nothing."""
        raise NotImplementedError

    # Looking, of agents with a model.

    def filter(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Prediction, Prediction]:
        """Infers what sequences were about.

        Args:
          batch: `[B, T, ...]` as stored: observations, `action`, and whatever
            else log-densities are wanted of.
          seed: int32 `[2]`.

        Returns:
          What was expected of each time step before it was seen, and what was
          made of it afterwards.
        """
        raise NotImplementedError

    def open_loop(
        self, batch: Batch, context: int, seed: tf.Tensor
    ) -> Prediction:
        """Sees the beginning of sequences, and predicts the rest of them.

        Args:
          batch: `action` `[B, T, A]` and observations `[B, C, ...]`, C at least
            `context`, as stored.
          context: time steps that are seen, at least 1.
          seed: int32 `[2]`, determines one sampled future.
        """
        raise NotImplementedError

    def imagine(
        self, state: State, action: tf.Tensor, seed: tf.Tensor
    ) -> Prediction:
        """Predicts what actions `[B, T, A]` lead to from states `[B, ...]`."""
        raise NotImplementedError

    def truth(self, batch: Batch) -> Batch:
        """Returns what the best prediction of stored values would be.

        Images are in 0 to 1, without the detail that the agent does not see.
        """
        raise NotImplementedError

    def describe(self, state: State) -> Scalars:
        """Returns numbers that say how sure a state is, `[B, T, ...]`."""
        raise NotImplementedError

    def latent(self, state: State) -> tf.Tensor:
        """Returns entries of a state that are worth a plot, `[B, T, D]`."""
        raise NotImplementedError

    def features(self, state: State) -> tf.Tensor:
        """Returns all that its heads see of a state, `[..., F]`."""
        raise NotImplementedError

    def divergence(self, state: State, other: State) -> tf.Tensor:
        """Returns KL(state || other) of every time step, `[B, T]` in nats."""
        raise NotImplementedError

    def plan(self, state: State, seed: tf.Tensor) -> Plan:
        """Plans from states `[B, ...]` as its actors do, and says how."""
        raise NotImplementedError
