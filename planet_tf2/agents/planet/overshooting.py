"""Latent overshooting: predictions from every time step, several steps far."""

from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, State
from planet_tf2.agents.planet.unroll import imagine, states_before

_map = tf.nest.map_structure


def overshooting(
    cell: LatentCell,
    target: Any,
    prev_action: tf.Tensor,
    length: tf.Tensor,
    amount: int,
    posterior: State,
    noise: Any = None,
) -> tuple[Any, State, State, tf.Tensor]:
    """Predicts forward from the posterior of every time step.

    All T rollouts of a sequence run side by side (section 4 of the paper,
    Figure 3c). For a sequence of T = 6 steps a to f and `amount` 3, this is
    which time step each prediction is about:

        from the state of     -  a  b  c  d  e     axis 1, T entries
                              |  |  |  |  |  |
        1 step ahead, d = 0   a  b  c  d  e  f     axis 2, amount + 1 entries
        2 steps       d = 1   b  c  d  e  f  .
        3 steps       d = 2   c  d  e  f  .  .
        4 steps       d = 3   d  e  f  .  .  .

    The first rollout starts from the zero state, `-`, like the sequence does.
    Row d = 0 is the prior of the closed loop, up to its noise. A dot is behind
    the end of the sequence: `mask` is false there, targets are zero, and states
    are standard normal (mean 0, stddev 1, all other entries 0), so that
    divergences and their gradients are finite whatever the input holds there.

    Args:
      cell: latent cell, built.
      target: nested tensors `[B, T, ...]`, to be arranged like the posteriors.
      prev_action: `[B, T, A]`; entry t leads to observation t.
      length: valid time steps of each sequence, int `[B]`.
      amount: further steps to predict after the first one, 0 or more.
      posterior: posterior states of the sequences, `[B, T, ...]`.
      noise: of the cell, for `amount + 1, B * T`.

    Returns:
      Targets, prior and posterior states, tensors
      `[B, T, amount + 1, ...]`, and a mask, bool `[B, T, amount + 1]`. Entry
      `[:, t, d]` is about time step t + d, predicted from step t - 1.
    """
    steps = tf.shape(prev_action)[1]
    inside = tf.sequence_mask(length, steps)  # [B, T]
    prev_action = _keep(inside, prev_action)
    posterior = _map(lambda x: _keep(inside, x), posterior)
    # Index and mask of the time step that an entry is about.
    time = tf.range(steps)[:, None] + tf.range(amount + 1)  # [T, D]
    mask = time < tf.cast(length, tf.int32)[:, None, None]
    time = tf.minimum(time, steps - 1)
    actions = _keep(mask, tf.gather(prev_action, time, axis=1))
    prior = _rollouts(cell, states_before(cell, posterior), actions, noise)
    seen = _map(lambda x: tf.gather(x, time, axis=1), posterior)
    target = _map(lambda x: _keep(mask, tf.gather(x, time, axis=1)), target)
    return target, cell.replace(prior, mask), cell.replace(seen, mask), mask


def _rollouts(
    cell: LatentCell,
    start: State,
    actions: tf.Tensor,
    noise: Any,
) -> State:
    """Predicts from states `[B, T, ...]` by actions `[B, T, D, A]`."""
    batch_shape = tf.shape(actions)[:2]
    distance = actions.shape[2]
    states = imagine(cell, _map(_merge, start), _merge(actions), noise)

    def separate(value: tf.Tensor) -> tf.Tensor:
        shape = [batch_shape, [distance, *value.shape[2:]]]
        return tf.reshape(value, tf.concat(shape, 0))

    return _map(separate, states)


def _merge(tensor: tf.Tensor) -> tf.Tensor:
    """Makes one dimension of the first two."""
    return tf.reshape(tensor, [-1, *tensor.shape[2:]])


def _keep(mask: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """Puts zeros elsewhere; unlike a product this also gets rid of NaN."""
    tensor = tf.convert_to_tensor(tensor)
    ones = tf.ones(tensor.shape.rank - mask.shape.rank, tf.int32)
    shape = tf.concat([tf.shape(mask), ones], 0)
    return tf.where(tf.reshape(mask, shape), tensor, tf.zeros([], tensor.dtype))
