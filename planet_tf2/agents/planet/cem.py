"""Planning by the cross-entropy method (algorithm 2 of the paper)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.planning import (
    State,
    Trace,
    batch_size,
    rate,
    sample,
    search,
)
from planet_tf2.tools import seeds


def cross_entropy_method(
    cell: Any,
    objective_fn: Callable[[State], tf.Tensor],
    state: State,
    action_size: int,
    horizon: int = 12,
    amount: int = 1000,
    topk: int = 100,
    iterations: int = 10,
    *,
    seed: tf.Tensor,
    noise: tf.Tensor | None = None,
    trace: bool = False,
) -> tf.Tensor | tuple[tf.Tensor, Trace]:
    """Searches the action sequence with the highest predicted return.

    A diagonal normal over sequences starts at mean 0 and standard deviation
    1. Every iteration samples candidates, imagines each from the one state of
    its agent, and refits the normal to the best of them. The plan is the mean
    of the final normal. Arguments and results: see `planning`.
    """
    batch = batch_size(state)
    shape = tf.stack([batch, horizon, action_size])  # [B, H, A]

    def iterate(iteration, mean, stddev):
        action_seed, latent_seed = seeds.split(
            seeds.fold_in(seed, iteration), 2
        )
        size = [batch, amount, horizon, action_size]
        sampled = sample(size, action_seed, noise, iteration)
        candidates = mean[:, None] + stddev[:, None] * sampled
        candidates = tf.clip_by_value(candidates, -1.0, 1.0)
        returns = rate(cell, objective_fn, state, candidates, latent_seed)
        mean, variance = _refit(candidates, returns, topk)
        return (mean, tf.sqrt(variance + 1e-6)), returns

    start = tf.zeros(shape), tf.ones(shape)
    (mean, _), found = search(iterate, start, iterations, topk, trace)
    return (mean, found) if trace else mean


def _refit(
    candidates: tf.Tensor, returns: tf.Tensor, topk: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Fits mean and population variance, `[B, H, A]`, to the best K'."""
    _, best = tf.math.top_k(returns, topk, sorted=False)
    elites = tf.gather(candidates, best, batch_dims=1)  # [B, K', H, A]
    return tf.nn.moments(elites, axes=[1])
