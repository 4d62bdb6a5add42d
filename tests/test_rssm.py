import numpy as np
import pytest
import tensorflow as tf
from numpy_cells import NumpyRSSM
from tf_fakes import normal_kl

from planet_tf2.agents.planet import RSSM

BATCH, STATE, BELIEF, EMBED, ACTION, OBS = 4, 3, 5, 6, 2, 7
STATE_SIZES = {"mean": 3, "stddev": 3, "sample": 3, "belief": 5}


def make_cell(**settings):
    cell = RSSM(STATE, BELIEF, EMBED, **settings)
    cell.build(ACTION, OBS)
    random = np.random.default_rng(0)
    for variable in cell.trainable_variables:
        variable.assign(random.normal(size=variable.shape) / 2)
    return cell


def normal(seed, *shape):
    random = np.random.default_rng(seed)
    return tf.constant(random.normal(size=shape), tf.float32)


@pytest.fixture(scope="module")
def cell():
    return make_cell()


@pytest.fixture(scope="module")
def inputs():
    state = {
        name: normal(index, BATCH, size)
        for index, (name, size) in enumerate(STATE_SIZES.items())
    }
    return state, normal(8, BATCH, ACTION), normal(9, BATCH, OBS)


@pytest.fixture(scope="module")
def noises():
    return normal(10, BATCH, STATE), normal(11, BATCH, STATE)


def close(actual, desired, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual, desired, rtol, atol)


def equal_states(actual, desired):
    assert set(actual) == set(desired)
    for name in actual:
        close(actual[name], desired[name])


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("future_rnn", [False, True])
def test_formula_with_samples(inputs, noises, future_rnn, graph):
    cell = make_cell(future_rnn=future_rnn)
    observe = tf.function(cell.observe) if graph else cell.observe
    prior, posterior = observe(*inputs, noises)
    reference = NumpyRSSM(cell, future_rnn)
    expected_prior, expected_posterior = reference.observe(*inputs, noises)
    equal_states(prior, expected_prior)
    equal_states(posterior, expected_posterior)


def test_sizes(cell, inputs):
    assert cell.state_sizes == STATE_SIZES
    assert cell.latent_size == STATE
    assert cell.feature_size == STATE + BELIEF
    zero = cell.zero_state(BATCH)
    assert {k: v.shape for k, v in zero.items()} == {
        name: (BATCH, size) for name, size in STATE_SIZES.items()
    }
    assert all(not np.any(value) for value in zero.values())
    features = cell.features_from_state(inputs[0])
    state = inputs[0]
    close(features, np.concatenate([state["sample"], state["belief"]], 1))


def test_same_noise_same_sample(cell, inputs, noises):
    first = cell.transition(*inputs[:2], noises[0])
    equal_states(first, cell.transition(*inputs[:2], noises[0]))
    other = cell.transition(*inputs[:2], noises[1])
    assert np.abs(other["sample"] - first["sample"]).min() > 1e-4
    for name in ("mean", "stddev", "belief"):
        close(other[name], first[name])


def test_sample_is_mean_plus_scaled_noise(cell, inputs, noises):
    for state, noise in zip(cell.observe(*inputs, noises), noises, strict=True):
        close(state["sample"], state["mean"] + state["stddev"] * noise)


def test_draws_its_own_noise(cell, inputs):
    step = tf.function(lambda: cell.observe(*inputs))
    for first, second in zip(step(), step(), strict=True):
        assert np.abs(first["sample"] - second["sample"]).min() > 0
        noise = (first["sample"] - first["mean"]) / first["stddev"]
        assert np.abs(noise).max() < 6


def test_mean_only(inputs, noises):
    cell = make_cell(mean_only=True)
    for state in cell.observe(*inputs, noises):
        close(state["sample"], state["mean"], 0, 0)


@pytest.mark.parametrize("min_stddev", [0.1, 0.7])
def test_min_stddev(inputs, min_stddev):
    cell = make_cell(min_stddev=min_stddev)
    variables = cell.original_variables()
    for name in ("transition/dense_3", "posterior/dense_2"):
        variables[f"{name}/kernel"].assign(
            tf.zeros_like(variables[f"{name}/kernel"])
        )
        variables[f"{name}/bias"].assign([-50.0, 0.0, 2.0])
    expected = min_stddev + np.log1p(np.exp([-50.0, 0.0, 2.0]))
    for state in cell.observe(*inputs):
        close(state["stddev"], np.tile(expected, (BATCH, 1)))


def test_observe_is_transition_then_posterior(cell, inputs, noises):
    prior, posterior = cell.observe(*inputs, noises)
    equal_states(prior, cell.transition(*inputs[:2], noises[0]))
    equal_states(posterior, cell.posterior(*inputs, noises[1]))
    close(prior["belief"], posterior["belief"], 0, 0)


def test_posterior_sees_and_prior_does_not(cell, inputs, noises):
    state, action, obs = inputs
    prior, posterior = cell.observe(state, action, obs, noises)
    other_prior, other = cell.observe(state, action, obs + 1, noises)
    equal_states(prior, other_prior)
    assert np.abs(other["mean"] - posterior["mean"]).max() > 1e-3


def test_layers_and_activation(inputs):
    cell = make_cell(num_layers=3, activation="tanh")
    names = set(cell.original_variables())
    dense = {n for n in names if "/dense" in n and n.endswith("kernel")}
    # Embedding and prior, or posterior alone; a mean and a stddev each.
    assert len([n for n in dense if n.startswith("transition")]) == 3 + 3 + 2
    assert len([n for n in dense if n.startswith("posterior")]) == 3 + 2
    assert len(names) == len(cell.trainable_variables) == 2 * 13 + 4
    rectified = make_cell(num_layers=3, activation="relu")
    means = [c.transition(*inputs[:2])["mean"] for c in (cell, rectified)]
    assert np.abs(means[0] - means[1]).max() > 1e-3


def test_initial_weights():
    cell = RSSM(30, 40, 50)
    cell.build(6, 70)
    for name, variable in cell.original_variables().items():
        value = variable.numpy()
        if name.endswith("kernel"):
            limit = np.sqrt(6 / sum(value.shape))
            assert 0.95 * limit < np.abs(value).max() <= limit, name
        else:
            assert (value == ("gates" in name)).all(), name


def test_divergence(cell, inputs):
    prior, posterior = cell.observe(*inputs)
    divergence = cell.divergence_from_states(posterior, prior)
    assert divergence.shape == (BATCH,)
    expected = normal_kl(
        posterior["mean"], posterior["stddev"], prior["mean"], prior["stddev"]
    )
    close(divergence, expected)
    close(cell.divergence_from_states(prior, prior), np.zeros(BATCH))


def test_distribution(cell, inputs):
    state = cell.transition(*inputs[:2])
    dist = cell.dist_from_state(state)
    assert dist.batch_shape == (BATCH,)
    assert dist.event_shape == (STATE,)
    mean, stddev = np.float64(state["mean"]), np.float64(state["stddev"])
    error = ((1.0 - mean) / stddev) ** 2
    expected = -(error + np.log(2 * np.pi * stddev**2)).sum(1) / 2
    close(dist.log_prob(tf.ones([BATCH, STATE])), expected)


def test_divergence_trains_prior_and_posterior(cell, inputs, noises):
    with tf.GradientTape() as tape:
        prior, posterior = cell.observe(*inputs, noises)
        loss = tf.reduce_sum(cell.divergence_from_states(posterior, prior))
    names, variables = zip(*cell.original_variables().items(), strict=True)
    gradients = tape.gradient(loss, variables)
    for name, gradient in zip(names, gradients, strict=True):
        assert np.abs(gradient).max() > 0, name


def test_samples_pass_gradients_on(cell, inputs, noises):
    state, action, obs = inputs
    with tf.GradientTape() as tape:
        _, posterior = cell.observe(state, action, obs, noises)
        later = cell.transition(posterior, action, noises[0])
        loss = tf.reduce_sum(later["sample"])
    variables = cell.original_variables()
    chosen = [variables[f"posterior/dense_{index}/kernel"] for index in (1, 2)]
    for gradient in tape.gradient(loss, chosen):
        assert np.abs(gradient).max() > 0
