import threading
import types

import numpy as np
import pytest
import tensorflow as tf
from fakes import CountingEnv, FailingEnv, batch

from planet_tf2.control import in_graph_batch_env, simulate
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout, episode_seed
from planet_tf2.envs import Async, BatchEnv, EnvCrash
from planet_tf2.tools.signals import RolloutStopped

SEED = tf.constant([1, 2])
LENGTHS = (3, 5, 1)


class FakeAgent:
    """Acts by seed and noise, and writes down what it is told."""

    def __init__(self):
        self.calls = []

    def begin_episode(self, agent_indices):
        self._note("begin", agent_indices)

    def perform(self, agent_indices, observ, action_noise, seed):
        self._note("perform", agent_indices, observ["count"], observ["image"])
        shape = tf.stack([tf.shape(agent_indices)[0], 2])
        noise = tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
        return 0.5 + action_noise * noise

    def experience(self, agent_indices, observ, action, reward, done):
        self._note("experience", agent_indices, observ["count"], reward, done)

    def end_episode(self, agent_indices):
        self._note("end", agent_indices)

    def _note(self, name, *tensors):
        def write(*arrays):
            self.calls.append((name, *arrays))
            return np.int32(0)

        tf.numpy_function(write, tensors, tf.int32)

    def named(self, name):
        return [args for kind, *args in self.calls if kind == name]


@pytest.fixture
def envs():
    return [CountingEnv(length) for length in LENGTHS]


@pytest.fixture
def agent():
    return FakeAgent()


@pytest.fixture
def rollout(agent, envs):
    env = InGraphBatchEnv(batch(envs))
    return Rollout(agent, env)


def test_those_who_are_done_wait(rollout, agent, envs):
    rollout([1, 2, 3], SEED)
    assert [len(env.actions) for env in envs] == list(LENGTHS)
    begun = agent.named("begin")
    np.testing.assert_array_equal(begun, [[[0, 1, 2]]])
    indices = [indices.tolist() for indices, *_ in agent.named("perform")]
    assert indices == [[0, 1, 2], [0, 1], [0, 1], [1], [1]]
    ended = [indices.tolist() for (indices,) in agent.named("end")]
    assert ended == [[2], [], [0], [], [1]]


def test_what_the_agent_sees_and_experiences(rollout, agent):
    rollout([1, 2, 3], SEED)
    for time, (indices, count, image) in enumerate(agent.named("perform")):
        assert (count == time).all() and count.shape == (len(indices), 1)
        assert (image == time).all()
    experience = agent.named("experience")
    for time, (indices, count, reward, done) in enumerate(experience, 1):
        assert (count == time).all() and (reward == time).all()
        expected = [LENGTHS[index] == time for index in indices]
        assert done.tolist() == expected


def test_returns_and_lengths(rollout):
    for number, noise in enumerate([0, 0.1, 0.25]):
        results = rollout([number, 8, 9], tf.constant([number, 0]), noise)
        # The reward of step t is t.
        assert [r["return"] for r in results] == [6, 15, 1]
        assert [r["length"] for r in results] == list(LENGTHS)
        assert [r["index"] for r in results] == [0, 1, 2]
    assert rollout.retraces == 0


def test_seed_and_noise_determine_actions(rollout, envs):
    def act(seed, noise):
        rollout([1, 2, 3], tf.constant(seed), noise)
        return np.concatenate([env.actions for env in envs])

    np.testing.assert_array_equal(act([1, 2], 0), np.full((9, 2), 0.5))
    noisy = act([1, 2], 0.1)
    np.testing.assert_array_equal(act([1, 2], 0.1), noisy)
    assert np.abs(act([1, 3], 0.1) - noisy).min() > 0
    # Every step of every agent has noise of its own.
    assert len(np.unique(noisy)) == noisy.size


def test_env_seeds(rollout, envs):
    first = []
    for seeds in ([1, 2, 1], [1, 3, 4]):
        rollout(seeds, SEED)
        first.append([env.np_random.bit_generator.state for env in envs])
    assert first[0][0] == first[1][0]
    assert first[0][1] != first[1][1]


class BlindAgent(FakeAgent):
    """Acts whatever it sees, and has a variable.

    The order in which TensorFlow runs its graph follows from both alone.
    """

    def __init__(self):
        super().__init__()
        self._steps = tf.Variable(0)

    def perform(self, agent_indices, observ, action_noise, seed):
        self._steps.assign_add(1)
        return tf.ones([tf.shape(agent_indices)[0], 2])

    def _note(self, name, *tensors):
        pass


def test_steps_wait_for_the_reset():
    stepped = threading.Event()
    early = []

    class SlowToReset(CountingEnv):
        def reset(self, **kwargs):
            stepped.clear()
            early.append(stepped.wait(0.2))  # Unless a step comes too soon.
            return super().reset(**kwargs)

        def step(self, action):
            stepped.set()
            return super().step(action)

    env = InGraphBatchEnv(batch([SlowToReset(2)]))
    rollout = Rollout(BlindAgent(), env)
    rollout([1], SEED)
    rollout.steps(4, [1], SEED)
    assert early == 3 * [False]


def test_exceptions_keep_their_type(agent):
    failing = FailingEnv("raise", good_steps=2)
    env = InGraphBatchEnv(batch([failing]))
    rollout = Rollout(agent, env)
    for _ in range(2):  # The second time as well.
        with pytest.raises(ZeroDivisionError, match="the fake failed"):
            rollout([1], SEED)
    failing._length, failing._good_steps = 4, 99
    (result,) = rollout([1], SEED)
    assert result["return"] == 10 and result["length"] == 4
    assert rollout.retraces == 0


def test_exceptions_of_other_processes(agent):
    with Async("fakes:FailingEnv", {"how": "exit"}, render=False) as env:
        rollout = Rollout(agent, InGraphBatchEnv(BatchEnv([env])))
        with pytest.raises(EnvCrash, match="7"):
            rollout([1], SEED)


def test_exception_of_the_agent(envs):
    class BrokenAgent(FakeAgent):
        def perform(self, agent_indices, observ, action_noise, seed):
            bad = tf.debugging.assert_less(tf.reduce_sum(observ["count"]), 2.0)
            with tf.control_dependencies([bad]):
                return tf.zeros([tf.shape(agent_indices)[0], 2])

    env = InGraphBatchEnv(batch(envs))
    with pytest.raises(tf.errors.InvalidArgumentError):
        Rollout(BrokenAgent(), env)([1, 2, 3], SEED)
    assert env.error is None


def test_should_stop(agent, envs):
    stopping = False
    env = InGraphBatchEnv(batch(envs), should_stop=lambda: stopping)
    rollout = Rollout(agent, env)
    rollout([1, 2, 3], SEED)
    stopping = True
    with pytest.raises(RolloutStopped):
        rollout([1, 2, 3], SEED)
    stopping = False
    assert [r["return"] for r in rollout([1, 2, 3], SEED)] == [6, 15, 1]


def test_seconds_of_a_decision(monkeypatch):
    """Of two environments the longer one tells how many there were."""
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(simulate, "time", clock)
    monkeypatch.setattr(in_graph_batch_env, "time", clock)

    class Slow(CountingEnv):
        def step(self, action):
            now[0] += 0.5
            return super().step(action)

    class Thinking(FakeAgent):
        def perform(self, *args):
            def think(action):
                now[0] += 3
                return action

            action = super().perform(*args)
            shape = action.shape
            action = tf.numpy_function(think, [action], action.dtype)
            return tf.ensure_shape(action, shape)

    envs = [Slow(4), Slow(2)]
    env = InGraphBatchEnv(batch(envs))
    for result in Rollout(Thinking(), env)([1, 2], SEED):
        assert result["planning_seconds"] == 3
        # Six steps of environments in four decisions.
        assert result["decision_seconds"] == 3 + 6 * 0.5 / 4


class Watched(CountingEnv):
    """Keeps the seeds that it was reset with."""

    def __init__(self, length):
        super().__init__(length)
        self.seeds = []

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        return super().reset(seed=seed, options=options)


class TestSteps:
    """Environments of 3, 5 and 1 steps are reset when they are over:

    step       0  1  2  3  4  5  6
    a          0  1  2  0  1  2  0
    b          0  1  2  3  4  0  1
    c          0  0  0  0  0  0  0
    """

    COUNTS = ["000", "110", "220", "030", "140", "200", "010"]

    @pytest.fixture
    def envs(self):
        return [Watched(length) for length in LENGTHS]

    @pytest.fixture
    def rollout(self, agent, envs):
        return Rollout(agent, InGraphBatchEnv(batch(envs)))

    def seen(self, agent):
        return [
            "".join(str(int(count)) for count in counts[:, 0])
            for _, counts, _ in agent.named("perform")
        ]

    @pytest.mark.parametrize("calls", [[7], [2, 5], [1] * 7])
    def test_goes_on_over_the_ends_of_episodes(
        self, rollout, agent, envs, calls
    ):
        episodes = [
            (episode["index"], episode["length"], episode["return"])
            for steps in calls
            for episode in rollout.steps(steps, [7, 8, 9], SEED, 0.1)
        ]
        a, b, c = (0, 3, 6), (1, 5, 15), (2, 1, 1)
        assert episodes == [c, c, a, c, c, b, c, a, c, c]
        assert self.seen(agent) == self.COUNTS
        begun = [indices.tolist() for (indices,) in agent.named("begin")]
        assert begun == [[0, 1, 2], [2], [2], [0, 2], [2], [1, 2], [0, 2]]
        ended = [indices.tolist() for (indices,) in agent.named("end")]
        assert ended == [[2], [2], [0, 2], [2], [1, 2], [0, 2], [2]]
        for number, (env, amount) in enumerate(
            zip(envs, (3, 2, 7), strict=True)
        ):
            assert env.seeds == [
                episode_seed(7 + number, k) for k in range(amount)
            ]
        assert len({seed for env in envs for seed in env.seeds}) == 12
        assert rollout.retraces == 0

    @pytest.mark.parametrize("calls", [[7], [2, 5], [1] * 7])
    def test_resets_count(self, agent, envs, calls):
        """As a: reset, 3 steps, reset. All have a reset or a step each time."""
        env = InGraphBatchEnv(batch(envs))
        rollout = Rollout(agent, env, resets_count=True)
        for steps in calls:
            rollout.steps(steps, [7, 8, 9], SEED)
        acts = [indices.tolist() for indices, *_ in agent.named("perform")]
        assert acts == [[0, 1, 2], [0, 1], [0, 1, 2], [1], [0, 1, 2], [0]]
        assert self.seen(agent) == ["000", "11", "220", "3", "040", "1"]
        assert int(rollout.state.time) == 7 and rollout.retraces == 0

    def test_division_into_calls_makes_no_difference(self, agent, envs):
        def act(*calls):
            env = InGraphBatchEnv(batch(envs))
            rollout = Rollout(agent, env)
            for steps in calls:
                rollout.steps(steps, [7, 8, 9], SEED, 0.1)
            actions = [env.actions for env in envs]
            return np.concatenate(actions)

        np.testing.assert_array_equal(act(10), act(4, 1, 5))

    def test_begins_anew_after_an_exception(self, agent):
        stopping = False
        env = InGraphBatchEnv(batch([Watched(5), Watched(3)]), lambda: stopping)
        rollout = Rollout(agent, env)
        rollout.steps(2, [1, 2], SEED)
        stopping = True
        with pytest.raises(RolloutStopped):
            rollout.steps(2, [1, 2], SEED)
        stopping = False
        agent.calls.clear()
        (episode,) = rollout.steps(4, [1, 2], SEED)
        assert (episode["index"], episode["length"]) == (1, 3)
        assert self.seen(agent) == ["00", "11", "22", "30"]
        assert rollout.retraces == 0

    def test_whole_episodes_in_between(self, rollout, agent):
        rollout.steps(2, [1, 2, 3], SEED)
        agent.calls.clear()
        assert [r["return"] for r in rollout([1, 2, 3], SEED)] == [6, 15, 1]
        agent.calls.clear()
        rollout.steps(2, [1, 2, 3], SEED)
        assert self.seen(agent) == self.COUNTS[:2]
        assert rollout.retraces == 0
