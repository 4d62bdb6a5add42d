"""Planning by the cross-entropy method (algorithm 2 of the paper)."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet import search_trace
from planet_tf2.tools import seeds

State = Any  # Opaque: nested tensors `[N, ...]`.


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
) -> tf.Tensor | tuple[tf.Tensor, search_trace.Trace]:
    """Searches the action sequence with the highest predicted return.

    A diagonal normal over sequences starts at mean 0 and standard deviation
    1. Every iteration samples candidates, imagines each from the one state of
    its agent, and refits the normal to the best of them. The plan is the mean
    of the final normal. Arguments and results: see `planners`.
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
    (mean, _), found = search_trace.search(
        iterate, start, iterations, topk, trace
    )
    return (mean, found) if trace else mean


def sample(
    shape: Sequence[int | tf.Tensor],
    seed: tf.Tensor,
    noise: tf.Tensor | None,
    iteration: tf.Tensor,
) -> tf.Tensor:
    """Draws standard normal `[B, K, H, A]`, or takes it from `noise`.

    Args:
      shape: `B, K, H, A`.
      seed: int32 `[2]`.
      noise: `[I, B, K or more, H, A]`, or None.
      iteration: which entry of `noise` to take.
    """
    if noise is not None:
        return noise[iteration, :, : shape[1]]
    return tf.random.stateless_normal(tf.stack(shape), seed)


def rate(
    cell: Any,
    objective_fn: Callable[[State], tf.Tensor],
    state: State,
    candidates: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Imagines candidates and returns their predicted returns, `[B, K]`.

    Args:
      cell: latent cell.
      objective_fn: see `planners`.
      state: a state of every agent, tensors `[B, ...]`.
      candidates: `[B, K, H, A]`.
      seed: int32 `[2]`, determines the samples of the imagined states.
    """
    amount = tf.shape(candidates)[1]
    # All candidates of an agent start at its state, so rows b * K to
    # (b + 1) * K - 1 belong to agent b, as in the reshaped candidates.
    starts = tf.nest.map_structure(lambda x: tf.repeat(x, amount, 0), state)
    actions = tf.reshape(candidates, [-1, *candidates.shape[2:]])
    states = imagine_all(cell, starts, actions, seed)
    return tf.reshape(objective_fn(states), [-1, amount])


def imagine_all(
    cell: Any, state: State, actions: tf.Tensor, seed: tf.Tensor
) -> State:
    """Rolls the prior along actions `[N, H, A]`; states `[N, H, ...]`.

    What `unroll.imagine` does, for a horizon that is known: a few steps, one
    after the other in the graph, are faster than a loop in it.
    """
    horizon = actions.shape[1]
    noise = cell.noise(seed, [horizon, tf.shape(actions)[0]])
    states = []
    for step in range(horizon):
        drawn = tf.nest.map_structure(lambda x, t=step: x[t], noise)
        state = cell.transition(state, actions[:, step], drawn)
        states.append(state)
    return tf.nest.map_structure(lambda *s: tf.stack(s, 1), *states)


def batch_size(state: State) -> tf.Tensor:
    """Returns N, how many states there are."""
    return tf.shape(tf.nest.flatten(state)[0])[0]


def _refit(
    candidates: tf.Tensor, returns: tf.Tensor, topk: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Fits mean and population variance, `[B, H, A]`, to the best K'."""
    _, best = tf.math.top_k(returns, topk, sorted=False)
    elites = tf.gather(candidates, best, batch_dims=1)  # [B, K', H, A]
    return tf.nn.moments(elites, axes=[1])
