"""What the terms of the variational objective are made of.

`WorldModel.losses` computes them, and `WorldModel.scale` weighs and adds them:
that sum is the negative ELBO.
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def negative_log_likelihood(
    dist: tfd.Distribution, target: tf.Tensor
) -> tf.Tensor:
    """Returns the negative log-likelihood of every time step.

    Under a unit-variance normal that is half the squared error, summed over
    the entries of the target, plus log(2 pi) / 2 for each of them.

    A deterministic prediction has none. In its place stands that of a normal
    of variance 1 without the constant: half the squared error, summed over
    the entries of the target.

    Args:
      dist: prediction with batch shape `[...]`.
      target: `[..., *event]`.

    Returns:
      `[...]`, in nats.
    """
    if has_density(dist):
        return -dist.log_prob(target)
    squared = tf.square(dist.mean() - target) / 2
    event = range(
        squared.shape.rank - dist.event_shape.rank, squared.shape.rank
    )
    return tf.reduce_sum(squared, list(event))


def has_density(dist: tfd.Distribution) -> bool:
    """Whether a prediction leaves any doubt."""
    return not isinstance(
        getattr(dist, "distribution", dist), tfd.Deterministic
    )


def masked_mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Averages where the mask is true; nothing makes 0.

    Values elsewhere do not matter, but have to be finite for the gradient of
    what they are computed from to be.
    """
    count = tf.reduce_sum(tf.cast(mask, values.dtype))
    total = tf.reduce_sum(tf.where(mask, values, tf.zeros_like(values)))
    return tf.math.divide_no_nan(total, count)
