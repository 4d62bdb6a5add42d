"""What planners share: arguments, the rating of candidates, the search.

All of them search the action sequence with the highest predicted return, and
are called alike:

    planner(cell, objective_fn, state, action_size, horizon, amount, topk,
            iterations, seed, noise, trace, **own)

    cell          latent cell; `noise` and `transition` are used
    objective_fn  maps imagined states, tensors [N, H, ...], to the return of
                  every candidate, [N]
    state         a state of every agent, tensors [B, ...]
    action_size   A, entries of an action
    horizon       H, steps to look ahead
    amount        K, candidates of the first iteration
    topk          K', candidates that the normal is refit to
    iterations    I, rounds of sampling and refitting; none returns zeros
    seed          int32 [2], determines all samples
    noise         standard normal [I, B, K, H, A] in place of the candidates'
    trace         whether to tell how the search went; else the graph has
                  nothing of it

They return a plan for every agent, [B, H, A] in [-1, 1]; with `trace` also a
`Trace`. `build.PLANNERS` has them by the names of the parameter `planner`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from planet_tf2.tools import devices, seeds

_map = tf.nest.map_structure

State = Any  # Opaque: nested tensors `[N, ...]`.


class Trace(NamedTuple):
    """A search of I iterations.

    Attributes:
      mean, stddev: the normal over plans, `[I + 1, B, H, A]`. Entry 0 is the
        one that the search starts from, entry i what iteration i has made.
      best: return of the best candidate of every iteration, `[I, B]`.
      elite: mean return of those that the normal is refit to, `[I, B]`.
      average: mean return of all candidates, `[I, B]`.
    """

    mean: tf.Tensor
    stddev: tf.Tensor
    best: tf.Tensor
    elite: tf.Tensor
    average: tf.Tensor


def search(
    iterate: Callable[..., tuple[tuple, tf.Tensor]],
    start: tuple[tf.Tensor, ...],
    iterations: int,
    topk: int,
    trace: bool,
) -> tuple[tuple[tf.Tensor, ...], Trace | None]:
    """Runs the iterations of a search, and writes them down if asked to.

    Args:
      iterate: maps the number of an iteration, from 0, and the values of the
        last one to its own values and the returns of all candidates, `[B, K]`.
      start: values to start from: mean and standard deviation of the normal,
        `[B, H, A]`, and whatever else `[B, ...]` iterations hand on.
      iterations: how many there are.
      topk: how many candidates the normal is refit to.
      trace: whether to write them down.

    Returns:
      The last values, and the trace.
    """
    count = len(Trace._fields) if trace else 0
    arrays = tuple(tf.TensorArray(tf.float32, iterations) for _ in range(count))

    def step(iteration: tf.Tensor, values: tuple, arrays: tuple) -> tuple:
        values, returns = iterate(iteration, *values)
        if trace:
            best = tf.math.top_k(returns, topk).values  # [B, K']
            elite, average = (tf.reduce_mean(x, 1) for x in (best, returns))
            noted = (*values[:2], best[:, 0], elite, average)
            arrays = tuple(
                array.write(iteration, value)
                for array, value in zip(arrays, noted, strict=True)
            )
        return iteration + 1, values, arrays

    if seeds.draws_elsewhere():
        values = start
        for iteration in range(iterations):
            values, _ = iterate(iteration, *values)
        return values, None
    _, values, arrays = tf.while_loop(
        lambda iteration, *_: iteration < iterations,
        step,
        (0, start, arrays),
        shape_invariants=(
            tf.TensorShape([]),
            tuple(tf.TensorShape([None, *x.shape[1:]]) for x in start),
            tuple(tf.TensorShape(None) for _ in arrays),
        ),
    )
    return values, _finish(arrays, start, iterations) if trace else None


def _finish(
    arrays: tuple[tf.TensorArray, ...], start: Any, iterations: int
) -> Trace:
    mean, stddev, *_ = start
    if not iterations:  # Then the arrays know no shapes.
        nothing = tf.zeros([0, tf.shape(mean)[0]])
        return Trace(mean[None], stddev[None], nothing, nothing, nothing)
    means, stddevs, *returns = (array.stack() for array in arrays)
    return Trace(
        tf.concat([mean[None], means], 0),
        tf.concat([stddev[None], stddevs], 0),
        *returns,
    )


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
    return seeds.normal(seed, tf.stack(shape))


def rate(
    cell: Any,
    objective_fn: Callable[[State], tf.Tensor],
    state: State,
    candidates: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Imagines candidates and returns their predicted returns, `[B, K]`.

    Equal shares of them side by side, see `devices.chains`. Random numbers are
    drawn for all at once, so that shares change nothing.

    Args:
      cell: latent cell.
      objective_fn: see above.
      state: a state of every agent, tensors `[B, ...]`.
      candidates: `[B, K, H, A]`.
      seed: int32 `[2]`, determines the samples of the imagined states.
    """
    amount = tf.shape(candidates)[1]
    # All candidates of an agent start at its state, so rows b * K to
    # (b + 1) * K - 1 belong to agent b, as in the reshaped candidates.
    starts = _map(lambda x: tf.repeat(x, amount, 0), state)
    actions = tf.reshape(candidates, [-1, *candidates.shape[2:]])
    total, shares = tf.shape(actions)[0], devices.chains()
    noise = cell.noise(seed, [actions.shape[1], total])
    returns = []
    for share in range(shares):
        # No slices of the whole where there is one share.
        first = total * share // shares if share else None
        last = total * (share + 1) // shares if share < shares - 1 else None
        states = imagine_all(
            cell,
            _map(lambda x, rows=slice(first, last): x[rows], starts),
            actions[first:last],
            _map(lambda x, rows=slice(first, last): x[:, rows], noise),
        )
        returns.append(objective_fn(states))
    return tf.reshape(tf.concat(returns, 0), [-1, amount])


def imagine_all(
    cell: Any, state: State, actions: tf.Tensor, noise: Any
) -> State:
    """Rolls the prior along actions `[N, H, A]`; states `[N, H, ...]`.

    What `unroll.imagine` does, for a horizon that is known: a few steps, one
    after the other in the graph, are faster than a loop in it.
    """
    states, length = [], actions.shape[1]
    drawn = [tf.unstack(x, length) for x in tf.nest.flatten(noise)]
    for action, *parts in zip(tf.unstack(actions, axis=1), *drawn, strict=True):
        parts = tf.nest.pack_sequence_as(noise, parts)
        state = cell.transition(state, action, parts)
        states.append(state)
    return _map(lambda *s: tf.stack(s, 1), *states)


def batch_size(state: State) -> tf.Tensor:
    """Returns N, how many states there are."""
    return tf.shape(tf.nest.flatten(state)[0])[0]
