"""Heads and policy of DreamerV3 2025."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from planet_tf2.agents.dreamer.edition_2025.heads import (
    Head,
    Policy,
    action_parts,
)
from planet_tf2.nets.symexp_two_hot import SymexpTwoHot, buckets

SEED = tf.constant([3, 4])
FEATURES = np.random.RandomState(0).normal(size=(5, 6)).astype(np.float32)
SPACES = {
    "box": spaces.Box(-1, 1, (3,)),
    "discrete": spaces.Discrete(4),
    "several": spaces.MultiDiscrete([2, 3, 4]),
    "mixed": spaces.Dict(
        {"move": spaces.Box(-1, 1, (2,)), "key": spaces.Discrete(3)}
    ),
}


def make_policy(space, **settings):
    policy = Policy(action_parts(space), 2, 8, outscale=1.0, **settings)
    policy.build(FEATURES.shape[-1])
    return policy


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_policy(kind, dtype):
    policy = make_policy(SPACES[kind], dtype=dtype)
    assert policy.size == gymnasium.spaces.flatdim(SPACES[kind])

    @tf.function(autograph=False)
    def act():
        with tf.GradientTape() as tape:
            dist = policy(FEATURES)
            noise = policy.noise(SEED, [len(FEATURES)])
            action = dist.sample_from(noise)
            log_prob = dist.log_prob(tf.stop_gradient(action))
            loss = tf.reduce_sum(log_prob + dist.entropy())
        gradients = tape.gradient(loss, policy.trainable_variables)
        likely = dist.sample_from(tf.zeros_like(noise)), dist.mode()
        return action, likely, log_prob, gradients

    action, (likely, mode), log_prob, gradients = act()
    assert action.shape == mode.shape == (5, policy.size)
    assert action.dtype == log_prob.dtype == tf.float32
    assert log_prob.shape == (5,)
    assert all(np.isfinite(x).all() for x in [log_prob, *gradients])
    assert any(np.any(x) for x in gradients)
    np.testing.assert_allclose(likely, mode, 1e-5, 1e-6)
    uniform = policy.uniform(SEED, 100).numpy()
    assert uniform.shape == (100, policy.size) and abs(uniform).max() <= 1
    if policy.discrete:
        sizes = [s.n for s in action_parts(SPACES[kind]).values()]
        numbers = policy.numbers(uniform).numpy()
        assert (numbers.max(0) == np.subtract(sizes, 1)).all()
        assert (uniform.sum(-1) == len(sizes)).all()


def test_parts_of_many_choices_keep_their_order():
    parts = action_parts(spaces.MultiDiscrete(range(1, 13)))
    assert [s.n for _, s in sorted(parts.items())] == list(range(1, 13))


def test_samples_of_boxes_are_not_clipped():
    policy = make_policy(SPACES["box"])
    dist = policy(FEATURES)
    noise = tf.fill([5, 3], 9.0)
    sample = dist.sample_from(noise)
    assert (sample.numpy() > 1).all()
    part = dist.parts["action"]
    np.testing.assert_allclose(
        sample, part.mean() + 9 * part.stddev(), 1e-5, 1e-5
    )


@pytest.mark.parametrize("dist", ["symexp_two_hot", "binary"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_head(dist, dtype):
    head = Head(1, 8, dist, dtype=dtype)
    head.build(6)
    target = tf.constant([0.0, 1.0, 0.5, 1.0, 0.0])
    with tf.GradientTape() as tape:
        predicted = head(FEATURES)
        loss = -predicted.log_prob(target)
    gradients = tape.gradient(loss, head.trainable_variables)
    assert predicted.mean().shape == loss.shape == (5,)
    assert predicted.mean().dtype == loss.dtype == tf.float32
    assert all(np.isfinite(x).all() and np.any(x) for x in gradients)


def test_two_hot_targets():
    """Their mean is the value, up to the last bucket, and NaN shows."""
    values = np.array([0, 0.1, -3, 7e5, -2e8, 4e8], np.float32)
    dist = SymexpTwoHot(tf.zeros([6, 255]))
    target = dist.target(values).numpy()
    np.testing.assert_allclose(target.sum(-1), 1, 1e-6)
    assert (np.count_nonzero(target, -1) <= 2).all()
    np.testing.assert_allclose(
        (target.astype(np.float64) * buckets()).sum(-1), values, 1e-6, 1e-7
    )
    far = dist.target(tf.constant([1e12, -np.inf])).numpy()
    assert (far.argmax(-1) == [254, 0]).all() and (far.max(-1) == 1).all()
    assert np.isnan(dist.log_prob(tf.fill([6], np.nan))).all()
    assert dist.target(tf.zeros([2, 3])).shape == (2, 3, 255)
