"""Plan2Explore: a reward for what an ensemble of predictions disagrees about.

Sekar et al. (2020), "Planning to Explore via Self-Supervised World Models".
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents.dreamer.behavior import Behavior, Scalars
from planet_tf2.agents.dreamer.imagination import State
from planet_tf2.nets.module import Module
from planet_tf2.tools import seeds

TARGETS = ("stoch", "embed", "deter", "feat")

# So that its logarithm is finite where all members say the same.
_LEAST = 1e-8


@dataclasses.dataclass(frozen=True)
class DisagreementSettings:
    """What an ensemble predicts, and what its disagreement is worth.

    Attributes:
      target: one of `TARGETS`: part of the state, all of it (`feat`), or the
        embedded observation.
      offset: how many steps later.
      action_cond: whether the members are told the action in between; the
        first one, if there are several.
      log: whether the reward is the logarithm of the disagreement.
      intrinsic: how much that is worth.
      extrinsic: how much the task's reward is worth.
      reference: train with the action before the state, as the PyTorch port
        does, which rewards with the one after it.
    """

    target: str = "stoch"
    offset: int = 1
    action_cond: bool = False
    log: bool = True
    intrinsic: float = 1.0
    extrinsic: float = 0.0
    reference: bool = False


class Disagreement(Module):
    """An ensemble that predicts what comes next, each member on its own.

    Where there is something to be learned they disagree.

    Args:
      members: give distributions of the target for features, or features and
        actions, `[..., F (+ A)]`; built; at least two.
      rssm: the world model's latent dynamics.
      reward: the task's reward, for features and actions, `[...]`.
      settings: see there.
    """

    def __init__(
        self,
        members: Sequence[Any],
        rssm: Any,
        reward: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        settings: DisagreementSettings | None = None,
    ):
        super().__init__("disagreement")
        if len(members) < 2:
            raise ValueError(
                f"disag_models is {len(members)}, but one model alone cannot "
                "disagree. Take at least 2."
            )
        self.members = list(members)
        self._rssm, self._reward = rssm, reward
        self.settings = settings or DisagreementSettings()

    def reward(self, features: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """Returns what states are worth to be seen.

        Args:
          features: `[..., F]`.
          action: taken in these states, `[..., A]`.

        Returns:
          `[...]`, with gradient.
        """
        settings = self.settings
        reward = self.disagreement(features, action)
        if settings.log:
            reward = tf.math.log(tf.maximum(reward, _LEAST))
        reward *= settings.intrinsic
        if settings.extrinsic:
            reward += settings.extrinsic * self._reward(features, action)
        return reward

    def disagreement(self, features: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """Returns the members' standard deviation, mean over the target."""
        inputs = self._inputs(features, action)
        means = tf.stack([m(inputs).mean() for m in self.members])
        error = means - tf.reduce_mean(means, 0)
        squares = tf.reduce_sum(tf.square(error), 0)
        variance = squares / (len(self.members) - 1)
        # The root has no gradient at 0, where saturated members meet.
        some = variance > 0
        deviation = tf.sqrt(tf.where(some, variance, 1.0))
        return tf.reduce_mean(tf.where(some, deviation, 0.0), -1)

    def batch_loss(self, context: dict[str, Any]) -> tf.Tensor:
        """Returns the members' mean loss for a batch, see `Plan2Explore`."""
        states = context["posterior"]
        return self.loss(
            self._rssm.features(states),
            self.target(states, context["embed"]),
            context["action"],
        )

    def target(self, states: State, embed: tf.Tensor) -> tf.Tensor:
        """Returns what is to be predicted, `[B, T, D]`."""
        if self.settings.target == "embed":
            return tf.cast(embed, tf.float32)
        if self.settings.target == "deter":
            return states["deter"]
        features = self._rssm.features(states)
        if self.settings.target == "feat":
            return features
        return features[..., : -states["deter"].shape[-1]]

    def loss(
        self, features: tf.Tensor, target: tf.Tensor, action: tf.Tensor
    ) -> tf.Tensor:
        """Returns minus the mean log-density of later targets, a scalar.

        Args:
          features: `[B, T, F]`.
          target: `[B, T, D]`.
          action: the one that led to each state, `[B, T, A]`.
        """
        offset = self.settings.offset
        if not self.settings.reference:
            action = tf.roll(action, -1, 1)  # What is taken in the state.
        inputs = self._inputs(features[:, :-offset], action[:, :-offset])
        inputs = tf.stop_gradient(inputs)
        later = tf.stop_gradient(target[:, offset:])
        log_probs = [
            tf.reduce_mean(m(inputs).log_prob(later)) for m in self.members
        ]
        return -tf.add_n(log_probs) / len(log_probs)

    def _inputs(self, features: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        if not self.settings.action_cond:
            return features
        return tf.concat([features, action], -1)


class Plan2Explore(Module):
    """A task's behavior, and another one that explores.

    Both learn from the same imagination's world model; the task's behavior
    does so as if the other one were not there. The explorer's reward is that of
    the ensemble as it was before the update.

    Args:
      task: behavior that maximizes the task's reward.
      explorer: behavior that maximizes the reward of `disagreement`; with the
        prefix `expl_`.
      disagreement: the ensemble.

    Attributes:
      groups: variables to train by optimizer: `actor`, `value`, and the same
        and `explorer`, the ensemble, with the prefix.
    """

    def __init__(
        self, task: Behavior, explorer: Behavior, disagreement: Disagreement
    ):
        super().__init__("plan2explore")
        self.task, self.explorer = task, explorer
        self.disagreement = disagreement

    @property
    def groups(self) -> dict[str, list[Any]]:
        members = [m.trainable_variables for m in self.disagreement.members]
        return {
            **self.task.groups,
            "expl_explorer": list(itertools.chain(*members)),
            **self.explorer.groups,
        }

    @property
    def scalar_names(self) -> list[str]:
        """Names of what `losses` returns beside the losses."""
        return self.task.scalar_names + self.explorer.scalar_names

    def move_targets(self) -> None:
        """Moves the slow critics; see `Behavior`."""
        self.task.move_targets()
        self.explorer.move_targets()

    def losses(
        self, context: dict[str, Any], seed: tf.Tensor
    ) -> tuple[Scalars, Scalars, Any]:
        """Computes the losses of all `groups`; see `Behavior`.

        Args:
          context: as there, and `embed`, embedded observations `[B, T, E]`, and
            `action`, the one that led to each state, `[B, T, A]`.
          seed: int32 `[2]`.
        """
        first, second = seeds.split(seed, 2)
        losses, scalars, pending = self.task.losses(context, first)
        others = self.explorer.losses(context, second)
        ensemble = {"expl_explorer": self.disagreement.batch_loss(context)}
        return (
            losses | ensemble | others[0],
            scalars | others[1],
            (pending, others[2]),
        )

    def commit(self, pending: Any) -> None:
        """Keeps what `losses` has computed; see `Behavior`."""
        self.task.commit(pending[0])
        self.explorer.commit(pending[1])
