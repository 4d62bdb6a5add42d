import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import LinearCell

from planet_tf2.control import cross_entropy_method
from planet_tf2.models import RSSM
from planet_tf2.networks import FeedForward

BATCH, HORIZON, ACTION, AMOUNT, TOPK = 3, 4, 2, 20, 5
SIZES = (ACTION, HORIZON, AMOUNT, TOPK)
SEED = tf.constant([1, 2])


def distance_objective(states):
    """Prefers to stay close to the goal, and late steps a little more."""
    distance = tf.norm(states["sample"] - states["goal"], axis=-1)
    weights = 1 + tf.range(distance.shape[1], dtype=tf.float32) / 10
    return -tf.reduce_sum(distance * weights, 1)


def start_states(batch=BATCH):
    """Agents in different places with different goals."""
    random = np.random.default_rng(3)
    return {
        "sample": tf.constant(random.normal(size=(batch, 2)), tf.float32),
        "goal": tf.constant(random.normal(size=(batch, 2)), tf.float32),
    }


def numpy_cem(state, noise, latent_noise, scale, low, high):
    """Agent by agent and candidate by candidate, in float64.

    Args:
      noise: `[I, B, K, H, A]`.
      latent_noise: `[I, H, B, K, 2]`.
    """
    plans = []
    for agent in range(len(state["sample"])):
        goal = np.float64(state["goal"][agent])
        mean, stddev = np.zeros((HORIZON, ACTION)), np.ones((HORIZON, ACTION))
        for iteration, candidates in enumerate(noise[:, agent]):
            candidates = np.clip(mean + stddev * candidates, low, high)
            returns = []
            for number, actions in enumerate(candidates):
                sample, total = np.float64(state["sample"][agent]), 0.0
                for time, action in enumerate(actions):
                    sample = 0.8 * sample + action
                    sample = sample + (
                        scale * latent_noise[iteration, time, agent, number]
                    )
                    distance = np.sqrt(((sample - goal) ** 2).sum())
                    total -= distance * (1 + time / 10)
                returns.append(total)
            best = candidates[np.argsort(returns)[-TOPK:]]
            mean = best.mean(0)
            variance = ((best - mean) ** 2).sum(0) / TOPK
            stddev = np.sqrt(variance + 1e-6)
        plans.append(mean)
    return np.stack(plans)


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (-0.3, 0.6)])
@pytest.mark.parametrize("scale", [0.0, 0.5])
@pytest.mark.parametrize("iterations", [1, 4])
def test_same_as_numpy(iterations, scale, bounds):
    random = np.random.default_rng(0)
    shape = (iterations, BATCH, AMOUNT, HORIZON, ACTION)
    noise = random.normal(size=shape).astype(np.float32)
    cell, state = LinearCell(scale), start_states()
    plan = cross_entropy_method(
        cell,
        distance_objective,
        state,
        *SIZES,
        iterations,
        *bounds,
        seed=SEED,
        noise=tf.constant(noise),
    )
    latent_noise = np.reshape(
        cell.noises, (iterations, HORIZON, BATCH, AMOUNT, 2)
    )
    # No two of these numbers were used twice.
    assert len(np.unique(latent_noise)) > 0.999 * latent_noise.size
    expected = numpy_cem(state, noise, latent_noise, scale, *bounds)
    np.testing.assert_allclose(plan, expected, rtol=1e-4, atol=1e-4)


def plan(state, graph=True, cell=None, **kwargs):
    def call():
        return cross_entropy_method(
            cell or LinearCell(),
            distance_objective,
            state,
            ACTION,
            HORIZON,
            **{"amount": 300, "topk": 30, "seed": SEED, **kwargs},
        )

    return tf.function(call, autograph=False)() if graph else call()


def test_agents_do_not_mix():
    """Each plans as if it were alone: states meet their own candidates."""
    state = start_states()
    random = np.random.default_rng(0)
    noise = random.normal(size=(3, BATCH, 40, HORIZON, ACTION))
    noise = tf.constant(noise, tf.float32)
    kwargs = {"amount": 40, "topk": 4, "iterations": 3}
    together = plan(state, noise=noise, **kwargs)
    for agent in range(BATCH):
        alone = plan(
            {name: value[agent : agent + 1] for name, value in state.items()},
            noise=noise[:, agent : agent + 1],
            **kwargs,
        )
        np.testing.assert_allclose(
            together[agent], alone[0], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("graph", [False, True])
def test_finds_the_optimum(graph):
    # One step takes each agent to its goal, and then it has to stay there.
    state = {
        "sample": tf.constant([[0.5, 0.0], [0.0, 0.0], [-0.5, 0.5]]),
        "goal": tf.constant([[0.0, 0.8], [-0.4, 0.3], [0.2, -0.2]]),
    }
    found = plan(state, graph)
    goal, sample = state["goal"], state["sample"]
    stay = 0.2 * goal
    expected = np.stack([goal - 0.8 * sample, stay, stay, stay], 1)
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (-0.2, 0.3)])
def test_plans_stay_within_bounds(bounds):
    state = {"sample": tf.zeros([2, 2]), "goal": tf.fill([2, 2], 50.0)}
    found = plan(state, min_action=bounds[0], max_action=bounds[1])
    assert (found <= bounds[1]).numpy().all()
    np.testing.assert_allclose(
        found, np.full(found.shape, bounds[1]), atol=0.03
    )


@pytest.mark.parametrize("graph", [False, True])
def test_no_iterations(graph):
    found = plan(start_states(), graph, iterations=0)
    np.testing.assert_array_equal(found, np.zeros((BATCH, HORIZON, ACTION)))


def test_seed_determines_the_plan():
    state, cell = start_states(), LinearCell(0.5)
    kwargs = {"cell": cell, "iterations": 2, "amount": 20, "topk": 4}
    first = plan(state, **kwargs)
    np.testing.assert_array_equal(first, plan(state, **kwargs))
    for other in ([1, 3], None):
        seed = other if other is None else tf.constant(other)
        found = plan(state, **{**kwargs, "seed": seed})
        assert np.abs(found - first).min() > 0


def test_seed_draws_standard_normal_candidates():
    """All are kept, so that the plan is the mean of clipped noise."""
    state = start_states()
    kwargs = {"amount": 4000, "topk": 4000, "iterations": 1}
    found = plan(state, **kwargs)
    np.testing.assert_allclose(found, np.zeros(found.shape), atol=0.06)
    half = plan(state, min_action=0.0, max_action=100.0, **kwargs)
    expected = np.full(half.shape, 1 / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(half, expected, atol=0.06)
    assert len(np.unique(found)) == found.numpy().size


def test_with_the_real_model_in_a_graph_of_any_size():
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
        return cross_entropy_method(
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
