import numpy as np
import pytest
import tensorflow as tf
from planning_cases import (
    ACTION,
    AMOUNT,
    BATCH,
    HORIZON,
    SEED,
    SIZES,
    TOPK,
    distance_objective,
    numpy_return,
    plan,
    start_states,
)
from tf_fakes import LinearCell

from planet_tf2.agents.planet import cross_entropy_method


def numpy_cem(state, noise, latent_noise, scale):
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
            candidates = np.clip(mean + stddev * candidates, -1, 1)
            returns = [
                numpy_return(
                    np.float64(state["sample"][agent]),
                    goal,
                    actions,
                    scale * latent_noise[iteration, :, agent, number],
                )
                for number, actions in enumerate(candidates)
            ]
            best = candidates[np.argsort(returns)[-TOPK:]]
            mean = best.mean(0)
            variance = ((best - mean) ** 2).sum(0) / TOPK
            stddev = np.sqrt(variance + 1e-6)
        plans.append(mean)
    return np.stack(plans)


@pytest.mark.parametrize("scale", [0.0, 0.5])
@pytest.mark.parametrize("iterations", [1, 4])
def test_same_as_numpy(iterations, scale):
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
        seed=SEED,
        noise=tf.constant(noise),
    )
    latent_noise = np.reshape(
        cell.noises, (iterations, HORIZON, BATCH, AMOUNT, 2)
    )
    # No two of these numbers were used twice.
    assert len(np.unique(latent_noise)) > 0.999 * latent_noise.size
    expected = numpy_cem(state, noise, latent_noise, scale)
    np.testing.assert_allclose(plan, expected, rtol=1e-4, atol=1e-4)


def test_seed_draws_standard_normal_candidates():
    """All are kept, so that the plan is the mean of clipped noise."""
    state = start_states()
    kwargs = {"amount": 4000, "topk": 4000, "iterations": 1}
    found = plan(cross_entropy_method, state, **kwargs)
    np.testing.assert_allclose(found, np.zeros(found.shape), atol=0.06)
    assert len(np.unique(found)) == found.numpy().size
