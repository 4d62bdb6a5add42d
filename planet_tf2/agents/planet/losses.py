"""The terms of the variational objective (equation 3 of the paper).

Terms are means over batch and time, in nats, as something to minimise; what
they are made of has its own docstring.
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def reconstruction(dist: tfd.Distribution, target: tf.Tensor) -> tf.Tensor:
    """Returns the negative log-likelihood of what was observed.

    Under a unit-variance normal that is half the squared error, summed over
    the entries of the target, plus log(2 pi) / 2 for each of them.

    Args:
      dist: prediction with batch shape `[B, T]`.
      target: `[B, T, ...]`.
    """
    return tf.reduce_mean(negative_log_likelihood(dist, target))


def negative_log_likelihood(
    dist: tfd.Distribution, target: tf.Tensor
) -> tf.Tensor:
    """Returns the negative log-likelihood of every time step.

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


def divergence(kl: tf.Tensor, free: float = 0.0) -> tf.Tensor:
    """Returns the divergence of posterior from prior beyond the free nats.

    Args:
      kl: KL(posterior || prior) of every time step, `[B, T]`.
      free: nats per time step that cost nothing.
    """
    return tf.reduce_mean(tf.maximum(0.0, kl - free))


def overshooting(
    kl: tf.Tensor, mask: tf.Tensor, free: float = 0.0
) -> tf.Tensor:
    """Returns the divergence of posteriors from priors of several steps ahead.

    One term of equation 7 of the paper; its one-step term is `divergence`.

    Args:
      kl: KL(posterior || prior) of every time step and distance, `[B, T, D]`.
      mask: which of them there are, bool `[B, T, D]`.
      free: nats that cost nothing, of each of them.
    """
    return masked_mean(tf.maximum(0.0, kl - free), mask)


def overshooting_reconstruction(
    dist: tfd.Distribution, target: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """Returns the negative log-likelihood under predictions made before.

    Args:
      dist: prediction with batch shape `[B, T, D]`.
      target: `[B, T, D, ...]`.
      mask: which of them there are, bool `[B, T, D]`.
    """
    return masked_mean(negative_log_likelihood(dist, target), mask)


def masked_mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Averages where the mask is true; nothing makes 0.

    Values elsewhere do not matter, but have to be finite for the gradient of
    what they are computed from to be.
    """
    count = tf.reduce_sum(tf.cast(mask, values.dtype))
    total = tf.reduce_sum(tf.where(mask, values, tf.zeros_like(values)))
    return tf.math.divide_no_nan(total, count)
