"""Continuous actions between -1 and 1."""

import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets.distributions import TruncatedNormal
from planet_tf2.tools import seeds

tfd = tfp.distributions


class BoundedNormal(tfd.Independent):
    """A normal whose samples are scaled back into -1..1.

    Log-density and entropy are those of the normal without bounds. A sample
    outside is divided by its size, which counts as a constant.

    Args:
      mean: `[..., *event]`, between -1 and 1.
      std: standard deviation, of the same shape.
      event_ndims: how many dimensions one event has.
    """

    def __init__(self, mean: tf.Tensor, std: tf.Tensor, event_ndims: int):
        parameters = {"mean": mean, "std": std, "event_ndims": event_ndims}
        super().__init__(tfd.Normal(mean, std), event_ndims)
        self._parameters = parameters

    def sample_from(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns a sample by standard normal noise, `[..., *event]`."""
        sample = self.distribution.loc + self.distribution.scale * noise
        size = tf.maximum(tf.abs(sample), 1.0)
        return sample / tf.stop_gradient(size)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[n], tf.shape(self.distribution.loc)], 0)
        noise = seeds.normal(tfp.random.sanitize_seed(seed), shape)
        return self.sample_from(noise)


class ClippedNormal(BoundedNormal):
    """The same, but samples outside are moved to the bound.

    Their gradient is that of the sample before.
    """

    def sample_from(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns a sample by standard normal noise, `[..., *event]`."""
        sample = self.distribution.loc + self.distribution.scale * noise
        clipped = tf.clip_by_value(sample, -1.0, 1.0)
        return sample + tf.stop_gradient(clipped - sample)


class UnclippedNormal(BoundedNormal):
    """The same, but samples outside stay there."""

    def sample_from(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns a sample by standard normal noise, `[..., *event]`."""
        return self.distribution.loc + self.distribution.scale * noise


class BoundedTruncatedNormal(tfd.Independent):
    """A normal restricted to -1..1.

    Args:
      mean: of the normal before, which is the mode, `[..., *event]`, between
        -1 and 1.
      std: its standard deviation, of the same shape.
      event_ndims: how many dimensions one event has.
    """

    def __init__(self, mean: tf.Tensor, std: tf.Tensor, event_ndims: int):
        parameters = {"mean": mean, "std": std, "event_ndims": event_ndims}
        super().__init__(TruncatedNormal(mean, std, -1.0, 1.0), event_ndims)
        self._parameters = parameters

    def sample_from(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns the sample at the quantile of standard normal noise.

        For noise 0 it is the median.
        """
        loc, scale = self.distribution.loc, self.distribution.scale
        low, high = (_mass((x - loc) / scale) for x in (-1.0, 1.0))
        quantile = low + (high - low) * _mass(noise)
        # At 0 and 1 the gradient would be infinite.
        quantile = tf.clip_by_value(quantile, 1e-30, 1 - 6e-8)
        sample = loc + scale * tf.math.ndtri(quantile)
        return tf.clip_by_value(sample, -1.0, 1.0)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[n], tf.shape(self.distribution.loc)], 0)
        noise = seeds.normal(tfp.random.sanitize_seed(seed), shape)
        return self.sample_from(noise)


def _mass(x: tf.Tensor) -> tf.Tensor:
    """Returns the probability that a standard normal is below."""
    return tf.math.erfc(-x / 2**0.5) / 2


NORMALS = {
    "normal": BoundedNormal,
    "trunc_normal": BoundedTruncatedNormal,
    "clipped_normal": ClippedNormal,
    "unclipped_normal": UnclippedNormal,
}


def make_normal(
    dist: str,
    mean: tf.Tensor,
    std: tf.Tensor | float,
    event_ndims: int,
    min_std: float = 0.1,
    max_std: float = 1.0,
) -> tfd.Distribution:
    """Makes a distribution from the raw outputs m and s of a network.

    The mean is tanh(m). The standard deviation of `normal` and
    `unclipped_normal` is (max_std - min_std) sigmoid(s + 2) + min_std, that of
    the others 2 sigmoid(s / 2) + min_std.

    Args:
      dist: `normal`, `unclipped_normal`, `trunc_normal` or `clipped_normal`.
      mean: m, `[..., *event]`.
      std: s, a number or of the same shape.
      event_ndims: how many dimensions one event has.
      min_std: see above.
      max_std: see above.
    """
    if dist in ("normal", "unclipped_normal"):
        std = (max_std - min_std) * tf.sigmoid(std + 2) + min_std
    else:
        std = 2 * tf.sigmoid(std / 2) + min_std
    return NORMALS[dist](tf.tanh(mean), std, event_ndims)
