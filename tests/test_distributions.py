"""What heads predict, against SciPy, up to the bounds and far behind them."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from planet_tf2.agents.planet import losses
from planet_tf2.nets import FeedForward
from planet_tf2.nets.distributions import (
    DISTRIBUTIONS,
    TanhNormal,
    TruncatedNormal,
    UnitNormal,
    make_distribution,
)

BOUNDS = [(-1.0, 1.0), (0.0, 4.0)]
LOCATIONS = [-100.0, -20.0, -3.0, -1.0, 0.0, 0.3, 2.0, 4.0, 50.0]


def grid(low, high):
    """Locations, standard deviations and values, all with each other."""
    values = np.linspace(low, high, 7)
    mesh = np.meshgrid(LOCATIONS, [0.1, 1.0, 10.0], values, indexing="ij")
    return [array.astype(np.float32) for array in mesh]


def scipy_truncated(location, stddev, low, high):
    location, stddev = np.float64(location), np.float64(stddev)
    limits = (low - location) / stddev, (high - location) / stddev
    return stats.truncnorm(*limits, location, stddev)


def tanh_log_density(value, location, stddev, low, high):
    """Of values that are not at the bounds, in float64."""
    relative = (2 * np.float64(value) - low - high) / (high - low)
    latent = np.arctanh(relative)
    density = stats.norm.logpdf(latent, location, stddev)
    return density - np.log((1 - relative**2) * (high - low) / 2)


def differences(function, *args, step=1e-5):
    """Central differences in float64 by each of the arguments."""
    result = []
    for index in range(len(args)):
        high, low = list(args), list(args)
        high[index] = high[index] + step
        low[index] = low[index] - step
        result.append((function(*high) - function(*low)) / (2 * step))
    return result


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("bounds", BOUNDS)
class TestTruncatedNormal:
    def test_log_prob(self, bounds, graph):
        location, stddev, value = grid(*bounds)

        def compute():
            return TruncatedNormal(location, stddev, *bounds).log_prob(value)

        expected = scipy_truncated(location, stddev, *bounds).logpdf(value)
        actual = tf.function(compute)() if graph else compute()
        np.testing.assert_allclose(actual, expected, 1e-4, 1e-4)

    # SciPy computes the skewness along with the mean, and fails in the tail.
    @pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
    def test_mean(self, bounds, graph):
        location, stddev, _ = grid(*bounds)
        location, stddev = location[..., 0], stddev[..., 0]

        def compute():
            return TruncatedNormal(location, stddev, *bounds).mean()

        expected = scipy_truncated(location, stddev, *bounds).mean()
        actual = tf.function(compute)() if graph else compute()
        np.testing.assert_allclose(actual, expected, 0, 1e-4)


class TestTruncatedNormalElsewhere:
    @pytest.mark.parametrize("location", [-20.0, -1.0, 0.0, 0.3, 5.0])
    def test_gradients(self, location):
        value = np.array([-1.0, -0.2, 1.0])
        variables = tf.constant(location), tf.constant(0.7)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(variables)
            dist = TruncatedNormal(*variables, -1.0, 1.0)
            total = tf.reduce_sum(dist.log_prob(tf.constant(value, tf.float32)))
            mean = dist.mean()
        expected = differences(
            lambda *args: scipy_truncated(*args, -1, 1).logpdf(value).sum(),
            location,
            0.7,
        )
        np.testing.assert_allclose(
            tape.gradient(total, variables), expected, 1e-3
        )
        expected = differences(
            lambda *args: scipy_truncated(*args, -1, 1).mean(), location, 0.7
        )
        np.testing.assert_allclose(
            tape.gradient(mean, variables), expected, 0.02, 1e-3
        )

    def test_zero_outside(self):
        dist = TruncatedNormal(tf.constant(0.3), 1.0, -1.0, 1.0)
        outside = dist.log_prob(tf.constant([-1.01, 1.01, 40.0]))
        assert (outside.numpy() == -np.inf).all()

    def test_is_normalized(self):
        def density(value):
            dist = TruncatedNormal(tf.constant(1.2), 0.8, -1.0, 1.0)
            return float(dist.prob(np.float32(value)))

        total, _ = integrate.quad(density, -1, 1, limit=20)
        np.testing.assert_allclose(total, 1, 1e-5)

    def test_samples(self):
        dist = TruncatedNormal(tf.constant(2.0), 1.0, 0.0, 1.0)
        samples = dist.sample(4000, seed=(1, 2))
        assert np.min(samples) >= 0 and np.max(samples) <= 1
        np.testing.assert_allclose(np.mean(samples), dist.mean(), 0, 0.02)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("bounds", BOUNDS)
class TestTanhNormal:
    def test_log_prob(self, bounds, graph):
        location, stddev, value = grid(*bounds)
        location, stddev, value = (
            x[..., 1:-1] for x in (location, stddev, value)
        )

        def compute():
            return TanhNormal(location, stddev, *bounds).log_prob(value)

        expected = tanh_log_density(value, location, stddev, *bounds)
        actual = tf.function(compute)() if graph else compute()
        np.testing.assert_allclose(actual, expected, 1e-4, 1e-4)

    def test_mean(self, bounds, graph):
        location, stddev = np.float32(
            np.meshgrid([-8.0, -1.0, 0.0, 0.5, 3.0], [0.1, 1.0, 3.0])
        )
        center, radius = sum(bounds) / 2, (bounds[1] - bounds[0]) / 2

        def compute():
            return TanhNormal(location, stddev, *bounds).mean()

        latent = np.linspace(-9, 9, 20001)[:, None, None]
        weights = np.exp(-(latent**2) / 2)
        values = np.tanh(location + stddev * latent) * weights
        expected = center + radius * values.sum(0) / weights.sum(0)
        actual = tf.function(compute)() if graph else compute()
        np.testing.assert_allclose(actual, expected, 0, 1e-5)


class TestTanhNormalElsewhere:
    @pytest.mark.parametrize("bounds", BOUNDS)
    def test_bounds(self, bounds):
        """There, as just before them, and with finite gradients."""
        low, high = bounds
        margin = 1e-6 * (high - low) / 2
        location, stddev = tf.constant(0.4), tf.constant(0.9)
        with tf.GradientTape() as tape:
            tape.watch([location, stddev])
            dist = TanhNormal(location, stddev, low, high)
            at_bounds = dist.log_prob(tf.constant([low, high]))
        expected = tanh_log_density(
            np.array([low + margin, high - margin]), 0.4, 0.9, low, high
        )
        np.testing.assert_allclose(at_bounds, expected, 1e-2)
        gradients = tape.gradient(at_bounds, [location, stddev])
        assert np.isfinite(gradients).all()
        width = high - low
        outside = dist.log_prob(tf.constant([low - width, high + 0.01 * width]))
        assert (outside.numpy() == -np.inf).all()

    def test_gradients(self):
        value = np.array([-0.99, 0.1, 0.9])
        variables = tf.constant(0.4), tf.constant(0.9)
        with tf.GradientTape() as tape:
            tape.watch(variables)
            dist = TanhNormal(*variables, -1.0, 1.0)
            total = tf.reduce_sum(dist.log_prob(tf.constant(value, tf.float32)))
        expected = differences(
            lambda *args: tanh_log_density(value, *args, -1, 1).sum(), 0.4, 0.9
        )
        np.testing.assert_allclose(
            tape.gradient(total, variables), expected, 1e-3
        )

    def test_samples(self):
        dist = TanhNormal(tf.constant(0.5), 1.0, 0.0, 4.0)
        samples = dist.sample(4000, seed=(1, 2))
        assert np.min(samples) >= 0 and np.max(samples) <= 4
        np.testing.assert_allclose(np.mean(samples), dist.mean(), 0, 0.1)


class TestMakeDistribution:
    def test_unit_normal_is_the_fast_one(self):
        dist = make_distribution("normal", tf.zeros([2, 3]), 1.0, event_ndims=1)
        assert isinstance(dist, UnitNormal)

    @pytest.mark.parametrize("stddev", [0.5, "tensor"])
    def test_normal(self, stddev):
        random = np.random.default_rng(0)
        mean, value = random.normal(size=(2, 4, 3)).astype(np.float32)
        if stddev == "tensor":
            stddev = random.uniform(0.1, 2, (4, 3)).astype(np.float32)
        dist = make_distribution("normal", mean, stddev, event_ndims=1)
        expected = stats.norm.logpdf(value, mean, stddev).sum(-1)
        np.testing.assert_allclose(dist.log_prob(value), expected, 1e-4)


def test_deterministic_is_trained_by_its_error():
    random = np.random.default_rng(0)
    location, target = random.normal(size=(2, 2, 5, 3)).astype(np.float32)
    dist = make_distribution("deterministic", location, event_ndims=1)
    assert not losses.has_density(dist)
    np.testing.assert_array_equal(dist.mean(), location)
    expected = ((location - target) ** 2).sum(-1) / 2
    np.testing.assert_allclose(
        losses.negative_log_likelihood(dist, target), expected, 1e-5
    )
    # But for the constant it is a normal of variance 1.
    normal = make_distribution("normal", location, event_ndims=1)
    assert losses.has_density(normal)
    constant = 3 * np.log(2 * np.pi) / 2
    np.testing.assert_allclose(
        losses.negative_log_likelihood(normal, target),
        expected + constant,
        1e-5,
    )


FEATURES = np.random.default_rng(1).normal(size=(2, 5, 7)).astype(np.float32)


def make_head(dist, stddev=1.0, shape=(3,), **kwargs):
    head = FeedForward(shape, 1, 4, "tanh", dist, stddev, (-2.0, 2.0), **kwargs)
    head.build(7)
    random = np.random.default_rng(2)
    for variable in head.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return head


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("stddev", [0.5, "learned"])
@pytest.mark.parametrize("dist", DISTRIBUTIONS)
class TestHead:
    def test_prediction(self, dist, stddev, shape):
        head = make_head(dist, stddev, shape)
        named = {k: v.numpy() for k, v in head.original_variables().items()}
        assert len(named) == (6 if stddev == "learned" else 4)
        hidden = np.tanh(FEATURES @ named["dense/kernel"] + named["dense/bias"])
        location = hidden @ named["dense_1/kernel"] + named["dense_1/bias"]
        width = 0.5
        if stddev == "learned":
            raw = hidden @ named["dense_2/kernel"] + named["dense_2/bias"]
            width = np.log1p(np.exp(raw + 0.55)) + 0.01
            width = width.reshape(2, 5, *shape)
        location = location.reshape(2, 5, *shape)
        result = head(FEATURES)
        assert result.batch_shape == (2, 5)
        assert result.event_shape == shape
        value = np.full((2, 5, *shape), 0.7)
        axes = tuple(range(2, 2 + len(shape)))
        if dist == "deterministic":
            expected, log_prob = location, None
        elif dist == "normal":
            expected = location
            log_prob = stats.norm.logpdf(value, location, width)
        elif dist == "truncated_normal":
            reference = scipy_truncated(location, width, -2, 2)
            expected, log_prob = reference.mean(), reference.logpdf(value)
        else:
            expected = None
            log_prob = tanh_log_density(value, location, width, -2, 2)
        if log_prob is not None:
            actual = result.log_prob(np.float32(value))
            np.testing.assert_allclose(actual, log_prob.sum(axes), 1e-3)
        if expected is not None:
            np.testing.assert_allclose(result.mean(), expected, 1e-3, 1e-4)
        np.testing.assert_allclose(head.mean(FEATURES), result.mean(), 1e-5)


@pytest.mark.parametrize("dist", DISTRIBUTIONS)
def test_heads_learn(dist):
    """Every weight gets a gradient, also from values at the bounds."""
    head = make_head(dist, "learned")
    target = np.tile([-2.0, 0.1, 2.0], (2, 5, 1)).astype(np.float32)
    variables = list(head.trainable_variables)
    with tf.GradientTape() as tape:
        terms = losses.negative_log_likelihood(head(FEATURES), target)
        loss = tf.reduce_mean(terms)
    gradients = tape.gradient(loss, variables)
    assert np.isfinite(loss)
    for variable, gradient in zip(variables, gradients, strict=True):
        if gradient is None:
            # A deterministic prediction has no standard deviation.
            assert dist == "deterministic"
            assert any(variable is other for other in variables[-2:])
            continue
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("dist", DISTRIBUTIONS)
def test_predicts_in_float32(dist, precision):
    head = make_head(dist, "learned", dtype=f"mixed_{precision}")
    result = head(FEATURES)
    assert result.mean().dtype == tf.float32
    exact = make_head(dist, "learned")(FEATURES)
    np.testing.assert_allclose(result.mean(), exact.mean(), 0.1, 0.1)


def test_learned_stddev_starts_near_one():
    head = FeedForward((), 0, 4, stddev="learned")
    head.build(7)
    head.original_variables()["dense_1/kernel"].assign(tf.zeros([7, 1]))
    stddev = head(FEATURES).distribution.scale
    np.testing.assert_allclose(stddev, np.full((2, 5), 1.016), 0, 2e-3)
