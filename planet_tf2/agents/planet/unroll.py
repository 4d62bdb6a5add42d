"""Latent cells through time: with all observations, or with the first few."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, State
from planet_tf2.nets.layers import in_steps

_map = tf.nest.map_structure

# Steps that stand in a graph one after the other, at most.
_LONGEST = 32


def closed_loop(
    cell: LatentCell,
    embedded: tf.Tensor,
    prev_action: tf.Tensor,
    noise: tf.Tensor | None = None,
) -> tuple[State, State]:
    """Filters a sequence: every step sees its observation.

    Args:
      cell: latent cell, built.
      embedded: embedded observations, `[B, T, E]`.
      prev_action: `[B, T, A]`; entry t leads to observation t.
      noise: of the cell, for `T, B` and `observing`.

    Returns:
      Prior states and posterior states, tensors `[B, T, ...]`.
    """
    seen, step = cell.filtering(_merge(embedded))
    inputs = [_time_major(prev_action), _time_major(_separate(seen, embedded))]
    of_prior = []
    if noise is not None:
        inputs.append(noise[:, 1])
        of_prior.append(_time_major(noise[:, 0]))
    posterior = _unroll(
        lambda prev, inputs: step(prev, *inputs),
        cell.zero_state(tf.shape(embedded)[0]),
        inputs,
        prev_action.shape[1],
    )
    before = states_before(cell, posterior)
    known = [posterior, before, prev_action, *of_prior]
    prior = cell.prior_beside(*_map(_merge, known))
    return _map(lambda x: _separate(x, embedded), prior), posterior


def open_loop(
    cell: LatentCell,
    embedded: tf.Tensor,
    prev_action: tf.Tensor,
    context: int = 1,
    noise: Any = None,
) -> State:
    """Filters the first steps, then predicts the rest without looking.

    Args:
      cell: latent cell, built.
      embedded: embedded observations, `[B, C, E]` with C >= `context`; later
        ones are ignored.
      prev_action: `[B, T, A]`; entry t leads to observation t.
      context: steps whose observations are used, at least 1.
      noise: of the cell, for `T, B` and `observing`.

    Returns:
      States `[B, T, ...]`: posteriors for the first `context` steps, priors
      after them.
    """
    early = late = None
    if noise is not None:
        # What `transition` takes of the noise for `observe`.
        early, late = noise[:context], noise[context:, 0]
    _, posterior = closed_loop(
        cell, embedded[:, :context], prev_action[:, :context], early
    )
    last = _map(lambda x: x[:, -1], posterior)
    predicted = imagine(cell, last, prev_action[:, context:], late)
    return _map(lambda *parts: tf.concat(parts, 1), posterior, predicted)


def imagine(
    cell: LatentCell,
    state: State,
    actions: tf.Tensor,
    noise: Any = None,
) -> State:
    """Predicts forward from a state by the prior alone.

    Args:
      cell: latent cell, built.
      state: state to start from, tensors `[B, ...]`.
      actions: `[B, T, A]`, the first leads to the first predicted state.
      noise: of the cell, for `T, B`.

    Returns:
      Prior states, tensors `[B, T, ...]`.
    """
    inputs = [_time_major(actions)]
    if noise is not None:
        inputs.append(noise)
    return _unroll(
        lambda prev, inputs: cell.transition(prev, *inputs),
        state,
        inputs,
        actions.shape[1],
    )


def states_before(cell: LatentCell, states: State) -> State:
    """Returns the state before every time step, zeros before the first."""
    zeros = cell.zero_state(tf.shape(tf.nest.flatten(states)[0])[0])
    return _map(
        lambda zero, value: tf.concat([zero[:, None], value[:, :-1]], 1),
        zeros,
        states,
    )


def _merge(tensor: tf.Tensor) -> tf.Tensor:
    """Makes one dimension of batch and time, `[B, T, ...]` to `[N, ...]`."""
    return tf.reshape(tensor, [-1, *tensor.shape[2:]])


def _separate(tensor: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Undoes `_merge`, with the batch and time of another tensor."""
    shape = tf.concat([tf.shape(like)[:2], tensor.shape[1:]], 0)
    tensor = tf.reshape(tensor, shape)
    return tf.ensure_shape(tensor, like.shape[:2] + tensor.shape[2:])


def _unroll(
    step: Callable[[Any, Sequence[tf.Tensor]], Any],
    state: Any,
    inputs: Sequence[tf.Tensor],
    length: int | None,
) -> Any:
    """Applies a step to inputs `[T, ...]`; results `[B, T, ...]`.

    Up to some length the steps stand one after the other in the graph, which is
    faster than a loop in it, also backward, but takes longer to build.
    """
    if length is None or not 1 <= length <= _LONGEST:
        states = tf.scan(step, tuple(inputs), state)
        return _map(_time_major, states)
    results = []
    with in_steps(length):
        for entries in zip(*map(tf.unstack, inputs), strict=True):
            state = step(state, entries)
            results.append(state)
    return _map(lambda *s: tf.stack(s, 1), *results)


def _time_major(tensor: tf.Tensor) -> tf.Tensor:
    """Swaps batch and time, `[B, T, ...]` to `[T, B, ...]` or back."""
    tensor = tf.convert_to_tensor(tensor)
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
