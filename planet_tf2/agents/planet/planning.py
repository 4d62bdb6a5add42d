"""Planning by the cross-entropy method (algorithm 2 of the paper)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet import search_trace
from planet_tf2.agents.planet.search_trace import Trace
from planet_tf2.tools import seeds

State = dict[str, tf.Tensor]


def cross_entropy_method(
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
    trace: bool = False,
) -> tf.Tensor | tuple[tf.Tensor, Trace]:
    """Searches the action sequence with the highest predicted return.

    A diagonal normal over sequences starts at mean 0 and standard deviation
    1. Every iteration samples candidates, imagines each from the one state of
    its agent, and refits the normal to the best of them.

    Args:
      cell: latent cell; `transition(state, action, noise)` and `latent_size`
        are used.
      objective_fn: maps the imagined states, tensors `[B * K, H, ...]`, to the
        return of every candidate, `[B * K]`.
      state: a state of every agent, tensors `[B, ...]`.
      action_size: A, entries of an action.
      horizon: H, steps to look ahead.
      amount: K, candidates per iteration.
      topk: candidates that the normal is refit to.
      iterations: rounds of sampling and refitting; none returns zeros.
      min_action: lower bound of actions.
      max_action: upper bound of actions.
      seed: int32 `[2]`, determines all samples; drawn if not given.
      noise: standard normal `[iterations, B, K, H, A]` in place of the
        candidates' own.
      trace: whether to tell how the search went.

    Returns:
      The mean of the final normal: a plan for every agent, `[B, H, A]`; with
      `trace` also a `Trace`.
    """
    seed = seeds.new_seed() if seed is None else seed
    batch = tf.shape(state["sample"])[0]
    shape = tf.stack([batch, horizon, action_size])  # [B, H, A]
    # All candidates of an agent start at its state, so rows b * K to
    # (b + 1) * K - 1 belong to agent b; the candidates below are laid out
    # in the same order.
    state = {k: tf.repeat(v, amount, axis=0) for k, v in state.items()}

    def iterate(iteration, mean, stddev, notes):
        action_seed, latent_seed = seeds.split(
            seeds.fold_in(seed, iteration), 2
        )
        if noise is None:
            sampled = tf.random.stateless_normal(
                tf.stack([batch, amount, horizon, action_size]), action_seed
            )
        else:
            sampled = noise[iteration]
        candidates = mean[:, None] + stddev[:, None] * sampled
        candidates = tf.clip_by_value(candidates, min_action, max_action)
        actions = tf.reshape(candidates, [-1, horizon, action_size])
        states = imagine_all(cell, state, actions, latent_seed)
        returns = tf.reshape(objective_fn(states), [-1, amount])  # [B, K]
        mean, variance = _refit(candidates, returns, topk)
        stddev = tf.sqrt(variance + 1e-6)
        notes = search_trace.note(notes, iteration, mean, stddev, returns, topk)
        return iteration + 1, mean, stddev, notes

    start = tf.zeros(shape), tf.ones(shape)
    notes = search_trace.begin(trace, iterations)
    _, mean, _, notes = tf.while_loop(
        lambda iteration, *_: iteration < iterations,
        iterate,
        (0, *start, notes),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape([None, horizon, action_size]),
            tf.TensorShape([None, horizon, action_size]),
            search_trace.invariants(notes),
        ),
    )
    if not trace:
        return mean
    return mean, search_trace.finish(notes, iterations, *start)


def imagine_all(
    cell: Any, state: State, actions: tf.Tensor, seed: tf.Tensor
) -> State:
    """Rolls the prior along actions `[N, H, A]`; states `[N, H, ...]`.

    What `models.unroll.imagine` does, for a horizon that is known: a few steps,
    one after the other in the graph, are faster than a loop in it.
    """
    horizon = actions.shape[1]
    shape = tf.stack([horizon, tf.shape(actions)[0], cell.latent_size])
    noise = tf.random.stateless_normal(shape, seed)
    states = []
    for step in range(horizon):
        state = cell.transition(state, actions[:, step], noise[step])
        states.append(state)
    return tf.nest.map_structure(lambda *s: tf.stack(s, 1), *states)


def _refit(
    candidates: tf.Tensor, returns: tf.Tensor, topk: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Fits mean and population variance, `[B, H, A]`, to the best K'."""
    _, best = tf.math.top_k(returns, topk, sorted=False)
    elites = tf.gather(candidates, best, batch_dims=1)  # [B, K', H, A]
    return tf.nn.moments(elites, axes=[1])
