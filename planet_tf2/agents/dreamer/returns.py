"""What imagined futures are worth: lambda-returns, weights, their scale."""

from collections.abc import Sequence

import tensorflow as tf

from planet_tf2.nets.module import Module

_LOW, _HIGH = 0.05, 0.95


def lambda_return(
    reward: tf.Tensor,
    value: tf.Tensor,
    discount: tf.Tensor,
    lambda_: float | tf.Tensor,
) -> tf.Tensor:
    """Computes returns that mix all lengths (DreamerV3, equation 7).

        R[k] = r[k+1] + d[k+1] ((1 - lambda) v[k+1] + lambda R[k+1])
        R[H-1] = v[H-1]

    Args:
      reward: r, `[H, ...]`; entry k comes with state k.
      value: v, `[H, ...]`.
      discount: d, `[H, ...]`; discount factor times probability to continue.
      lambda_: from 0, the next value alone, to 1, all rewards to the horizon;
        of every state the same, or `[H, ...]`.

    Returns:
      R of all states but the last, `[H - 1, ...]`.
    """
    parts = [tf.unstack(x)[:0:-1] for x in (reward, value, discount)]
    mixes = [lambda_] * len(parts[0])
    if isinstance(lambda_, tf.Tensor):
        mixes = tf.unstack(lambda_)[:0:-1]
    last = value[-1]
    returns = []
    for r, v, d, mix in zip(*parts, mixes, strict=True):
        last = r + d * ((1 - mix) * v + mix * last)
        returns.append(last)
    return tf.stack(returns[::-1])


def weights(
    discount: tf.Tensor, start: tf.Tensor, reference: bool = False
) -> tf.Tensor:
    """Computes how likely imagined states are ever reached, discounted.

        w[0] = start,  w[k] = start d[1] ... d[k]

    So states after a terminal one weigh nothing, and a terminal state to start
    from and all that is imagined after it neither.

    Args:
      discount: d, `[H, ...]`.
      start: `[...]`, 0 where the first state is terminal, else 1.
      reference: compute `w[k] = d[0] ... d[k-1]`, as the PyTorch port does: a
        start weighs 1 always, and all others are shifted by one step.

    Returns:
      w, `[H, ...]`, without gradient.
    """
    if reference:
        factors = tf.concat([tf.ones_like(discount[:1]), discount[:-1]], 0)
    else:
        factors = tf.concat([start[None], discount[1:]], 0)
    return tf.stop_gradient(tf.math.cumprod(factors))


class ReturnNormalizer(Module):
    """Scales returns by the range that most of them lie in.

    That is from the 5th to the 95th percentile, in an exponential moving
    average that starts at 0. The scale is at least 1, so that small returns,
    which may be noise, are not blown up (DreamerV3, equations 11 and 12).

    Attributes:
      ema: both percentiles, `[2]`.
    """

    def __init__(self, decay: float = 0.99):
        super().__init__("return_normalizer")
        self._decay = decay
        self.ema = tf.Variable(
            [0.0, 0.0],
            trainable=False,
            name="ema",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def moved(self, returns: tf.Tensor) -> tf.Tensor:
        """Returns what `ema` becomes by the returns `[K, N]` of all devices."""
        returns = tf.stop_gradient(returns)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            returns = context.all_gather(returns, 1)
        seen = percentiles(returns, (_LOW, _HIGH))
        return self._decay * self.ema + (1 - self._decay) * seen


def offset_and_scale(ema: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what to subtract from returns, and then to divide them by."""
    low, high = tf.unstack(ema)
    return low, tf.maximum(1.0, high - low)


def percentiles(values: tf.Tensor, fractions: Sequence[float]) -> tf.Tensor:
    """Returns n percentiles of all values, interpolated linearly, `[n]`."""
    ordered = tf.sort(tf.reshape(values, [-1]))
    last = tf.size(ordered) - 1
    position = tf.constant(fractions) * tf.cast(last, tf.float32)
    below = tf.cast(position, tf.int32)
    fraction = position - tf.cast(below, tf.float32)
    low = tf.gather(ordered, below)
    high = tf.gather(ordered, tf.minimum(below + 1, last))
    return low + fraction * (high - low)
