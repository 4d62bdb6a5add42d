"""Planning by the improved cross-entropy method of Pinneri et al. (2020)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.agents.planet import search_trace
from planet_tf2.agents.planet.planning import State, imagine_all
from planet_tf2.agents.planet.search_trace import Trace
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
    min_action: float = -1.0,
    max_action: float = 1.0,
    seed: tf.Tensor | None = None,
    noise: tf.Tensor | None = None,
    noise_exponent: float = 2.0,
    stddev: float = 0.5,
    decay: float = 1.25,
    keep: float = 0.3,
    momentum: float = 0.1,
    trace: bool = False,
) -> tf.Tensor | tuple[tf.Tensor, Trace]:
    """Searches the action sequence with the highest predicted return: iCEM.

    From "Sample-efficient Cross-Entropy Method for Real-time Planning"
    (arXiv 2008.06389), algorithm 1. In iteration i, with topk = K',

        amount        K_i = max(K * decay^-i, 2 K')
        candidates    clip(mean + stddev * C(H, A))
        and with them a fraction `keep` of the last iteration's K' best, and, in
        the last iteration, the mean
        refit         mean <- (1 - momentum) mean(best) + momentum mean
                      stddev likewise, by the standard deviation of the best

    C is coloured noise: along time its power falls as f^-noise_exponent, so
    that candidates push in a direction for a while in place of trembling. The
    plan is the best candidate of the last iteration, not the mean.

    A plan follows from the state alone, as that of `cross_entropy_method` does:
    what the paper carries over from the decision before, the mean and some of
    the best sequences, both moved by a step, is left out.

    Args:
      cell: latent cell; `transition(state, action, noise)` and `latent_size`
        are used.
      objective_fn: maps the imagined states, tensors `[N, H, ...]`, to the
        return of every candidate, `[N]`.
      state: a state of every agent, tensors `[B, ...]`.
      action_size: A, entries of an action.
      horizon: H, steps to look ahead.
      amount: K, candidates of the first iteration.
      topk: K', candidates that the normal is refit to.
      iterations: rounds of sampling and refitting; none returns zeros.
      min_action: lower bound of actions.
      max_action: upper bound of actions.
      seed: int32 `[2]`, determines all samples; drawn if not given.
      noise: standard normal `[iterations, B, K, H, A]`, without colour, in
        place of the candidates' own.
      noise_exponent: exponent of the noise's power; 0 is white noise.
      stddev: standard deviation of the first candidates.
      decay: factor by which there are fewer candidates in each iteration.
      keep: fraction of the best that the next iteration tries again.
      momentum: part of the old mean and standard deviation that stays.
      trace: whether to tell how the search went.

    Returns:
      A plan for every agent, `[B, H, A]`; with `trace` also a `Trace`.
    """
    seed = seeds.new_seed() if seed is None else seed
    batch = tf.shape(state["sample"])[0]
    amounts = tf.constant(candidate_amounts(amount, topk, iterations, decay))
    colours = tf.constant(colouring(horizon, noise_exponent))
    num_kept = int(np.ceil(keep * topk))

    def iterate(iteration, mean, spread, best, notes):
        action_seed, latent_seed = seeds.split(
            seeds.fold_in(seed, iteration), 2
        )
        count = amounts[iteration]
        if noise is None:
            white = tf.random.stateless_normal(
                tf.stack([batch, count, horizon, action_size]), action_seed
            )
        else:
            white = noise[iteration, :, :count]
        sampled = tf.einsum("bkha,hg->bkga", white, colours)
        candidates = mean[:, None] + spread[:, None] * sampled
        # The first iteration has nothing to keep, only the last one the mean.
        kept = best[:, : num_kept * tf.cast(iteration > 0, tf.int32)]
        final = mean[:, None][
            :, : tf.cast(iteration == iterations - 1, tf.int32)
        ]
        candidates = tf.concat([candidates, kept, final], 1)
        candidates = tf.clip_by_value(candidates, min_action, max_action)
        returns = _rate(cell, objective_fn, state, candidates, latent_seed)
        _, order = tf.math.top_k(returns, topk)
        best = tf.gather(candidates, order, batch_dims=1)  # [B, K', H, A]
        new_mean, variance = tf.nn.moments(best, axes=[1])
        mean += (1 - momentum) * (new_mean - mean)
        spread += (1 - momentum) * (tf.sqrt(variance) - spread)
        notes = search_trace.note(notes, iteration, mean, spread, returns, topk)
        return iteration + 1, mean, spread, best, notes

    plan_shape = [None, horizon, action_size]
    start = tf.zeros(tf.stack([batch, horizon, action_size]))
    best = tf.zeros(tf.stack([batch, topk, horizon, action_size]))
    notes = search_trace.begin(trace, iterations)
    _, _, _, best, notes = tf.while_loop(
        lambda iteration, *_: iteration < iterations,
        iterate,
        (0, start, start + stddev, best, notes),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape(plan_shape),
            tf.TensorShape(plan_shape),
            tf.TensorShape([None, topk, horizon, action_size]),
            search_trace.invariants(notes),
        ),
    )
    plan = best[:, 0]
    if not trace:
        return plan
    return plan, search_trace.finish(notes, iterations, start, start + stddev)


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


def _rate(
    cell: Any,
    objective_fn: Callable[[State], tf.Tensor],
    state: State,
    candidates: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Imagines candidates `[B, K, H, A]` and returns their returns `[B, K]`."""
    amount = tf.shape(candidates)[1]
    state = {k: tf.repeat(v, amount, axis=0) for k, v in state.items()}
    actions = tf.reshape(candidates, [-1, *candidates.shape[2:]])
    states = imagine_all(cell, state, actions, seed)
    return tf.reshape(objective_fn(states), [-1, amount])
