"""Futures that an actor imagines by the world model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

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
      discount: discount factor times probability to continue, `[H, N]`.
      weight: see `returns.weights`, `[H, N]`.
      target: lambda-returns, `[H - 1, N]`.
    """

    features: tf.Tensor
    action: tf.Tensor
    reward: tf.Tensor
    value: tf.Tensor
    discount: tf.Tensor
    weight: tf.Tensor
    target: tf.Tensor


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
    latent_noise, action_noise = (tf.unstack(x) for x in noise)
    states, features, actions = [start], [], []
    for step in range(horizon):
        features.append(rssm.features(states[-1]))
        policy = actor(tf.stop_gradient(features[-1]))
        actions.append(policy.sample_from(action_noise[step]))
        if step < horizon - 1:
            states.append(
                rssm.img_step(states[-1], actions[-1], latent_noise[step])
            )
    stacked = tf.nest.map_structure(lambda *x: tf.stack(x), *states)
    return stacked, tf.stack(features), tf.stack(actions)


def imagine_side_by_side(
    rssm: Any,
    actor: Callable[[tf.Tensor], Any],
    start: State,
    horizon: int,
    noise: Noise,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Does what `imagine` does, in two halves where that is faster.

    Returns:
      Features `[H, N, F]` and actions `[H, N, A]`.
    """
    count = next(iter(start.values())).shape[0]
    parts = devices.chains()
    if count is None or count % parts:
        parts = 1
    features, actions = zip(
        *(
            imagine(rssm, actor, state, horizon, noise)[1:]
            for state, noise in zip(
                _split(start, parts, 0), _split(noise, parts, 1), strict=True
            )
        ),
        strict=True,
    )
    return tf.concat(features, 1), tf.concat(actions, 1)


def _split(values: Any, count: int, axis: int) -> list[Any]:
    """Divides all tensors of a structure into parts."""
    flat = [tf.split(x, count, axis) for x in tf.nest.flatten(values)]
    return [
        tf.nest.pack_sequence_as(values, part)
        for part in zip(*flat, strict=True)
    ]
