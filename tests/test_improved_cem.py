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

from planet_tf2.agents.planet.improved_cem import (
    candidate_amounts,
    colouring,
    improved_cem,
)


def numpy_improved_cem(
    state, noise, latent_noise, scale, stddev, decay, keep, momentum
):
    """Agent by agent and candidate by candidate, in float64; white noise.

    Args:
      noise: `[I, B, K, H, A]`.
      latent_noise: for each iteration and agent `[H, candidates, 2]`.
    """
    plans = []
    for agent in range(BATCH):
        start = np.float64(state["sample"][agent])
        goal = np.float64(state["goal"][agent])
        mean = np.zeros((HORIZON, ACTION))
        spread = np.full((HORIZON, ACTION), stddev)
        best = []
        for iteration in range(len(noise)):
            amount = int(max(AMOUNT / decay**iteration, 2 * TOPK))
            candidates = [
                mean + spread * x for x in noise[iteration, agent, :amount]
            ]
            candidates += best[: int(np.ceil(keep * TOPK))]
            if iteration == len(noise) - 1:
                candidates.append(mean)
            candidates = [np.clip(x, -1, 1) for x in candidates]
            latent = scale * latent_noise[iteration][agent]
            returns = [
                numpy_return(start, goal, actions, latent[:, number])
                for number, actions in enumerate(candidates)
            ]
            order = sorted(range(len(returns)), key=lambda i: -returns[i])
            best = [candidates[i] for i in order[:TOPK]]
            mean = (1 - momentum) * np.mean(best, 0) + momentum * mean
            spread = (1 - momentum) * np.std(best, 0) + momentum * spread
        plans.append(best[0])
    return np.stack(plans)


@pytest.mark.parametrize(
    "stddev, decay, keep, momentum",
    [(0.5, 1.25, 0.3, 0.1), (1.0, 1.0, 0.0, 0.0), (0.7, 3.0, 1.0, 0.5)],
)
@pytest.mark.parametrize("iterations", [1, 4])
@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_same_as_numpy(iterations, scale, stddev, decay, keep, momentum):
    random = np.random.default_rng(0)
    shape = (iterations, BATCH, AMOUNT, HORIZON, ACTION)
    noise = random.normal(size=shape).astype(np.float32)
    cell, state = LinearCell(scale), start_states()
    found = improved_cem(
        cell,
        distance_objective,
        state,
        *SIZES,
        iterations,
        seed=SEED,
        noise=tf.constant(noise),
        noise_exponent=0.0,
        stddev=stddev,
        decay=decay,
        keep=keep,
        momentum=momentum,
    )
    latent_noise = [
        np.moveaxis(np.reshape(drawn, (HORIZON, BATCH, -1, 2)), 1, 0)
        for drawn in cell.noises
    ]
    expected = numpy_improved_cem(
        state, noise, latent_noise, scale, stddev, decay, keep, momentum
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_colour_is_applied_along_time():
    """One iteration that keeps all: the best of the coloured candidates."""
    random = np.random.default_rng(1)
    noise = random.normal(size=(1, BATCH, AMOUNT, HORIZON, ACTION))
    state = start_states()
    found = plan(
        improved_cem,
        state,
        iterations=1,
        amount=AMOUNT,
        topk=TOPK,
        noise=tf.constant(noise, tf.float32),
        noise_exponent=1.5,
        stddev=0.1,
    )
    coloured = np.einsum("bkha,hg->bkga", noise[0], colouring(HORIZON, 1.5))
    for agent in range(BATCH):
        sample, goal = (
            np.float64(state[name][agent]) for name in ("sample", "goal")
        )
        # The last iteration also tries the mean, here zeros.
        candidates = [*(0.1 * coloured[agent]), np.zeros((HORIZON, ACTION))]
        returns = [
            numpy_return(sample, goal, x, np.zeros(HORIZON)) for x in candidates
        ]
        expected = candidates[int(np.argmax(returns))]
        np.testing.assert_allclose(found[agent], expected, atol=1e-5)


class TestColouring:
    def test_white_noise_stays(self):
        np.testing.assert_allclose(colouring(12, 0.0), np.eye(12), atol=1e-6)

    @pytest.mark.parametrize("horizon", [1, 2, 7, 12])
    @pytest.mark.parametrize("exponent", [0.5, 2.0, 4.0])
    def test_variance_of_every_step_stays(self, horizon, exponent):
        matrix = np.float64(colouring(horizon, exponent))
        variance = np.diag(matrix.T @ matrix)
        np.testing.assert_allclose(variance, np.ones(horizon), rtol=1e-5)

    @pytest.mark.parametrize("exponent", [0.5, 2.0, 3.0])
    def test_power_falls_with_the_frequency(self, exponent):
        noise = np.random.default_rng(0).normal(size=(20000, 32))
        spectrum = np.fft.rfft(noise @ colouring(32, exponent), axis=1)
        power = (np.abs(spectrum) ** 2).mean(0)
        frequency = np.arange(1, 16)
        slope = np.polyfit(np.log(frequency), np.log(power[1:16]), 1)[0]
        assert slope == pytest.approx(-exponent, abs=0.03)
        # The constant part counts as the lowest frequency. It has one degree
        # of freedom and the others two, which the transform counts once.
        assert power[0] == pytest.approx(power[1], rel=0.05)


def test_amounts():
    np.testing.assert_array_equal(
        candidate_amounts(100, 10, 8, 1.25), [100, 80, 64, 51, 40, 32, 26, 20]
    )
    np.testing.assert_array_equal(candidate_amounts(100, 10, 2, 1.0), [100] * 2)
    # Never more than were asked for.
    np.testing.assert_array_equal(candidate_amounts(15, 10, 3, 2.0), [15] * 3)


def test_a_good_candidate_is_not_lost():
    """Only the first iteration samples one that is close to the goal."""
    state = {"sample": tf.zeros([1, 2]), "goal": tf.fill([1, 2], 0.2)}
    noise = np.full((3, 1, AMOUNT, HORIZON, ACTION), -1.0, np.float32)
    noise[0, 0, 3] = 0.1
    kwargs = {
        "noise": tf.constant(noise),
        "noise_exponent": 0.0,
        "stddev": 1.0,
        "iterations": 3,
        "amount": AMOUNT,
        "topk": 2,
        "momentum": 1.0,
    }
    kept = plan(improved_cem, state, keep=0.5, **kwargs)
    np.testing.assert_allclose(kept, np.full(kept.shape, 0.1), 1e-5)
    lost = plan(improved_cem, state, keep=0.0, **kwargs)
    np.testing.assert_allclose(lost, np.zeros(kept.shape), atol=1e-6)
