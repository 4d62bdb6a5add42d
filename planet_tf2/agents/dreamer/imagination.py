"""Futures that an actor imagines by the world model."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from planet_tf2.nets.layers import in_steps
from planet_tf2.tools import devices

State = dict[str, tf.Tensor]
Noise = tuple[tf.Tensor, tf.Tensor]


class Imagined(NamedTuple):
    """Imagined futures of N states, and what they are worth.

    Attributes:
      features: of the states, `[H, N, F]`.
      action: sampled in each of them, `[H, N, A]`.
      reward: expected with each of them, `[H, N]`.
      value: by the critic, `[H, N]`.
      returns: what the critic's head put out for it, `[H, N, ...]`.
      discount: discount factor times probability to continue, `[H, N]`.
      weight: see `returns.weights`, `[H, N]`.
      target: lambda-returns, `[H - 1, N]`.
    """

    features: tf.Tensor
    action: tf.Tensor
    reward: tf.Tensor
    value: tf.Tensor
    returns: tf.Tensor
    discount: tf.Tensor
    weight: tf.Tensor
    target: tf.Tensor


class Policies:
    """The distributions of all actions of imagined futures, `[H, N]`.

    Args:
      parts: of some of the N futures, side by side, those of each step.
    """

    def __init__(self, parts: Sequence[Sequence[Any]]):
        self._parts = parts

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the log-density of actions `[H, N, A]`, `[H, N]`."""
        values = map(tf.unstack, tf.split(value, len(self._parts), 1))
        found = []
        for part, actions in zip(self._parts, values, strict=True):
            pairs = zip(part, actions, strict=True)
            found.append(tf.stack([p.log_prob(x) for p, x in pairs]))
        return tf.concat(found, 1)

    def entropy(self) -> tf.Tensor:
        """Returns the entropy, `[H, N]`, in nats."""
        return tf.concat(
            [tf.stack([p.entropy() for p in part]) for part in self._parts], 1
        )


def imagine(
    rssm: Any,
    actor: Callable[[tf.Tensor], Any],
    start: State,
    horizon: int,
    noise: Noise,
) -> tuple[State, tf.Tensor, tf.Tensor]:
    """Acts in the world model.

    The steps stand one after the other in the graph.

    Args:
      rssm: the world model's latent dynamics.
      actor: gives the distribution of actions for features `[N, F]`.
      start: first states, `[N, ...]`.
      horizon: H, at least 2.
      noise: of the latent states, `[H - 1, N, ...]`, and of the actions,
        `[H, N, ...]`; see `Behavior.noise`.

    Returns:
      States `[H, N, ...]`, their features `[H, N, F]`, and the actions taken in
      them `[H, N, A]`. Gradients flow from each of them to the actions before.
    """
    return _imagine(rssm, actor, start, horizon, noise)[:3]


def imagine_side_by_side(
    rssm: Any,
    actor: Callable[[tf.Tensor], Any],
    start: State,
    horizon: int,
    noise: Noise,
) -> tuple[tf.Tensor, tf.Tensor, Policies]:
    """Does what `imagine` does, in two halves where that is faster.

    Returns:
      Features `[H, N, F]`, actions `[H, N, A]`, and what these were drawn from,
      in the states as constants.
    """
    count = next(iter(start.values())).shape[0]
    parts = devices.chains()
    if count is None or count % parts:
        parts = 1
    _, features, actions, policies = zip(
        *(
            _imagine(rssm, actor, state, horizon, noise)
            for state, noise in zip(
                _split(start, parts, 0), _split(noise, parts, 1), strict=True
            )
        ),
        strict=True,
    )
    joined = (tf.concat(x, 1) for x in (features, actions))
    return *joined, Policies(policies)


def value_imagined(
    critic: Any, features: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Asks the critic once, for two purposes.

    Args:
      critic: a `DistributionHead`.
      features: `[H, N, F]`.

    Returns:
      What its head puts out, with a gradient to the critic alone, and values
      `[H, N]`, with one to the features alone.
    """
    seen = tf.stop_gradient(features)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(seen)
        raw = critic.outputs(seen)
        value = critic.distribution(raw).mode()

    @tf.custom_gradient
    def of(features: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        del features
        return tf.identity(value), lambda upstream: tape.gradient(
            value, seen, upstream
        )

    return raw, of(features)


def _imagine(
    rssm: Any,
    actor: Callable[[tf.Tensor], Any],
    start: State,
    horizon: int,
    noise: Noise,
) -> tuple[State, tf.Tensor, tf.Tensor, list[Any]]:
    """Does what `imagine` does, and returns the policy of each step, too."""
    latent_noise, action_noise = (tf.unstack(x) for x in noise)
    states, features, actions, policies = [start], [], [], []
    with in_steps(horizon):
        for step in range(horizon):
            features.append(rssm.features(states[-1]))
            policies.append(actor(tf.stop_gradient(features[-1])))
            actions.append(policies[-1].sample_from(action_noise[step]))
            if step < horizon - 1:
                states.append(
                    rssm.img_step(states[-1], actions[-1], latent_noise[step])
                )
    stacked = tf.nest.map_structure(lambda *x: tf.stack(x), *states)
    return stacked, tf.stack(features), tf.stack(actions), policies


def _split(values: Any, count: int, axis: int) -> list[Any]:
    """Divides all tensors of a structure into parts."""
    flat = [tf.split(x, count, axis) for x in tf.nest.flatten(values)]
    return [
        tf.nest.pack_sequence_as(values, part)
        for part in zip(*flat, strict=True)
    ]
