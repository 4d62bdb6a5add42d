import numpy as np
import pytest
import tensorflow as tf
from fakes import CountingEnv, FailingEnv

from planet_tf2.control import InGraphBatchEnv
from planet_tf2.control.in_graph_batch_env import RolloutStopped
from planet_tf2.envs import BatchEnv

SEEDS = tf.constant([5, 6, 5], tf.int64)


@pytest.fixture
def envs():
    return [CountingEnv(length) for length in (2, 3, 4)]


@pytest.fixture
def env(envs):
    return InGraphBatchEnv(BatchEnv(envs, blocking=True))


def test_sizes(env):
    assert len(env) == 3
    assert env.action_size == 2


@pytest.mark.parametrize("graph", [False, True])
def test_reset_and_step(env, envs, graph):
    actions = tf.constant([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])

    def call():
        first = env.reset(tf.range(3), SEEDS)
        # Each waits for the one before, without being told to.
        return first, env.step(tf.range(3), actions)

    if graph:
        call = tf.function(call, autograph=False)
    first, (second, reward, done) = call()
    assert set(first) == set(second) == {"count", "noise", "image"}
    for time, observ in enumerate((first, second)):
        assert observ["image"].shape == (3, 4, 4, 3)
        assert observ["image"].dtype == tf.uint8
        np.testing.assert_array_equal(
            observ["image"], np.full((3, 4, 4, 3), time)
        )
        np.testing.assert_array_equal(observ["count"], [[time]] * 3)
        assert observ["count"].dtype == tf.float32
    # The seeds arrived in order: two of them are the same.
    noise = first["noise"].numpy()
    np.testing.assert_array_equal(noise[0], noise[2])
    assert np.abs(noise[0] - noise[1]).min() > 0
    np.testing.assert_array_equal(reward, [1, 1, 1])
    assert reward.dtype == tf.float32
    np.testing.assert_array_equal(done, [False] * 3)
    received = [env.actions[0] for env in envs]
    np.testing.assert_allclose(received, actions)


def test_static_shapes(env):
    shapes = {}

    @tf.function(autograph=False)
    def call(indices):
        observ = env.reset(indices, SEEDS)
        later, reward, done = env.step(indices, tf.zeros([3, 2]))
        shapes.update({k: v.shape.as_list() for k, v in observ.items()})
        assert all(later[k].shape == observ[k].shape for k in observ)
        assert reward.shape.as_list() == done.shape.as_list() == [None]
        return reward

    call(tf.range(3))
    assert shapes == {
        "count": [None, 1],
        "noise": [None, 3],
        "image": [None, 4, 4, 3],
    }


def test_some_of_them_in_any_order(env, envs):
    env.reset(tf.range(3), SEEDS)
    env.step(tf.constant([2, 0]), tf.constant([[0.1, 0.2], [0.3, 0.4]]))
    np.testing.assert_allclose(envs[2].actions, [[0.1, 0.2]])
    np.testing.assert_allclose(envs[0].actions, [[0.3, 0.4]])
    assert envs[1].actions == []
    observ, reward, done = env.step(tf.constant([0, 2]), tf.zeros([2, 2]))
    np.testing.assert_array_equal(observ["count"], [[2], [2]])
    np.testing.assert_array_equal(reward, [2, 2])
    np.testing.assert_array_equal(done, [True, False])


def test_finished_until_the_next_reset(env):
    env.reset(tf.range(3), SEEDS)
    for _ in range(2):
        env.step(tf.range(3), tf.zeros([3, 2]))
    assert set(env.finished) == {0}
    env.step(tf.constant([1, 2]), tf.zeros([2, 2]))
    assert set(env.finished) == {0, 1}
    env.reset(tf.constant([0]), SEEDS[:1])
    assert set(env.finished) == {1}


@tf.function(autograph=False)
def steps(env, amount):
    """As part of a graph, where TensorFlow replaces exceptions."""
    count = len(env)
    for _ in range(amount):
        env.step(tf.range(count), tf.zeros([count, 2]))


def test_keeps_the_exception():
    env = InGraphBatchEnv(BatchEnv([FailingEnv("raise")], blocking=True))
    env.reset(tf.range(1), SEEDS[:1])
    with pytest.raises(tf.errors.OpError, match="the fake failed"):
        steps(env, 2)
    assert isinstance(env.error, ZeroDivisionError)


def test_raises_it_at_once_without_a_graph(env):
    env.reset(tf.range(3), SEEDS)
    with pytest.raises(ValueError, match="not finite"):
        env.step(tf.range(3), tf.fill([3, 2], np.nan))
    assert isinstance(env.error, ValueError)


def test_should_stop(envs):
    answers = iter([False, False, True])
    env = InGraphBatchEnv(
        BatchEnv(envs, blocking=True), should_stop=lambda: next(answers)
    )
    env.reset(tf.range(3), SEEDS)
    with pytest.raises(tf.errors.OpError, match="about to stop"):
        steps(env, 2)
    assert isinstance(env.error, RolloutStopped)
    assert len(envs[0].actions) == 1
