"""Actor and critic, which learn from what the world model imagines."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.agents.dreamer import returns
from planet_tf2.agents.dreamer.imagination import (
    Imagined,
    Policies,
    imagine_side_by_side,
    value_imagined,
)
from planet_tf2.nets.module import Module
from planet_tf2.tools import seeds

Scalars = dict[str, tf.Tensor]

_map = tf.nest.map_structure

GRADIENTS = ("dynamics", "reinforce", "both")


@dataclasses.dataclass(frozen=True)
class BehaviorSettings:
    """How a behavior learns; the defaults are those of the reference.

    Attributes:
      horizon: H, imagined states, the first one included.
      discount: of what comes a step later.
      lambda_: see `returns.lambda_return`.
      gradient: one of `GRADIENTS`: `dynamics` goes through the world model,
        `reinforce` only needs the probability of actions, `both` mixes them.
      mix: share of `dynamics` in `both`.
      entropy: how much a nat of the actor's entropy is worth.
      normalize: whether returns are scaled, see `ReturnNormalizer`.
      slow_update: updates between moves of the slow critic.
      slow_fraction: how far it moves towards the critic.
      reference: compute what the PyTorch port does. There, `reinforce` does
        not scale its advantages (nor `both`, whose other part is the return
        itself), the entropy is not weighted and its gradient goes through the
        world model, and weights are those of `returns.weights`. In both forms
        the probability to continue is not rounded, unlike in the authors'
        program.
      last: states at the end of each sequence to imagine from; 0 for all.

    Raises:
      ValueError: there is no such gradient.
    """

    horizon: int = 15
    discount: float = 0.997
    lambda_: float = 0.95
    gradient: str = "dynamics"
    mix: float = 0.0
    entropy: float = 3e-4
    normalize: bool = True
    slow_update: int = 1
    slow_fraction: float = 0.02
    reference: bool = False
    last: int = 0

    def __post_init__(self):
        if self.gradient not in GRADIENTS:
            raise ValueError(
                f"imag_gradient is {self.gradient!r}. Choose one of "
                f"{', '.join(GRADIENTS)}."
            )


class Behavior(Module):
    """An actor and the critic that it learns from.

    One update is `move_targets`, `losses`, a step of each optimizer on its
    loss, and `commit`.

    Args:
      rssm: the world model's latent dynamics; not trained here.
      reward: what to do well in: of features `[H, N, F]` and actions
        `[H, N, A]`, `[H, N]`.
      cont: gives the distribution of the continue flag for features.
      actor: gives the distribution of actions for features; built.
      critic: gives the distribution of returns for features; built.
      slow_critic: like the critic; follows it slowly, and keeps it from
        changing too fast. Without it there is no such regularizer.
      settings: see there.
      prefix: put before the names of groups and scalars.

    Attributes:
      groups: variables to train by optimizer, `actor` and `value`.
      normalizer: of the returns.
    """

    def __init__(
        self,
        rssm: Any,
        reward: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        cont: Callable[[tf.Tensor], Any],
        actor: Any,
        critic: Any,
        slow_critic: Any | None = None,
        *,
        settings: BehaviorSettings | None = None,
        prefix: str = "",
    ):
        super().__init__("behavior")
        self.rssm, self._reward, self._cont = rssm, reward, cont
        self.actor, self.critic = actor, critic
        self.slow_critic = slow_critic
        self.settings = settings or BehaviorSettings()
        self._prefix = prefix
        self.normalizer = returns.ReturnNormalizer()
        self._updates = tf.Variable(
            0,
            trainable=False,
            name="updates",
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        # Checkpoints find these, but not all layers inside of layers.
        self._slow_variables: list[Any] = []
        if slow_critic is not None:
            self._slow_variables = list(slow_critic.variables)
            for slow, fast in self._pairs():
                slow.assign(fast)

    @property
    def groups(self) -> dict[str, list[Any]]:
        return {
            f"{self._prefix}actor": list(self.actor.trainable_variables),
            f"{self._prefix}value": list(self.critic.trainable_variables),
        }

    @property
    def scalar_names(self) -> list[str]:
        """Names of what `losses` returns beside the losses."""
        summaries = ["value", "target", "imag_reward", "imag_action"]
        names = ["actor_entropy"]
        if self.settings.normalize:
            summaries.append("normed_target")
            names += ["EMA_005", "EMA_095"]
        kinds = ("mean", "std", "min", "max")
        names += [f"{name}_{kind}" for name in summaries for kind in kinds]
        return [self._prefix + name for name in names]

    def noise(
        self, seed: tf.Tensor, count: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws all noise of the futures of `count` states."""
        horizon = self.settings.horizon
        of_latent, of_action = seeds.split(seed, 2)
        return (
            self.rssm.noise(of_latent, (horizon - 1, count)),
            self.actor.noise(of_action, (horizon, count)),
        )

    def move_targets(self) -> None:
        """Moves the slow critic, if it is time; once before every update."""
        if self.slow_critic is None:
            return
        due = self._updates % self.settings.slow_update == 0
        fraction = tf.where(due, self.settings.slow_fraction, 0.0)
        for slow, fast in self._pairs():
            slow.assign(fraction * fast + (1 - fraction) * slow)
        self._updates.assign_add(1)

    def losses(
        self, context: dict[str, Any], seed: tf.Tensor
    ) -> tuple[Scalars, Scalars, Any]:
        """Imagines from states of a batch; changes no variable.

        Args:
          context: `posterior`, states `[B, T, ...]`, and `is_terminal`, 1 where
            the environment ended, `[B, T]`.
          seed: int32 `[2]`.

        Returns:
          The loss of each of `groups`, other scalars by the names of the
          PyTorch port, and what `commit` needs.
        """
        # From -0 on are all of them.
        posterior, terminal = _map(
            lambda x: _merge(tf.stop_gradient(x[:, -self.settings.last :])),
            (context["posterior"], context["is_terminal"]),
        )
        cont = 1 - tf.cast(terminal, tf.float32)
        noise = self.noise(seed, cont.shape[0] or tf.shape(cont)[0])
        features, action, policies = imagine_side_by_side(
            self.rssm, self.actor, posterior, self.settings.horizon, noise
        )
        imagined = self.evaluate(features, action, cont)
        return self.losses_of(imagined, policies)

    def losses_of(
        self, imagined: Imagined, policies: Policies | None = None
    ) -> tuple[Scalars, Scalars, Any]:
        """Does what `losses` does, for what `evaluate` returns."""
        ema = self.moved_ema(imagined)
        actor_loss, entropy = self.actor_loss(imagined, ema, policies)
        actor, value = self.groups
        losses = {actor: actor_loss, value: self.critic_loss(imagined)}
        scalars = {
            "actor_entropy": tf.reduce_mean(entropy),
            **self._statistics(imagined, ema),
        }
        scalars = {self._prefix + n: value for n, value in scalars.items()}
        return losses, scalars, ema

    def commit(self, pending: Any) -> None:
        """Keeps the range of returns that `losses` has computed."""
        if self.settings.normalize:
            self.normalizer.ema.assign(pending)

    def evaluate(
        self, features: tf.Tensor, actions: tf.Tensor, cont: tf.Tensor
    ) -> Imagined:
        """Says what imagined futures are worth.

        Args:
          features: `[H, N, F]`.
          actions: `[H, N, A]`.
          cont: 0 where the first states are terminal, else 1, `[N]`.
        """
        settings = self.settings
        reward = self._reward(features, actions)
        raw, value = value_imagined(self.critic, features)
        discount = settings.discount * self._cont(features).mean()
        target = returns.lambda_return(
            reward, value, discount, settings.lambda_
        )
        weight = returns.weights(discount, cont, settings.reference)
        return Imagined(
            features, actions, reward, value, raw, discount, weight, target
        )

    def moved_ema(self, imagined: Imagined) -> Any:
        """Returns the range of returns after these, `[2]`; () if not used."""
        if not self.settings.normalize:
            return ()
        return self.normalizer.moved(imagined.target)

    def actor_loss(
        self, imagined: Imagined, ema: Any, policies: Policies | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the actor's loss (DreamerV3, equation 11), and entropy.

            -mean over k, start of w[k] (objective[k] + eta entropy[k])

        Args:
          imagined: by `evaluate`.
          ema: by `moved_ema`.
          policies: what its actions were drawn from, if that is known.

        Returns:
          The loss, a scalar, and the actor's entropy in nats, `[H, N]`.
        """
        settings, weight = self.settings, imagined.weight[:-1]
        policy = policies
        if policy is None:
            policy = self.actor(tf.stop_gradient(imagined.features))
        objective = weight * self.objective(imagined, policy, ema)
        if settings.reference:
            entropy = self.actor(imagined.features).entropy()
            bonus = entropy[:-1]
        else:
            entropy = policy.entropy()
            bonus = weight * entropy[:-1]
        loss = -tf.reduce_mean(objective + settings.entropy * bonus)
        return loss, entropy

    def objective(self, imagined: Imagined, policy: Any, ema: Any) -> tf.Tensor:
        """Returns what the actor should make large, `[H - 1, N]`.

        Args:
          imagined: by `evaluate`.
          policy: distribution of actions in its states, without their gradient.
          ema: by `moved_ema`.
        """
        settings = self.settings
        advantage = imagined.target - imagined.value[:-1]
        scaled = advantage
        if settings.normalize:
            # The offset falls out of the difference.
            scaled /= returns.offset_and_scale(ema)[1]
        if settings.gradient == "dynamics":
            return scaled
        through_model = scaled
        if settings.reference:
            through_model, scaled = imagined.target, advantage
        log_prob = policy.log_prob(tf.stop_gradient(imagined.action))[:-1]
        reinforce = log_prob * tf.stop_gradient(scaled)
        if settings.gradient == "reinforce":
            return reinforce
        return settings.mix * through_model + (1 - settings.mix) * reinforce

    def critic_loss(self, imagined: Imagined) -> tf.Tensor:
        """Computes the critic's loss, a scalar (DreamerV3, equation 10).

        -mean over k, start of w[k] (ln p(R[k]) + ln p(v_slow[k]))
        """
        value = self.critic.distribution(imagined.returns[:-1])
        features = tf.stop_gradient(imagined.features[:-1])
        log_prob = value.log_prob(tf.stop_gradient(imagined.target))
        if self.slow_critic is not None:
            slow = tf.stop_gradient(self.slow_critic(features).mode())
            log_prob += value.log_prob(slow)
        return -tf.reduce_mean(imagined.weight[:-1] * log_prob)

    def _statistics(self, imagined: Imagined, ema: Any) -> Scalars:
        scalars = {
            **_summarize("value", imagined.value[:-1]),
            **_summarize("target", imagined.target),
            **_summarize("imag_reward", imagined.reward),
            **_summarize("imag_action", self.actor.numbers(imagined.action)),
        }
        if self.settings.normalize:
            offset, scale = returns.offset_and_scale(ema)
            normed = (imagined.target - offset) / scale
            low, high = tf.unstack(ema)
            scalars |= {"EMA_005": low, "EMA_095": high}
            scalars |= _summarize("normed_target", normed)
        return scalars

    def _pairs(self) -> list[tuple[Any, Any]]:
        fast = self.critic.variables
        return list(zip(self._slow_variables, fast, strict=True))


def _summarize(name: str, values: tf.Tensor) -> Scalars:
    values = tf.cast(values, tf.float32)
    mean = tf.reduce_mean(values)
    count = tf.cast(tf.size(values), tf.float32)
    variance = tf.reduce_sum(tf.square(values - mean)) / (count - 1)
    return {
        f"{name}_mean": mean,
        f"{name}_std": tf.sqrt(variance),
        f"{name}_min": tf.reduce_min(values),
        f"{name}_max": tf.reduce_max(values),
    }


def _merge(tensor: tf.Tensor) -> tf.Tensor:
    """Makes one dimension of batch and time, `[B, T, ...]` to `[N, ...]`."""
    return tf.reshape(tensor, [-1, *tensor.shape[2:]])
