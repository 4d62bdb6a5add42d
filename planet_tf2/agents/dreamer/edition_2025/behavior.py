"""Actor and critic of edition 2025.

The actor learns from what the world model imagines, the critic from that and
from the stored rewards. All times stand first: H + 1 imagined states, K stored
ones (Hafner et al. 2025, "Critic learning", "Actor learning").
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from planet_tf2.agents.dreamer.edition_2025 import imagined_scalars
from planet_tf2.agents.dreamer.edition_2025.normalizers import Normalizer
from planet_tf2.agents.dreamer.edition_2025.slow_copy import SlowCopy
from planet_tf2.agents.dreamer.imagination import imagine_side_by_side
from planet_tf2.agents.dreamer.returns import lambda_return
from planet_tf2.nets.module import Module
from planet_tf2.tools import seeds

Scalars = dict[str, tf.Tensor]
States = dict[str, tf.Tensor]

_map = tf.nest.map_structure


@dataclasses.dataclass(frozen=True)
class BehaviorSettings:
    """How a behavior learns.

    Attributes:
      horizon: H, imagined steps.
      discount: of what comes a step later.
      cont_discounts: whether the head of ends has learned the discount, too.
      lambda_: see `lambda_return`.
      entropy: how much a nat of the actor's entropy is worth.
      slow_regularizer: how much the slow critic's opinion is worth beside the
        return.
      slow_returns: whether imagined returns are made of the slow critic's
        values.
      last: of each sequence only so many of the last states are imagined from,
        and their stored rewards learned from; 0 for all.
      start_gradient: whether actor and critic train the world model by the
        features that they begin with.
      replay_gradient: whether the critic does by those of stored rewards.
    """

    horizon: int = 15
    discount: float = 1 - 1 / 333
    cont_discounts: bool = True
    lambda_: float = 0.95
    entropy: float = 3e-4
    slow_regularizer: float = 1.0
    slow_returns: bool = False
    last: int = 0
    start_gradient: bool = False
    replay_gradient: bool = True


class Futures(NamedTuple):
    """Imagined futures of N states.

    Attributes:
      features: `[H + 1, N, F]`.
      action: sampled in each of them, `[H + 1, N, A]`.
      reward: expected with each of them, `[H + 1, N]`.
      cont: how likely each of them is no end, `[H + 1, N]`.
    """

    features: tf.Tensor
    action: tf.Tensor
    reward: tf.Tensor
    cont: tf.Tensor


class Behavior(Module):
    """An actor, the critic that it learns from, and a slow copy of that.

    One update is `losses`, a step of the optimizer, and `commit`.

    Args:
      rssm: the world model's latent dynamics.
      reward: gives the distribution of rewards for features.
      cont: gives the distribution of the continue flag for features.
      actor: gives the distribution of actions for features; built.
      critic: gives the distribution of returns for features; built.
      slow_critic: follows the critic, and keeps it from changing too fast.
      normalizers: of returns (`return`: their scale is that of advantages), of
        the critic's targets (`value`), and of the actor's `advantage`.
      settings: see there.
    """

    scalar_names = imagined_scalars.NAMES

    def __init__(
        self,
        rssm: Any,
        reward: Callable[[tf.Tensor], Any],
        cont: Callable[[tf.Tensor], Any],
        actor: Any,
        critic: Any,
        slow_critic: SlowCopy,
        *,
        normalizers: Mapping[str, Normalizer],
        settings: BehaviorSettings | None = None,
    ):
        super().__init__("behavior")
        self.rssm, self._reward, self._cont = rssm, reward, cont
        self.actor, self.critic = actor, critic
        self.slow_critic = slow_critic
        self.normalizers = dict(normalizers)
        self.settings = settings or BehaviorSettings()

    @property
    def states(self) -> States:
        """What the normalizers know."""
        return {
            name: tf.convert_to_tensor(normalizer.state)
            for name, normalizer in self.normalizers.items()
        }

    def noise(
        self, seed: tf.Tensor, count: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws all noise of the futures of `count` states."""
        horizon = self.settings.horizon
        of_latent, of_action = seeds.split(seed, 2)
        return (
            self.rssm.noise(of_latent, (horizon, count)),
            self.actor.noise(of_action, (horizon + 1, count)),
        )

    def losses(
        self, context: Mapping[str, Any], seed: tf.Tensor
    ) -> tuple[Scalars, Scalars, States]:
        """Imagines, and looks at what was stored; changes no variable.

        Args:
          context: `posterior`, states `[B, T, ...]`, their `features`; and
            stored with them `reward`, `terminal` and `is_last`, `[B, T]`.
          seed: int32 `[2]`.

        Returns:
          The losses of each state that is learned from, `actor` and `value`
          `[B, K]`, `repval` `[B, K - 1]`; scalars; what `commit` needs.
        """
        last = self.settings.last
        context = _map(lambda x: x[:, -last:], dict(context))
        features = context["features"]
        size, length = features.shape[0] or tf.shape(features)[0], -1
        start = _map(
            lambda x: _merge(tf.stop_gradient(x)), context["posterior"]
        )
        futures = self.imagine(start, _merge(features), seed)
        losses, scalars, target, states = self.imagined_losses(
            futures, self.states
        )
        losses = {
            name: tf.reshape(tf.reduce_mean(loss, 0), [size, length])
            for name, loss in losses.items()
        }
        stored = [context[k] for k in ("features", "reward")]
        ends = [context[k] for k in ("terminal", "is_last")]
        losses["repval"], _, states = self.replay_loss(
            *stored, *ends, tf.reshape(target[0], [size, length]), states
        )
        return losses, scalars, states

    def imagine(
        self, start: Any, features: tf.Tensor, seed: tf.Tensor
    ) -> Futures:
        """Acts in the world model; nothing has a gradient.

        Args:
          start: states `[N, ...]`.
          features: those of the states, `[N, F]`. They keep their gradient if
            the settings want that.
          seed: int32 `[2]`.
        """
        noise = self.noise(seed, features.shape[0] or tf.shape(features)[0])
        seen, action, _ = imagine_side_by_side(
            self.rssm, self.actor, start, self.settings.horizon + 1, noise
        )
        seen, action = tf.stop_gradient(seen), tf.stop_gradient(action)
        reward, cont = self._reward(seen).mean(), self._cont(seen).mean()
        if self.settings.start_gradient:
            seen = tf.concat([features[None], seen[1:]], 0)
        return Futures(
            seen, action, tf.stop_gradient(reward), tf.stop_gradient(cont)
        )

    def imagined_losses(
        self, futures: Futures, states: States
    ) -> tuple[Scalars, Scalars, tf.Tensor, States]:
        """Computes what actor and critic learn from imagined futures.

            actor  -w[k] (ln p(a[k]) sg(A[k]) + eta H[p])
            value  -w[k] (ln p(R[k]) + rho ln p(v_slow[k]))

        R are lambda-returns, A = (R - v) / scale, w the discounts and
        probabilities to continue up to state k, without the first discount.

        Args:
          futures: by `imagine`.
          states: of the normalizers.

        Returns:
          Both losses `[H, N]`, scalars by name, R `[H, N]`, and the states of
          the normalizers after that.
        """
        settings, states = self.settings, dict(states)
        critics = (
            self.critic(futures.features),
            self.slow_critic(futures.features),
        )
        value, slow = (self._value(critic, states) for critic in critics)
        factor = 1.0 if settings.cont_discounts else settings.discount
        discount = factor * futures.cont
        weight = tf.math.cumprod(discount) / factor
        base = slow if settings.slow_returns else value
        target = lambda_return(futures.reward, base, discount, settings.lambda_)
        low, scale = self._move("return", states, target)
        advantage = (target - base[:-1]) / scale
        offset, spread = self._move("advantage", states, advantage)
        learned, critic_loss = self._critic_losses(critics, target, states)
        policy = self.actor(futures.features)
        log_prob, entropy = policy.log_prob(futures.action), policy.entropy()
        objective = log_prob[:-1] * ((advantage - offset) / spread)
        objective += settings.entropy * entropy[:-1]
        losses = {
            "actor": -weight[:-1] * objective,
            "value": weight[:-1] * critic_loss,
        }
        scalars = imagined_scalars.summarize(
            {
                "actor_entropy": entropy[:-1],
                "advantage": advantage,
                "imag_cont": futures.cont,
                "imag_reward": futures.reward,
                "imag_weight": weight,
                "normed_target": (target - low) / scale,
                "slow_value": slow,
                "target": learned,
                "value": value,
            }
        )
        return losses, scalars, target, states

    def replay_loss(
        self,
        features: tf.Tensor,
        reward: tf.Tensor,
        terminal: tf.Tensor,
        last: tf.Tensor,
        boot: tf.Tensor,
        states: States,
    ) -> tuple[tf.Tensor, tf.Tensor, States]:
        """Computes what the critic learns from stored rewards.

        The returns are as imagined ones, with imagined returns for values, and
        do not go beyond the last step of an episode, which itself does not
        count.

        Args:
          features: of stored states, `[B, K, F]`.
          reward: that led to them, `[B, K]`.
          terminal: whether they are ends, `[B, K]`.
          last: whether an episode is over with them, `[B, K]`.
          boot: returns that were imagined from them, `[B, K]`.
          states: of the normalizers.

        Returns:
          The loss and the returns, `[B, K - 1]`, and the states after that.
        """
        settings, states = self.settings, dict(states)
        if not settings.replay_gradient:
            features = tf.stop_gradient(features)
        reward, ends, last, boot = (
            tf.transpose(tf.cast(x, tf.float32))
            for x in (reward, terminal, last, boot)
        )
        features = tf.transpose(features, [1, 0, 2])
        target = lambda_return(
            reward,
            tf.stop_gradient(boot),
            settings.discount * (1 - ends),
            settings.lambda_ * (1 - last),
        )
        critics = self.critic(features), self.slow_critic(features)
        _, loss = self._critic_losses(critics, target, states)
        loss *= 1 - last[:-1]
        return tf.transpose(loss), tf.transpose(target), states

    def commit(self, states: States) -> None:
        """Keeps what `losses` has found, and moves the slow critic.

        To be called after the step of the optimizer.
        """
        for name, state in states.items():
            self.normalizers[name].state.assign(state)
        self.slow_critic.move()

    def _value(self, critic: Any, states: States) -> tf.Tensor:
        """Returns values in the unit of rewards, without gradient."""
        normalizer = self.normalizers["value"]
        offset, scale = normalizer.offset_and_scale(states["value"])
        return tf.stop_gradient(critic.mean() * scale + offset)

    def _move(
        self, name: str, states: States, values: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Shows values to a normalizer; returns its offset and scale then."""
        states[name] = self.normalizers[name].moved(states[name], values)
        return self.normalizers[name].offset_and_scale(states[name])

    def _critic_losses(
        self, critics: tuple[Any, Any], target: tf.Tensor, states: States
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns targets as the critic learns them, and its losses, `[K]`.

        The distributions are those of K + 1 states.
        """
        offset, scale = self._move("value", states, target)
        target = (target - offset) / scale
        critic, slow = critics
        # The last state has no target; any number will do.
        padded = tf.concat([target, tf.zeros_like(target[:1])], 0)
        log_prob = critic.log_prob(padded)
        log_prob += self.settings.slow_regularizer * critic.log_prob(
            tf.stop_gradient(slow.mean())
        )
        return target, -log_prob[:-1]


def _merge(tensor: tf.Tensor) -> tf.Tensor:
    """Makes one dimension of batch and time, `[B, T, ...]` to `[N, ...]`."""
    return tf.reshape(tensor, [-1, *tensor.shape[2:]])
