"""Planning by the improved cross-entropy method of Pinneri et al. (2020).

From "Sample-efficient Cross-Entropy Method for Real-time Planning" (arXiv
2008.06389), algorithm 1. In iteration i, with topk = K',

    amount        K_i = max(K * decay^-i, 2 K')
    candidates    clip(mean + stddev * C(H, A))
    and with them a fraction `keep` of the last iteration's K' best, and, in the
    last iteration, the mean
    refit         mean <- (1 - momentum) mean(best) + momentum mean
                  stddev likewise, by the standard deviation of the best

`stddev` is that of the first candidates. C is coloured noise: along time its
power falls as f^-noise_exponent (0 is white noise), so that candidates push in
a direction for a while in place of trembling. The plan is the best candidate of
the last iteration, not the mean.

A plan follows from the state alone, as that of `cross_entropy_method` does:
what the paper carries over from the decision before, the mean and some of the
best sequences, both moved by a step, is left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
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


def improved_cem(
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
    noise_exponent: float = 2.0,
    stddev: float = 0.5,
    decay: float = 1.25,
    keep: float = 0.3,
    momentum: float = 0.1,
    trace: bool = False,
) -> tf.Tensor | tuple[tf.Tensor, Trace]:
    """Plans by iCEM; arguments: see `planning`, and the top of this module."""
    batch = batch_size(state)
    shape = tf.stack([batch, horizon, action_size])  # [B, H, A]
    amounts = tf.constant(candidate_amounts(amount, topk, iterations, decay))
    colours = tf.constant(colouring(horizon, noise_exponent))
    num_kept = int(np.ceil(keep * topk))

    def iterate(iteration, mean, spread, best):
        action_seed, latent_seed = seeds.split(
            seeds.fold_in(seed, iteration), 2
        )
        size = [batch, amounts[iteration], horizon, action_size]
        white = sample(size, action_seed, noise, iteration)
        sampled = tf.einsum("bkha,hg->bkga", white, colours)
        candidates = mean[:, None] + spread[:, None] * sampled
        # The first iteration has nothing to keep, only the last one the mean.
        kept = best[:, : num_kept * tf.cast(iteration > 0, tf.int32)]
        is_last = tf.cast(iteration == iterations - 1, tf.int32)
        candidates = tf.concat(
            [candidates, kept, mean[:, None][:, :is_last]], 1
        )
        candidates = tf.clip_by_value(candidates, -1.0, 1.0)
        returns = rate(cell, objective_fn, state, candidates, latent_seed)
        _, order = tf.math.top_k(returns, topk)
        best = tf.gather(candidates, order, batch_dims=1)  # [B, K', H, A]
        new_mean, variance = tf.nn.moments(best, axes=[1])
        mean += (1 - momentum) * (new_mean - mean)
        spread += (1 - momentum) * (tf.sqrt(variance) - spread)
        return (mean, spread, best), returns

    start = tf.zeros(shape), tf.zeros(shape) + stddev
    best = tf.zeros(tf.stack([batch, topk, horizon, action_size]))
    (*_, best), found = search(iterate, (*start, best), iterations, topk, trace)
    return (best[:, 0], found) if trace else best[:, 0]


def candidate_amounts(
    amount: int, topk: int, iterations: int, decay: float
) -> np.ndarray:
    """Returns how many candidates each iteration samples, int32.

    At least `2 * topk`, as in the paper, but never more than `amount`.
    """
    falling = amount * float(decay) ** -np.arange(iterations)
    return np.clip(falling, min(2 * topk, amount), amount).astype(np.int32)


def colouring(horizon: int, exponent: float) -> np.ndarray:
    """Returns the matrix `[H, H]` that colours white noise along time.

    Every frequency f of the noise is scaled by f^(-exponent / 2), where the
    constant part counts as the lowest frequency (Timmer and König, 1995), and
    the variance of every entry is kept. Rows go in, columns come out.
    """
    frequencies = np.fft.rfftfreq(horizon)
    frequencies[0] = 1 / horizon
    scale = frequencies ** (-exponent / 2)
    spectrum = np.fft.rfft(np.eye(horizon), axis=1) * scale
    matrix = np.fft.irfft(spectrum, horizon, axis=1)
    # All columns are the same up to their order, so one norm does for all.
    return (matrix / np.linalg.norm(matrix[:, 0])).astype(np.float32)
