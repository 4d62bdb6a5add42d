"""What every latent cell has to do, and their formulas."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy_cells import NumpyDRNN, NumpyRSSM, NumpySSM
from tf_fakes import normal_kl

from planet_tf2.agents.planet import DRNN, RSSM, SSM, closed_loop

BATCH, STATE, BELIEF, EMBED, ACTION, OBS = 4, 3, 5, 6, 2, 7
LATENT = {"mean": STATE, "stddev": STATE, "sample": STATE}
KINDS = {
    "rssm": (RSSM, {"belief_size": BELIEF}, {**LATENT, "belief": BELIEF}),
    "ssm": (SSM, {}, LATENT),
    "drnn": (
        DRNN,
        {"belief_size": BELIEF},
        {**LATENT, "encoder_state": BELIEF, "decoder_state": BELIEF},
    ),
}
SWITCHES = (
    "encoder_to_decoder",
    "sample_to_sample",
    "sample_to_encoder",
    "decoder_to_encoder",
    "decoder_to_sample",
    "action_to_decoder",
)


def make_cell(kind, **settings):
    constructor, sizes, _ = KINDS[kind]
    cell = constructor(
        state_size=STATE, embed_size=EMBED, **{**sizes, **settings}
    )
    cell.build(ACTION, OBS)
    random = np.random.default_rng(0)
    for variable in cell.trainable_variables:
        variable.assign(random.normal(size=variable.shape) / 2)
    return cell


def normal(seed, *shape):
    random = np.random.default_rng(seed)
    return tf.constant(random.normal(size=shape), tf.float32)


NOISES = normal(10, BATCH, STATE), normal(11, BATCH, STATE)


def make_inputs(cell):
    state = {
        name: normal(index, BATCH, size)
        for index, (name, size) in enumerate(cell.state_sizes.items())
    }
    return state, normal(8, BATCH, ACTION), normal(9, BATCH, OBS)


def assert_close(actual, desired, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual, desired, rtol, atol)


def assert_close_states(actual, desired):
    assert set(actual) == set(desired)
    for name in actual:
        assert_close(actual[name], desired[name])


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def cell(kind):
    return make_cell(kind)


@pytest.fixture
def inputs(cell):
    return make_inputs(cell)


class TestContract:
    def test_sizes(self, kind, cell, inputs):
        sizes = KINDS[kind][2]
        assert cell.state_sizes == sizes
        assert cell.latent_size == STATE
        features = cell.features_from_state(inputs[0])
        assert features.shape == (BATCH, cell.feature_size)
        zero = cell.zero_state(BATCH)
        for name, size in sizes.items():
            np.testing.assert_array_equal(zero[name], np.zeros((BATCH, size)))
        for state in cell.observe(*inputs, NOISES):
            assert {name: x.shape[1] for name, x in state.items()} == sizes

    @pytest.mark.parametrize("graph", [False, True])
    def test_ways_through_time(self, cell, inputs, graph):
        wrap = tf.function if graph else lambda function: function
        prior, posterior = wrap(cell.observe)(*inputs, NOISES)
        state, action, obs = inputs
        assert_close_states(
            wrap(cell.transition)(state, action, NOISES[0]), prior
        )
        assert_close_states(wrap(cell.posterior)(*inputs, NOISES[1]), posterior)

    def test_samples(self, cell, inputs):
        for state, noise in zip(
            cell.observe(*inputs, NOISES), NOISES, strict=True
        ):
            expected = state["mean"] + state["stddev"] * noise
            assert_close(state["sample"], expected)
            assert np.min(state["stddev"]) > 0.1

    def test_draws_its_own_noise(self, cell, inputs):
        step = tf.function(lambda: cell.observe(*inputs))
        for first, second in zip(step(), step(), strict=True):
            assert np.abs(first["sample"] - second["sample"]).min() > 0

    def test_mean_only(self, kind, inputs):
        for state in make_cell(kind, mean_only=True).observe(*inputs, NOISES):
            assert_close(state["sample"], state["mean"], 0, 0)

    def test_min_stddev(self, kind, inputs):
        both = [make_cell(kind, min_stddev=m) for m in (0.0, 0.7)]
        low, high = (cell.transition(*inputs[:2], NOISES[0]) for cell in both)
        assert_close(high["stddev"], low["stddev"] + 0.7)

    def test_only_the_posterior_sees(self, cell, inputs):
        state, action, obs = inputs
        prior, posterior = cell.observe(state, action, obs, NOISES)
        other_prior, other = cell.observe(state, action, obs + 1, NOISES)
        assert_close_states(prior, other_prior)
        assert np.abs(other["mean"] - posterior["mean"]).max() > 1e-3

    def test_remembers_state_and_action(self, cell, inputs):
        state, action, _ = inputs
        prior = cell.transition(state, action, NOISES[0])
        other = {name: value + 1 for name, value in state.items()}
        for changed in ((other, action), (state, action + 1)):
            moved = cell.transition(*changed, NOISES[0])
            assert np.abs(moved["mean"] - prior["mean"]).max() > 1e-3

    def test_activation_is_honored(self, kind, inputs):
        means = [
            make_cell(kind, **settings).transition(*inputs[:2])["mean"]
            for settings in ({}, {"activation": "relu"}, {"activation": "elu"})
        ]
        assert_close(means[0], means[1], 0, 0)
        assert np.abs(means[2] - means[1]).max() > 1e-3

    def test_layers(self, kind, inputs):
        stacks = {"rssm": 3, "ssm": 2, "drnn": 1}[kind]
        shallow, deep = make_cell(kind), make_cell(kind, num_layers=3)
        names = set(deep.original_variables())
        assert names > set(shallow.original_variables())
        added = len(names) - len(shallow.original_variables())
        assert added == 2 * 2 * stacks
        assert len(names) == len(deep.trainable_variables)
        deep.observe(*inputs)

    def test_initial_weights(self, kind):
        cell = KINDS[kind][0](**KINDS[kind][1], embed_size=50)
        cell.build(6, 70)
        for name, variable in cell.original_variables().items():
            value = variable.numpy()
            if name.endswith("kernel"):
                limit = np.sqrt(6 / sum(value.shape))
                assert 0.9 * limit < np.abs(value).max() <= limit, name
            else:
                assert (value == ("gates" in name)).all(), name

    def test_divergence(self, cell, inputs):
        prior, posterior = cell.observe(*inputs, NOISES)
        expected = normal_kl(
            posterior["mean"],
            posterior["stddev"],
            prior["mean"],
            prior["stddev"],
        )
        assert_close(cell.divergence_from_states(posterior, prior), expected)

    def test_every_weight_learns(self, cell, inputs):
        embedded = normal(12, BATCH, 3, OBS)
        actions = normal(13, BATCH, 3, ACTION)
        noise = normal(14, 3, 2, BATCH, STATE)
        with tf.GradientTape() as tape:
            prior, posterior = closed_loop(cell, embedded, actions, noise)
            kl = cell.divergence_from_states(posterior, prior)
            features = cell.features_from_state(posterior)
            loss = tf.reduce_sum(kl) + tf.reduce_sum(features**2)
        names, variables = zip(*cell.original_variables().items(), strict=True)
        gradients = tape.gradient(loss, variables)
        for name, gradient in zip(names, gradients, strict=True):
            assert np.abs(gradient).max() > 0, name

    @pytest.mark.parametrize("precision", ["bfloat16", "float16"])
    def test_states_stay_in_float32(self, kind, inputs, precision):
        low = make_cell(kind, dtype=f"mixed_{precision}")
        assert {v.dtype for v in low.trainable_variables} == {"float32"}
        expected = make_cell(kind).observe(*inputs, NOISES)
        for state, exact in zip(
            low.observe(*inputs, NOISES), expected, strict=True
        ):
            for name, value in state.items():
                assert value.dtype == tf.float32
                assert_close(value, exact[name], 0.1, 0.1)
            # It was indeed computed with fewer digits.
            assert np.abs(state["mean"] - exact["mean"]).max() > 1e-5


ACTIVATIONS = {"relu": lambda x: np.maximum(0, x), "tanh": np.tanh}


def check_formula(cell, reference, graph=False):
    inputs = make_inputs(cell)
    observe = tf.function(cell.observe) if graph else cell.observe
    for state, expected in zip(
        observe(*inputs, NOISES),
        reference.observe(*inputs, NOISES),
        strict=True,
    ):
        assert_close_states(state, expected)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("future_rnn", [False, True])
def test_rssm_formula(future_rnn, graph):
    cell = make_cell("rssm", future_rnn=future_rnn)
    check_formula(cell, NumpyRSSM(cell, future_rnn), graph)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_ssm_formula(activation, graph):
    cell = make_cell("ssm", activation=activation)
    check_formula(cell, NumpySSM(cell, ACTIVATIONS[activation]), graph)


@pytest.mark.parametrize(
    "values",
    list(itertools.product((False, True), repeat=len(SWITCHES))),
    ids=lambda values: "".join(str(int(value)) for value in values),
)
def test_drnn_formula_with_all_switches(values):
    switches = dict(zip(SWITCHES, values, strict=True))
    cell = make_cell("drnn", **switches)
    check_formula(cell, NumpyDRNN(cell, switches))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_drnn_formula_in_a_graph(activation):
    switches = dict.fromkeys(SWITCHES, True)
    cell = make_cell("drnn", activation=activation, **switches)
    reference = NumpyDRNN(cell, switches, activation=ACTIVATIONS[activation])
    check_formula(cell, reference, graph=True)


def test_drnn_switches_by_default():
    chosen = {name: name.startswith("sample_") for name in SWITCHES}
    chosen["decoder_to_sample"] = True
    check_formula(make_cell("drnn"), make_cell("drnn", **chosen))
