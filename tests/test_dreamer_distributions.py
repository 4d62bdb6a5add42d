"""What DreamerV3 predicts and acts by, against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets.bounded_normal import make_normal
from planet_tf2.nets.one_hot import JoinedOneHot, OneHot, binary
from planet_tf2.nets.symlog import (
    MSE,
    SymlogMSE,
    SymlogTwoHot,
    symexp,
    symlog,
)

SEED = tf.constant([3, 4])
random = np.random.default_rng(0)
LOGITS = random.normal(0, 2, (4, 3)).astype(np.float32)
BUCKETS = np.linspace(-20, 20, 255)


def close(actual, desired, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual, desired, rtol, atol)


def gradient(function, *values):
    values = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = function(*values)
    return tape.gradient(result, values)


def test_symlog():
    x = np.array([-3e5, -1.0, -1e-3, 0, 1e-3, 2.0, 3e5], np.float32)
    close(symlog(x), np.sign(x) * np.log(1 + np.abs(x.astype(np.float64))))
    close(symexp(symlog(x)), x)


class TestSymlogTwoHot:
    def expected(self, value):
        """The two-hot target by a search, in float64."""
        place = np.sign(value) * np.log1p(abs(value))
        above = min(max(np.searchsorted(BUCKETS, place), 1), 254)
        step = BUCKETS[1] - BUCKETS[0]
        weight = np.clip((place - BUCKETS[above - 1]) / step, 0, 1)
        target = np.zeros(255)
        target[above - 1], target[above] = 1 - weight, weight
        return target

    @pytest.mark.parametrize(
        "value", [0.0, 0.05, -1.7, 123.4, -9e5, 1e9, -1e12, np.exp(20.0)]
    )
    def test_log_prob(self, value):
        logits = random.normal(0, 3, 255).astype(np.float32)
        log_probs = logits - scipy.special.logsumexp(logits)
        found = SymlogTwoHot(logits).log_prob(tf.constant(value, tf.float32))
        close(found, (self.expected(value) * log_probs).sum(), 1e-4)

    def test_mean_of_a_target_is_the_value(self):
        for value in (0.0, 0.3, -17.0, 5e4):
            logits = np.log(self.expected(value) + 1e-30).astype(np.float32)
            close(SymlogTwoHot(logits).mean(), value, 1e-4, 1e-5)

    def test_starts_at_zero(self):
        dist = SymlogTwoHot(tf.zeros([2, 255]))
        close(dist.mode(), [0, 0], atol=1e-5)
        close(dist.log_prob(tf.constant([-40.0, 7.0])), -np.log([255, 255]))

    def test_sums_over_the_event(self):
        logits = random.normal(size=(5, 3, 255)).astype(np.float32)
        value = random.normal(0, 9, (5, 3)).astype(np.float32)
        single = SymlogTwoHot(logits).log_prob(value).numpy()
        dist = SymlogTwoHot(logits, 1)
        close(dist.log_prob(value), single.sum(-1))
        assert dist.mean().shape == (5, 3)


class TestSquaredErrors:
    def test_mse(self):
        mean, value = random.normal(size=(2, 4, 3, 2)).astype(np.float32)
        close(MSE(mean, 2).log_prob(value), -((mean - value) ** 2).sum((1, 2)))
        close(MSE(mean, 2).mean(), mean)

    def test_symlog_mse(self):
        raw, value = random.normal(0, 5, (2, 4, 3)).astype(np.float32)
        error = raw - np.sign(value) * np.log1p(abs(value))
        close(SymlogMSE(raw, 1).log_prob(value), -(error**2).sum(-1))
        close(SymlogMSE(raw, 1).mean(), np.sign(raw) * np.expm1(abs(raw)))

    def test_tiny_errors_do_not_count(self):
        value = np.array([1.0, 2.0], np.float32)
        raw = np.log1p(value) + np.array([5e-5, 0.1], np.float32)

        def log_prob(raw):
            return SymlogMSE(raw, 1).log_prob(value)

        close(log_prob(raw), -0.01, 1e-4)
        close(gradient(log_prob, raw)[0], [0, -0.2], 1e-4)


def test_binary():
    logits = np.array([[-30.0, 0.3], [0.0, 30.0]], np.float32)
    value = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    p = scipy.special.expit(logits.astype(np.float64))
    dist = binary(logits, 1)
    assert dist.sample(seed=SEED).dtype == tf.float32
    close(dist.mean(), p)
    close(dist.mode(), [[0, 1], [0, 1]])
    log_p, log_q = (-np.logaddexp(0, sign * logits) for sign in (-1, 1))
    log_prob = value * log_p + (1 - value) * log_q
    close(dist.log_prob(value), log_prob.sum(-1))
    entropy = -p * log_p - (1 - p) * log_q
    close(dist.entropy(), entropy.sum(-1), atol=1e-5)


@pytest.mark.parametrize("unimix", [0.0, 0.01, 0.3])
class TestOneHot:
    def probs(self, unimix, logits=LOGITS):
        softmax = scipy.special.softmax(logits.astype(np.float64), -1)
        return (1 - unimix) * softmax + unimix / logits.shape[-1]

    def test_formulas(self, unimix):
        dist, p = OneHot(LOGITS, unimix), self.probs(unimix)
        other = OneHot(LOGITS[::-1], unimix)
        value = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
        close(dist.mean(), p)
        close(dist.mode(), np.eye(3)[p.argmax(-1)])
        close(dist.log_prob(value), np.log((p * value).sum(-1)))
        close(dist.entropy(), -(p * np.log(p)).sum(-1))
        kl = (p * np.log(p / p[::-1])).sum(-1)
        close(tfp.distributions.kl_divergence(dist, other), kl)

    def test_samples(self, unimix):
        draws = 20_000
        samples = OneHot(LOGITS, unimix).sample(draws, seed=SEED).numpy()
        assert samples.dtype == np.float32
        assert set(np.unique(samples)) == {0.0, 1.0}
        assert (samples.sum(-1) == 1).all()
        p = self.probs(unimix)
        limits = 5 * np.sqrt(p * (1 - p) / draws)
        assert (abs(samples.mean(0) - p) <= limits).all()

    def test_straight_through(self, unimix):
        weights = np.array([1.0, -2.0, 0.5], np.float32)

        def expected(logits):
            probs = (1 - unimix) * tf.nn.softmax(logits) + unimix / 3
            return tf.reduce_sum(probs * weights)

        def sampled(logits):
            sample = OneHot(logits, unimix).sample(seed=SEED)
            return tf.reduce_sum(sample * weights)

        close(gradient(sampled, LOGITS)[0], gradient(expected, LOGITS)[0])

    def test_without_noise_it_is_the_mode(self, unimix):
        dist = OneHot(LOGITS, unimix)
        close(dist.sample_from(tf.zeros([4, 3])), dist.mode())


def test_no_class_becomes_impossible():
    dist = OneHot(tf.constant([[0.0, 500.0]]), 0.01)
    close(dist.log_prob([[1.0, 0.0]]), np.log([0.005]))
    assert np.isfinite(dist.entropy()).all()


def test_parts_of_one_hot(caplog):
    """TFP warns of distributions whose parameters it does not know."""
    dist = OneHot(LOGITS, 0.3)
    close(dist[1:].mean(), dist.mean()[1:])
    independent = tfp.distributions.Independent(dist, 1)
    close(independent.entropy(), dist.entropy().numpy().sum())
    assert not caplog.records


def test_joined_one_hot():
    logits = random.normal(size=(6, 5)).astype(np.float32)
    joined = JoinedOneHot(logits, (2, 3), 0.1)
    parts = OneHot(logits[:, :2], 0.1), OneHot(logits[:, 2:], 0.1)
    sample = joined.sample(seed=SEED)
    first, second = sample[:, :2], sample[:, 2:]
    close(tf.reduce_sum(first, -1), np.ones(6))
    close(tf.reduce_sum(second, -1), np.ones(6))
    log_probs = parts[0].log_prob(first), parts[1].log_prob(second)
    close(joined.log_prob(sample), log_probs[0] + log_probs[1])
    close(joined.entropy(), parts[0].entropy() + parts[1].entropy())
    for name in ("mean", "mode"):
        both = [getattr(part, name)() for part in parts]
        close(getattr(joined, name)(), np.concatenate(both, -1))
    close(joined.sample_from(tf.zeros([6, 5])), joined.mode())


RAW_MEAN = np.array([[-2.0, 0.1, 0.9], [0.0, 3.0, -0.4]], np.float32)
RAW_STD = np.array([[-1.0, 0.0, 2.0], [1.0, -3.0, 0.5]], np.float32)
VALUE = np.array([[-0.9, 0.3, 1.0], [0.2, 0.7, -1.0]], np.float32)


def moments(dist):
    width = {"normal": 0.9 * scipy.special.expit(RAW_STD + 2)}
    std = width.get(dist, 2 * scipy.special.expit(RAW_STD / 2)) + 0.1
    return np.tanh(RAW_MEAN.astype(np.float64)), std.astype(np.float64)


def kolmogorov(samples, cdf):
    """Checks that samples `[N]` may come from a distribution."""
    assert scipy.stats.kstest(samples, cdf).pvalue > 1e-4


@pytest.mark.parametrize("dist", ["normal", "clipped_normal"])
class TestNormals:
    def test_formulas(self, dist):
        made = make_normal(dist, RAW_MEAN, RAW_STD, 1)
        mean, std = moments(dist)
        normal = scipy.stats.norm(mean, std)
        close(made.mean(), mean)
        close(made.mode(), mean)
        close(made.stddev(), std)
        close(made.log_prob(VALUE), normal.logpdf(VALUE).sum(-1))
        close(made.entropy(), normal.entropy().sum(-1))
        close(made.sample_from(tf.zeros([2, 3])), mean)

    def test_samples(self, dist):
        mean, std = moments(dist)
        made = make_normal(dist, RAW_MEAN, RAW_STD, 1)
        samples = made.sample(2000, seed=SEED).numpy()
        assert abs(samples).max() <= 1
        normal = scipy.stats.norm(mean, std)
        inside = (samples < 1).mean(0), (samples > -1).mean(0)
        close(inside[0], normal.cdf(1), atol=0.06)
        close(inside[1], normal.sf(-1), atol=0.06)
        middle = samples[:, 0, 1]
        middle = middle[abs(middle) < 1]
        low, high = ((x - mean[0, 1]) / std[0, 1] for x in (-1, 1))
        known = scipy.stats.truncnorm(low, high, mean[0, 1], std[0, 1])
        kolmogorov(middle, known.cdf)


def test_gradient_of_samples_outside():
    """The factor is a constant; clipping has the gradient of no clipping."""
    for dist, slope in {"normal": 0.5, "clipped_normal": 1.0}.items():

        def sample(mean, dist=dist):
            made = make_normal(dist, mean, 0.0, 0, 0.0, 1 / 0.880797)
            scale = made.distribution.scale
            return made.sample_from(2 / scale)

        mean = np.float32(0)
        close(sample(mean), 1)
        close(gradient(sample, mean)[0], slope)


class TestTruncatedNormal:
    """Defect 8: `trunc_normal` truncates."""

    def known(self):
        mean, std = moments("trunc_normal")
        return scipy.stats.truncnorm(
            (-1 - mean) / std, (1 - mean) / std, mean, std
        )

    def make(self):
        return make_normal("trunc_normal", RAW_MEAN, RAW_STD, 1)

    def test_formulas(self):
        known, made = self.known(), self.make()
        close(made.mean(), known.mean())
        close(made.mode(), np.tanh(RAW_MEAN))
        close(made.log_prob(VALUE), known.logpdf(VALUE).sum(-1))
        close(made.entropy(), known.entropy().sum(-1), 1e-4)

    def test_samples(self):
        samples = self.make().sample(1000, seed=SEED).numpy()
        assert abs(samples).max() <= 1
        uniform = self.known().cdf(samples)
        for index in np.ndindex(2, 3):
            kolmogorov(uniform[:, *index], scipy.stats.uniform.cdf)

    def test_gradients(self):
        noise = np.array([[-30.0, -3.0, 0.0], [1.0, 6.0, 30.0]], np.float32)

        def compute(mean, std):
            made = make_normal("trunc_normal", mean, std, 1)
            sample = made.sample_from(noise)
            return tf.reduce_sum(sample) + tf.reduce_sum(made.entropy())

        for found in gradient(compute, RAW_MEAN, RAW_STD):
            assert np.isfinite(found).all()


def test_std_as_a_number():
    made = make_normal("normal", RAW_MEAN, 1.0, 1)
    std = 0.9 * scipy.special.expit(3) + 0.1
    close(made.stddev(), np.full((2, 3), std))
    known = scipy.stats.norm(np.tanh(RAW_MEAN), std)
    close(made.entropy(), known.entropy().sum(-1))
    close(made.log_prob(VALUE), known.logpdf(VALUE).sum(-1))


def test_samples_follow_from_the_seed():
    for dist in (OneHot(LOGITS), make_normal("normal", RAW_MEAN, RAW_STD, 1)):
        first, again = dist.sample(seed=SEED), dist.sample(seed=SEED)
        np.testing.assert_array_equal(first, again)
        many = [dist.sample(seed=[0, n]) for n in range(5)]
        assert any((first.numpy() != other.numpy()).any() for other in many)
