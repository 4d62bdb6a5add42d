"""Latent cells through time: with all observations, or with the first few."""

from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, State


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
    state = cell.zero_state(tf.shape(embedded)[0])

    def step(prev, inputs):
        return cell.observe(prev[1], *inputs)

    inputs = [_time_major(prev_action), _time_major(embedded)]
    if noise is not None:
        inputs.append(noise)
    states = tf.scan(step, tuple(inputs), (state, state))
    return tf.nest.map_structure(_time_major, states)


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
    last = tf.nest.map_structure(lambda x: x[:, -1], posterior)
    predicted = imagine(cell, last, prev_action[:, context:], late)
    return tf.nest.map_structure(
        lambda *parts: tf.concat(parts, 1), posterior, predicted
    )


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
    states = tf.scan(
        lambda prev, inputs: cell.transition(prev, *inputs),
        tuple(inputs),
        state,
    )
    return tf.nest.map_structure(_time_major, states)


def _time_major(tensor: tf.Tensor) -> tf.Tensor:
    """Swaps batch and time, `[B, T, ...]` to `[T, B, ...]` or back."""
    tensor = tf.convert_to_tensor(tensor)
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
