"""Values by the probabilities of buckets whose width grows exponentially.

DreamerV3 as of 2025 (Nature, equations 8 to 10): unlike `symlog.SymlogTwoHot`,
it is the value itself that lies between two buckets, not its symlog.
"""

import numpy as np
import tensorflow as tf

BUCKETS = 255
_LIMIT = 20.0


def buckets(count: int = BUCKETS) -> np.ndarray:
    """Returns their centres, float32 `[count]`, symmetric around 0.

    They are the symexp of even steps from -20 to 20. The one in the middle of
    an odd count is 0.
    """
    half = np.expm1(np.linspace(0, _LIMIT, (count + 1) // 2))
    half = half.astype(np.float32)
    return np.concatenate([-half[count % 2 :][::-1], half])


class SymexpTwoHot:
    """Probabilities of buckets, and the value that they mean.

    A value is a target for the two buckets next to it, for the closer one the
    more; beyond the last one it counts as that one.

    Args:
      logits: `[..., n]`; for all equal ones the mean is exactly 0.
    """

    def __init__(self, logits: tf.Tensor):
        self._logits = logits
        self._buckets = buckets(logits.shape[-1])

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns minus the cross entropy, `[...]`, of values `[...]`."""
        target = tf.stop_gradient(self.target(value))
        return -tf.nn.softmax_cross_entropy_with_logits(target, self._logits)

    def target(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the weights of the buckets, `[..., n]`, of values `[...]`."""
        count = len(self._buckets)
        flat = tf.clip_by_value(
            tf.reshape(value, [-1]), self._buckets[0], self._buckets[-1]
        )
        above = tf.searchsorted(self._buckets, flat, "right")
        below = tf.maximum(above - 1, 0)
        above = tf.minimum(above, count - 1)
        low, high = (tf.gather(self._buckets, x) for x in (below, above))
        width = tf.where(high > low, high - low, 1.0)  # At the ends it is 0.
        share = ((flat - low) / width)[:, None]
        target = (1 - share) * tf.one_hot(below, count)
        target += share * tf.one_hot(above, count)
        return tf.reshape(target, tf.concat([tf.shape(value), [count]], 0))

    def mean(self) -> tf.Tensor:
        """Returns the expected value, `[...]`.

        Probabilities of a bucket and its opposite are compared first, so that
        large buckets do not leave rounding errors.
        """
        probs = tf.nn.softmax(self._logits)
        half = len(self._buckets) // 2
        low = tf.reverse(probs[..., :half], [-1])
        high = self._buckets[-half:]
        return tf.reduce_sum((probs[..., -half:] - low) * high, -1)

    mode = mean
