"""The terms of the variational objective (equation 3 of the paper).

Every function returns the mean over batch and time, in nats, as something to
minimise.
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
    return -tf.reduce_mean(dist.log_prob(target))


def divergence(kl: tf.Tensor, free_nats: float = 0.0) -> tf.Tensor:
    """Returns the divergence of posterior from prior beyond the free nats.

    Args:
      kl: KL(posterior || prior) of every time step, `[B, T]`.
      free_nats: nats per time step that cost nothing.
    """
    return tf.reduce_mean(tf.maximum(0.0, kl - free_nats))
