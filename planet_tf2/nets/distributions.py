"""What a head can predict: distributions by name, finite up to their bounds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
tfb = tfp.bijectors

DISTRIBUTIONS = ("normal", "truncated_normal", "tanh_normal", "deterministic")

# Of the range between the bounds. Closer to one of them than that counts as
# being this far away, so that its density under a squashed normal is finite.
_MARGIN = 5e-7


def make_distribution(
    name: str,
    location: tf.Tensor,
    stddev: float | tf.Tensor = 1.0,
    bounds: Sequence[float] = (-1.0, 1.0),
    event_ndims: int = 0,
) -> tfd.Distribution:
    """Makes a distribution of independent entries.

    Args:
      name: one of `DISTRIBUTIONS`: a normal; a normal restricted to the
        bounds; a normal squashed into them by the hyperbolic tangent; or the
        location itself, which has no density.
      location: mean of the normal before it is restricted or squashed,
        `[..., *event]`.
      stddev: its standard deviation, a number or a tensor like `location`.
      bounds: smallest and largest value of the second and the third.
      event_ndims: how many of the last dimensions are one event.
    """
    if name == "normal" and isinstance(stddev, float) and stddev == 1.0:
        return UnitNormal(location, event_ndims)
    makers: dict[str, Callable[[], tfd.Distribution]] = {
        "normal": lambda: tfd.Normal(location, stddev),
        "truncated_normal": lambda: TruncatedNormal(location, stddev, *bounds),
        "tanh_normal": lambda: TanhNormal(location, stddev, *bounds),
        "deterministic": lambda: tfd.Deterministic(location),
    }
    return tfd.Independent(makers[name](), event_ndims)


class UnitNormal(tfd.Independent):
    """Independent normals with standard deviation 1.

    It is TFP's distribution with the same log-density, which a training step
    needs for all pixels of all images, in as few passes over them as possible.

    Args:
      mean: `[..., *event]`.
      event_ndims: how many of the last dimensions are one event.
    """

    def __init__(self, mean: tf.Tensor, event_ndims: int):
        parameters = {"mean": mean, "event_ndims": event_ndims}
        normal = tfd.Normal(mean, tf.ones([], mean.dtype))
        super().__init__(normal, event_ndims, name="UnitNormal")
        self._parameters = parameters

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        mean = self.distribution.loc
        if not _same_shape(value, mean):
            return super()._log_prob(value)
        event = self.event_shape
        batch = tf.shape(mean)[: mean.shape.rank - event.rank]
        size = event.num_elements()
        squared = _squared_distance(
            tf.reshape(value, [-1, size]), tf.reshape(mean, [-1, size])
        )
        constant = 0.5 * np.log(2 * np.pi) * size
        return -0.5 * tf.reshape(squared, batch) - constant


def _same_shape(lhs: tf.Tensor, rhs: tf.Tensor) -> bool:
    known = lhs.shape.is_fully_defined() and rhs.shape.is_fully_defined()
    return known and lhs.shape == rhs.shape


@tf.custom_gradient
def _squared_distance(
    lhs: tf.Tensor, rhs: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns the squared distance of rows `[N, D]`, `[N]`."""
    error = lhs - rhs

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Mostly only one of them is needed.
        scale = 2 * upstream[:, None]
        return scale * error, -scale * error

    return tf.reduce_sum(tf.square(error), -1), gradient


class TruncatedNormal(tfd.TruncatedNormal):
    """A normal restricted to an interval, however far away its centre is.

    TFP's own mean has no gradient at a centre between the bounds, and leaves
    the interval if the centre is far outside. With the scaled complementary
    error function nothing underflows. At a bound the density is finite; it is
    zero outside.

    Args:
      loc: centre of the normal, `[...]`.
      scale: standard deviation of the normal, a number or `[...]`.
      low: lower bound.
      high: upper bound.
    """

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        near = self._nearest_bound()
        inside = (value >= self.low) & (value <= self.high)
        value = tf.clip_by_value(value, self.low, self.high)
        # In the tail, exp((a^2 - z^2) / 2) by the distance from the bound.
        distance = tf.where(near.flipped, self.high - value, value - self.low)
        distance /= self.scale
        squared = tf.where(
            near.in_tail,
            distance * (distance + 2 * near.low),
            tf.square((value - self.loc) / self.scale),
        )
        constant = tf.math.log(self.scale) + 0.5 * np.log(2 * np.pi)
        result = -squared / 2 - near.log_mass - constant
        return tf.where(inside, result, -np.inf)

    def _mean(self) -> tf.Tensor:
        near = self._nearest_bound()
        shift = tf.where(near.flipped, -near.shift, near.shift)
        mean = self.loc + self.scale * shift
        return tf.clip_by_value(mean, self.low, self.high)

    def _nearest_bound(self) -> "_Interval":
        low = (self.low - self.loc) / self.scale
        high = (self.high - self.loc) / self.scale
        return _Interval(low, high)


class _Interval:
    """A part of the standard normal, seen from its bound nearest to zero.

    Attributes:
      flipped: whether the upper bound is the nearest; then both are mirrored.
      low: the nearest bound a; the other one, b, is farther from zero.
      in_tail: whether zero is outside, so that 0 < a < b.
      log_mass: logarithm of the mass between them; in the tail without the
        factor exp(-a^2 / 2).
      shift: the mean.
    """

    def __init__(self, low: tf.Tensor, high: tf.Tensor):
        self.flipped = low + high < 0
        low, high = (
            tf.where(self.flipped, -high, low),
            tf.where(self.flipped, -low, high),
        )
        self.low = low
        self.in_tail = low > 0
        tail = _tail(
            tf.where(self.in_tail, low, 1.0), tf.where(self.in_tail, high, 2.0)
        )
        middle = _middle(
            tf.where(self.in_tail, -1.0, low), tf.where(self.in_tail, 1.0, high)
        )
        self.log_mass, self.shift = (
            tf.where(self.in_tail, *pair)
            for pair in zip(tail, middle, strict=True)
        )


def _tail(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logarithm of mass times exp(low^2 / 2), and mean, for 0 < low < high."""
    difference = (high - low) * (high + low) / 2
    mass = tfp.math.erfcx(low / np.sqrt(2)) / 2
    mass -= tf.exp(-difference) * tfp.math.erfcx(high / np.sqrt(2)) / 2
    density = -tf.math.expm1(-difference) / np.sqrt(2 * np.pi)
    return tf.math.log(mass), density / mass


def _middle(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logarithm of mass, and mean, for low <= 0 <= high."""
    mass = tf.math.erf(high / np.sqrt(2)) - tf.math.erf(low / np.sqrt(2))
    mass /= 2
    difference = (high - low) * (high + low) / 2
    density = -tf.math.expm1(-difference) * tf.exp(-tf.square(low) / 2)
    return tf.math.log(mass), density / np.sqrt(2 * np.pi) / mass


class TanhNormal(tfd.TransformedDistribution):
    """A normal squashed into an interval by the hyperbolic tangent.

    Values at the bounds, where the density vanishes or grows without bound,
    count as lying a little inside; it is zero outside. The mean is integrated
    numerically.

    Args:
      location: of the normal, `[...]`; `tanh` of it is the median.
      stddev: of the normal, a number or `[...]`.
      low: lower bound.
      high: upper bound.
    """

    # The trapezoidal rule, which is exact to float32 for smooth functions; up
    # to a standard deviation of 5 this one is smooth enough.
    _POINTS = np.linspace(-5.5, 5.5, 65, dtype=np.float32)

    def __init__(
        self,
        location: tf.Tensor,
        stddev: float | tf.Tensor,
        low: float,
        high: float,
    ):
        self._center, self._radius = (low + high) / 2, (high - low) / 2
        squash = tfb.Chain(
            [tfb.Shift(self._center), tfb.Scale(self._radius), tfb.Tanh()]
        )
        super().__init__(tfd.Normal(location, stddev), squash)

    def _log_prob(self, value: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        del kwargs
        relative = (value - self._center) / self._radius
        # Rounding may have led a little outside.
        inside = tf.abs(relative) <= 1 + _MARGIN
        limit = 1 - 2 * _MARGIN
        latent = tf.atanh(tf.clip_by_value(relative, -limit, limit))
        # Logarithm of the derivative, 1 - tanh^2.
        slope = 2 * (np.log(2) - latent - tf.nn.softplus(-2 * latent))
        result = self.distribution.log_prob(latent) - slope
        return tf.where(inside, result - np.log(self._radius), -np.inf)

    def _mean(self, **kwargs: Any) -> tf.Tensor:
        del kwargs
        weights = np.exp(-(self._POINTS**2) / 2)
        weights /= weights.sum()
        normal = self.distribution
        latent = normal.loc[..., None]
        latent += tf.convert_to_tensor(normal.scale)[..., None] * self._POINTS
        squashed = tf.reduce_sum(tf.tanh(latent) * weights, -1)
        return self._center + self._radius * squashed
