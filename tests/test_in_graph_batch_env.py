import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from fakes import CountingEnv, batch
from gymnasium import spaces

from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv

SEEDS = tf.constant([5, 6, 5], tf.int64)


@pytest.fixture
def envs():
    return [CountingEnv(length) for length in (2, 3, 4)]


@pytest.fixture
def env(envs):
    return InGraphBatchEnv(batch(envs))


@pytest.mark.parametrize("graph", [False, True])
def test_reset_and_step(env, envs, graph):
    actions = tf.constant([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])

    def call():
        first = env.reset(tf.range(3), SEEDS)
        # Each waits for the one before, without being told to.
        return first, env.step(tf.range(3), actions)

    if graph:
        call = tf.function(call, autograph=False)
    first, (second, reward, done, terminal) = call()
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
    assert not np.any(done) and not np.any(terminal)
    received = [env.actions[0] for env in envs]
    np.testing.assert_allclose(received, actions)


def test_some_of_them_in_any_order(env, envs):
    env.reset(tf.range(3), SEEDS)
    env.step(tf.constant([2, 0]), tf.constant([[0.1, 0.2], [0.3, 0.4]]))
    np.testing.assert_allclose(envs[2].actions, [[0.1, 0.2]])
    np.testing.assert_allclose(envs[0].actions, [[0.3, 0.4]])
    assert envs[1].actions == []
    observ, reward, done, _ = env.step(tf.constant([0, 2]), tf.zeros([2, 2]))
    np.testing.assert_array_equal(observ["count"], [[2], [2]])
    np.testing.assert_array_equal(reward, [2, 2])
    np.testing.assert_array_equal(done, [True, False])


def test_finished_episodes(env):
    env.reset(tf.range(3), SEEDS)
    for _ in range(2):
        env.step(tf.range(3), tf.zeros([3, 2]))
    info = {"index": 0, "return": 3.0, "length": 2, "info": {}}
    assert env.take_finished() == [info]
    assert env.take_finished() == []
    env.reset(tf.constant([0]), SEEDS[:1])
    for _ in range(2):
        env.step(tf.constant([0, 2]), tf.zeros([2, 2]))
    other = {"index": 2, "return": 10.0, "length": 4, "info": {}}
    assert env.take_finished() == [info, other]


def test_an_end_and_a_time_limit():
    envs = [
        gymnasium.wrappers.TimeLimit(CountingEnv(length), 2)
        for length in (1, 3, 2)
    ]
    env = InGraphBatchEnv(batch(envs))
    env.reset(tf.range(3), SEEDS)
    *_, done, terminal = env.step(tf.range(3), tf.zeros([3, 2]))
    np.testing.assert_array_equal(done, [True, False, False])
    np.testing.assert_array_equal(terminal, [True, False, False])
    *_, done, terminal = env.step(tf.constant([1, 2]), tf.zeros([2, 2]))
    np.testing.assert_array_equal(done, [True, True])
    np.testing.assert_array_equal(terminal, [False, True])


class VariedEnv(gymnasium.Env):
    """Shows the last action, in several types."""

    observation_space = spaces.Dict(
        {
            "depth": spaces.Box(-9.0, 9.0, (2, 2, 1), np.float16),
            "held": spaces.MultiBinary(3),
            "room": spaces.Discrete(9),
        }
    )

    def __init__(self, action_space):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        return self._observe(0), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return self._observe(np.sum(action)), 1.0, False, False, {}

    def _observe(self, number):
        return {
            "depth": np.full((2, 2, 1), number, np.float16),
            "held": np.full(3, number > 1, np.int8),
            "room": np.int64(number),
        }


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (spaces.Discrete(5), np.array([1, 3])),
        (spaces.MultiDiscrete([3, 3]), np.array([[0, 1], [2, 1]])),
        (spaces.Box(-4, 4, (1, 2)), np.float32([[[0, 1]], [[2, 1]]])),
    ],
)
def test_any_observations_and_actions(space, actions):
    varied = [VariedEnv(space) for _ in range(2)]
    env = InGraphBatchEnv(batch(varied))
    assert env.action_space == space

    @tf.function(autograph=False)
    def call(actions):
        first = env.reset(tf.range(2), SEEDS[:2])
        return first, env.step(tf.range(2), actions)[0]

    first, second = call(tf.constant(actions))
    for observ, numbers in (first, [0, 0]), (second, [1, 3]):
        zeros = env.zero_observations()
        for name, array in observ.items():
            assert (array.shape, array.dtype) == (
                zeros[name].shape,
                zeros[name].dtype,
            )
        assert observ["room"].dtype == tf.int64
        np.testing.assert_array_equal(observ["room"], numbers)
        np.testing.assert_array_equal(observ["depth"][:, 1, 0, 0], numbers)
        np.testing.assert_array_equal(
            observ["held"][:, 2], np.greater(numbers, 1)
        )
