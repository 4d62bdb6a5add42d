"""What every planner keeps to."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from planning_cases import (
    ACTION,
    BATCH,
    HORIZON,
    SEED,
    SIZES,
    plan,
    start_states,
)
from tf_fakes import LinearCell

from planet_tf2.agents.planet import RSSM
from planet_tf2.agents.planet.build import PLANNERS
from planet_tf2.nets import FeedForward
from planet_tf2.tools import devices

# For problems whose solution jumps, with time to find it exactly.
_THOROUGH = {
    "cem": {},
    "icem": {"noise_exponent": 0.0, "decay": 1.0, "iterations": 15},
}


@pytest.fixture(params=PLANNERS)
def planner(request):
    return PLANNERS[request.param]


@pytest.fixture(params=PLANNERS)
def thorough(request):
    return functools.partial(
        PLANNERS[request.param], **_THOROUGH[request.param]
    )


def test_agents_do_not_mix(planner):
    """Each plans as if it were alone: states meet their own candidates."""
    state = start_states()
    random = np.random.default_rng(0)
    noise = random.normal(size=(3, BATCH, 40, HORIZON, ACTION))
    noise = tf.constant(noise, tf.float32)
    kwargs = {"amount": 40, "topk": 4, "iterations": 3}
    together = plan(planner, state, noise=noise, **kwargs)
    for agent in range(BATCH):
        alone = plan(
            planner,
            {name: value[agent : agent + 1] for name, value in state.items()},
            noise=noise[:, agent : agent + 1],
            **kwargs,
        )
        np.testing.assert_allclose(
            together[agent], alone[0], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("graph", [False, True])
def test_finds_the_optimum(graph, thorough):
    # One step takes each agent to its goal, and then it has to stay there.
    state = {
        "sample": tf.constant([[0.5, 0.0], [0.0, 0.0], [-0.5, 0.5]]),
        "goal": tf.constant([[0.0, 0.8], [-0.4, 0.3], [0.2, -0.2]]),
    }
    found = plan(thorough, state, graph)
    goal, sample = state["goal"], state["sample"]
    stay = 0.2 * goal
    expected = np.stack([goal - 0.8 * sample, stay, stay, stay], 1)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_plans_stay_within_bounds(thorough):
    state = {"sample": tf.zeros([2, 2]), "goal": tf.fill([2, 2], 50.0)}
    found = plan(thorough, state)
    assert (found <= 1).numpy().all()
    np.testing.assert_allclose(found, np.ones(found.shape), atol=0.03)


@pytest.mark.parametrize("graph", [False, True])
def test_no_iterations(graph, planner):
    found = plan(planner, start_states(), graph, iterations=0)
    np.testing.assert_array_equal(found, np.zeros((BATCH, HORIZON, ACTION)))


def test_seed_determines_the_plan(planner):
    state, cell = start_states(), LinearCell(0.5)
    kwargs = {"cell": cell, "iterations": 2, "amount": 20, "topk": 4}
    first = plan(planner, state, **kwargs)
    np.testing.assert_array_equal(first, plan(planner, state, **kwargs))
    other = plan(planner, state, seed=tf.constant([1, 3]), **kwargs)
    assert np.abs(other - first).min() > 0


@pytest.mark.parametrize("batch, amount", [(1, 1), (1, 21), (3, 7), (2, 64)])
def test_shares_change_nothing(planner, batch, amount, monkeypatch):
    cell = RSSM(3, 8, 8)
    cell.build(ACTION, 4)
    head = FeedForward((), 1, 4)
    head.build(cell.feature_size)
    state = cell.noise(SEED, [4, batch])  # Anything that is not zero.
    state = dict(zip(cell.state_sizes, tf.unstack(state)[:3], strict=False))
    state["belief"] = tf.tile(state["sample"], [1, 3])[:, :8]
    found = []
    for shares in (1, 2, 3, 16):
        monkeypatch.setattr(devices, "chains", lambda count=shares: count)
        plans = tf.function(planner, autograph=False)(
            cell,
            lambda s: tf.reduce_sum(head.mean(cell.features_from_state(s)), 1),
            state,
            ACTION,
            HORIZON,
            amount,
            min(amount, 5),
            iterations=3,
            seed=SEED,
        )
        found.append(plans)
    assert np.abs(found[0]).max() > 0
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_with_the_real_model_in_a_graph_of_any_size(planner):
    cell = RSSM(3, 5, 5)
    cell.build(ACTION, 4)
    head = FeedForward((), 1, 4)
    head.build(cell.feature_size)

    @tf.function(
        input_signature=[
            {n: tf.TensorSpec([None, s]) for n, s in cell.state_sizes.items()}
        ]
    )
    def call(state):
        return planner(
            cell,
            lambda s: tf.reduce_sum(head.mean(cell.features_from_state(s)), 1),
            state,
            *SIZES,
            iterations=2,
            seed=SEED,
        )

    for batch in (1, 3):
        found = call(cell.zero_state(batch))
        assert found.shape == (batch, HORIZON, ACTION)
        assert (np.abs(found) <= 1).all() and np.abs(found).min() > 0
