import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.agents.planet import (
    DRNN,
    RSSM,
    SSM,
    closed_loop,
    imagine,
    open_loop,
    unroll,
)

BATCH, TIME, ACTION, OBS = 3, 6, 2, 4


def normal(seed, *shape):
    random = np.random.default_rng(seed)
    return tf.constant(random.normal(size=shape), tf.float32)


@pytest.fixture(scope="module")
def cell():
    cell = RSSM(3, 5, 5, activation="tanh")
    cell.build(ACTION, OBS)
    random = np.random.default_rng(0)
    for variable in cell.trainable_variables:
        variable.assign(random.normal(size=variable.shape) / 2)
    return cell


EMBEDDED = normal(1, BATCH, TIME, OBS)
ACTIONS = normal(2, BATCH, TIME, ACTION)
NOISE = normal(3, TIME, 2, BATCH, 3)


def start_state(cell):
    return {
        name: normal(index, BATCH, size)
        for index, (name, size) in enumerate(cell.state_sizes.items())
    }


def run(function, graph, *args, **kwargs):
    if graph:
        function = tf.function(function, autograph=False)
    return function(*args, **kwargs)


def assert_close_at(states, time, expected):
    assert set(states) == set(expected)
    for name in states:
        np.testing.assert_allclose(
            states[name][:, time], expected[name], 1e-5, 1e-6
        )


@pytest.mark.parametrize("graph", [False, True])
def test_closed_loop(cell, graph):
    state = cell.zero_state(BATCH)
    prior, posterior = run(
        lambda: closed_loop(cell, EMBEDDED, ACTIONS, NOISE), graph
    )
    for time in range(TIME):
        expected, state = cell.observe(
            state,
            ACTIONS[:, time],
            EMBEDDED[:, time],
            (NOISE[time, 0], NOISE[time, 1]),
        )
        assert_close_at(prior, time, expected)
        assert_close_at(posterior, time, state)


def test_closed_loop_draws_its_own_noise(cell):
    unroll = tf.function(lambda: closed_loop(cell, EMBEDDED, ACTIONS))
    (_, first), (_, second) = unroll(), unroll()
    assert np.abs(first["sample"] - second["sample"]).min() > 0
    noise = (first["sample"] - first["mean"]) / first["stddev"]
    # Every step has noise of its own.
    steps = np.transpose(noise, [1, 0, 2]).reshape(TIME, -1)
    assert len(np.unique(steps.round(4), axis=0)) == TIME


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("context", [1, 4])
def test_open_loop(cell, context, graph):
    states = run(
        lambda: open_loop(cell, EMBEDDED, ACTIONS, context, NOISE), graph
    )
    state = cell.zero_state(BATCH)
    for time in range(TIME):
        if time < context:
            state = cell.posterior(
                state, ACTIONS[:, time], EMBEDDED[:, time], NOISE[time, 1]
            )
        else:
            state = cell.transition(state, ACTIONS[:, time], NOISE[time, 0])
        assert_close_at(states, time, state)


def test_open_loop_does_not_look_ahead(cell):
    blind = tf.concat(
        [EMBEDDED[:, :2], tf.fill([BATCH, TIME - 2, OBS], np.nan)], 1
    )
    states = open_loop(cell, EMBEDDED, ACTIONS, 2, NOISE)
    for value in open_loop(cell, blind, ACTIONS, 2, NOISE).values():
        assert np.isfinite(value).all()
    # The context alone is enough.
    short = open_loop(cell, EMBEDDED[:, :2], ACTIONS, 2, NOISE)
    np.testing.assert_array_equal(short["sample"], states["sample"])


def test_open_loop_draws_its_own_noise(cell):
    first, second = (open_loop(cell, EMBEDDED, ACTIONS, 2) for _ in range(2))
    assert first["sample"].shape == (BATCH, TIME, 3)
    assert np.abs(first["sample"] - second["sample"]).min() > 0


@pytest.mark.parametrize("graph", [False, True])
def test_imagine(cell, graph):
    state = start_state(cell)
    states = run(lambda: imagine(cell, state, ACTIONS, NOISE[:, 0]), graph)
    for time in range(TIME):
        state = cell.transition(state, ACTIONS[:, time], NOISE[time, 0])
        assert_close_at(states, time, state)


def test_gradient_flows_back_through_time(cell):
    embedded = tf.identity(EMBEDDED)
    with tf.GradientTape() as tape:
        tape.watch(embedded)
        prior, posterior = closed_loop(cell, embedded, ACTIONS, NOISE)
        last = {name: value[:, -1] for name, value in prior.items()}
        loss = tf.reduce_sum(cell.features_from_state(last))
    gradient = tape.gradient(loss, embedded)
    # The last prior follows from every observation but its own.
    assert (np.abs(gradient[:, :-1]).max(-1) > 0).all()
    assert not np.any(gradient[:, -1])


@pytest.mark.parametrize("kind", [RSSM, SSM, DRNN])
@pytest.mark.parametrize("graph", [False, True])
def test_same_gradients_as_a_loop(kind, graph, monkeypatch):
    cell = kind(3, 5, 5) if kind is not SSM else SSM(3, 5)
    cell.build(ACTION, OBS)
    variables = cell.trainable_variables

    def gradients():
        with tf.GradientTape() as tape:
            _, posterior = closed_loop(cell, EMBEDDED, ACTIONS, NOISE)
            last = {name: x[:, -1] for name, x in posterior.items()}
            ahead = imagine(cell, last, ACTIONS, NOISE[:, 0])
            loss = sum(
                tf.reduce_sum(tf.square(x))
                for x in tf.nest.flatten([posterior, ahead])
            )
        return tape.gradient(loss, variables, unconnected_gradients="zero")

    found = run(gradients, graph)
    monkeypatch.setattr(unroll, "_LONGEST", 0)
    expected = run(gradients, True)
    assert all(np.abs(x).max() > 0 for x in expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-4)
