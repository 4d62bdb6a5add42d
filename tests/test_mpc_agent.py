import types

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import MemoryCell

from planet_tf2.agents.planet import RSSM, MPCAgent

ACTION = 2
SEED = tf.constant([1, 2])


class FakePlanner:
    """Always has the same plan; remembers the states that it saw."""

    def __init__(self, first=0.5):
        self.states = []
        self._first = first

    def __call__(self, state, seed):
        assert seed.shape == (2,)
        self.states.append(state["sample"][:, 0].numpy().tolist())
        count = len(state["sample"])
        plan = tf.constant([self._first, 0.25], tf.float32)[None, :, None]
        return tf.tile(plan, [count, 1, ACTION])


def see(*values):
    """Images of a single pixel."""
    return {"image": tf.constant(values, tf.uint8)[:, None]}


def make_agent(batch_size=3, planner=None):
    return MPCAgent(
        batch_size,
        ACTION,
        types.SimpleNamespace(
            cell=MemoryCell(),
            encoder=lambda image: image,
            preprocess=lambda image, seed: tf.cast(image, tf.float32),
        ),
        planner or FakePlanner(),
    )


def test_first_decision_is_from_zeros():
    planner = FakePlanner()
    agent = make_agent(planner=planner)
    action = agent.perform(tf.range(3), see(1, 2, 3), seed=SEED)
    assert planner.states == [[1, 2, 3]]
    # The first action of the plan, in every dimension.
    np.testing.assert_array_equal(action, np.full((3, ACTION), 0.5))


def test_filters_with_last_state_and_action():
    planner = FakePlanner()
    agent = make_agent(1, planner)
    for value in (1, 2, 3):
        agent.perform(tf.range(1), see(value))
    # The actions are 0.5 twice, and they count for a tenth.
    first = 1.0
    second = 10 * first + 0.1 + 2
    third = 10 * second + 0.1 + 3
    np.testing.assert_allclose(planner.states, [[first], [second], [third]])


def test_begin_episode_resets_these_agents_only():
    planner = FakePlanner()
    agent = make_agent(planner=planner)
    agent.perform(tf.range(3), see(1, 2, 3))
    agent.begin_episode(tf.constant([1]))
    agent.perform(tf.range(3), see(0, 0, 0))
    # The others keep their state and also their last action.
    np.testing.assert_allclose(planner.states[1], [10.1, 0, 30.1])


def test_some_of_the_agents_in_any_order():
    planner = FakePlanner()
    agent = make_agent(planner=planner)
    agent.perform(tf.range(3), see(1, 2, 3))
    action = agent.perform(tf.constant([2, 0]), see(7, 8))
    assert action.shape == (2, ACTION)
    agent.perform(tf.range(3), see(0, 0, 0))
    np.testing.assert_allclose(planner.states[1], [37.1, 18.1])
    np.testing.assert_allclose(planner.states[2], [181.1, 20.1, 371.1])


def test_remembers_the_noisy_clipped_action():
    planner = FakePlanner()
    agent = make_agent(planner=planner)
    action = agent.perform(tf.range(3), see(0, 0, 0), 2.0, SEED).numpy()
    assert np.abs(action).max() == 1  # Some of it was clipped.
    agent.perform(tf.range(3), see(0, 0, 0))
    np.testing.assert_allclose(planner.states[1], action.sum(1) / 10, rtol=1e-5)


def test_noise_is_added_to_the_plan_and_then_clipped():
    def act(noise, seed=SEED):
        return make_agent().perform(tf.range(3), see(0, 0, 0), noise, seed)

    plan = act(0.0).numpy()
    np.testing.assert_array_equal(plan, np.full((3, ACTION), 0.5))
    noise = (act(0.01) - plan) / 0.01
    assert len(np.unique(noise)) == noise.numpy().size
    for stddev in (0.3, 3.0):
        expected = np.clip(plan + stddev * noise, -1, 1)
        np.testing.assert_allclose(act(stddev), expected, atol=1e-3)


def test_noise_is_standard_normal():
    agent = make_agent(5000)
    seen = see(*[0] * 5000)
    action = agent.perform(tf.range(5000), seen, 0.1, SEED).numpy() - 0.5
    np.testing.assert_allclose(action.mean(), 0, atol=0.005)
    np.testing.assert_allclose(action.std(), 0.1, rtol=0.05)


def test_seed_determines_the_action():
    def act(seed):
        return make_agent().perform(tf.range(3), see(0, 0, 0), 0.2, seed)

    np.testing.assert_array_equal(act(SEED), act(SEED))
    assert np.abs(act(SEED) - act(tf.constant([1, 3]))).min() > 0
    assert np.abs(act(None) - act(None)).min() > 0


@pytest.fixture(scope="module")
def real():
    cell = RSSM(3, 4, 4, activation="tanh")
    cell.build(ACTION, 1)
    return cell


def make_real_agent(cell, batch_size=2, states=None):
    def planner(state, seed):
        if states is not None:
            states.append(state)
        features = cell.features_from_state(state)
        noise = tf.random.stateless_normal([len(features), 1], seed)
        plan = tf.tanh(features[:, :ACTION] + 0.01 * noise)
        return tf.tile(plan[:, None], [1, 5, 1])

    return MPCAgent(
        batch_size,
        ACTION,
        types.SimpleNamespace(
            cell=cell,
            encoder=lambda image: image,
            preprocess=lambda image, seed: tf.cast(image, tf.float32) / 255,
        ),
        planner,
    )


def test_prior_then_posterior_of_the_real_model(real):
    states = []
    agent = make_real_agent(real, 1, states)
    state, action = real.zero_state(1), tf.zeros([1, ACTION])
    for value in (10, 200, 90):
        # The belief is free of noise, given the last sample.
        obs = tf.constant([[value / 255]])
        expected = real.posterior(state, action, obs)
        action = agent.perform(tf.range(1), see(value), 0.1)
        state = states[-1]
        for name in ("mean", "stddev", "belief"):
            np.testing.assert_allclose(
                state[name], expected[name], rtol=1e-5, atol=1e-6
            )
        noise = (state["sample"] - state["mean"]) / state["stddev"]
        assert 0 < np.abs(noise).min() and np.abs(noise).max() < 5


def test_in_a_graph_with_any_indices(real):
    eager, agent = make_real_agent(real), make_real_agent(real)
    act = tf.function(
        agent.perform,
        input_signature=[
            tf.TensorSpec([None], tf.int32),
            {"image": tf.TensorSpec([None, 1], tf.uint8)},
            tf.TensorSpec([]),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    for step, indices in enumerate([[0, 1], [1], [1, 0]]):
        inputs = (
            tf.constant(indices),
            see(*range(len(indices))),
            tf.constant(0.1),
            tf.constant([step, 7]),
        )
        np.testing.assert_allclose(
            act(*inputs), eager.perform(*inputs), rtol=1e-4, atol=1e-5
        )
    assert act.experimental_get_tracing_count() == 1
