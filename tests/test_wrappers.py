"""Wrappers, against environments whose numbers are known."""

import fakes
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation, TransformReward

from planet_tf2 import envs

_ZEROS = np.zeros(2, np.float32)


def _run(env, steps):
    env.reset(seed=0)
    return [env.step(_ZEROS) for _ in range(steps)]


def test_action_repeat_sums_rewards_and_counts_simulator_steps():
    env = envs.ActionRepeat(fakes.CountingEnv(length=8), 3)
    one, two, three = _run(env, 3)
    assert [step[1] for step in (one, two, three)] == [6.0, 15.0, 15.0]
    assert [step[2] for step in (one, two, three)] == [False, False, True]
    assert [s[4]["simulator_steps"] for s in (one, two, three)] == [3, 3, 2]
    assert two[0]["count"] == 6
    assert three[0]["count"] == 8


class TestDuration:
    def test_truncates(self):
        env = envs.Duration(fakes.CountingEnv(length=9), 3)
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(_ZEROS)
        flags = [step[2:4] for step in _run(env, 3)]
        assert flags == [(False, False), (False, False), (False, True)]
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(_ZEROS)
        assert len(_run(env, 3)) == 3

    def test_leaves_an_end_on_the_last_step(self):
        env = envs.Duration(fakes.CountingEnv(length=3), 3)
        assert _run(env, 3)[-1][2:4] == (True, False)

    def test_short_episodes_repeat_the_last_observation(self):
        env = envs.Duration(fakes.CountingEnv(length=2), 9, 4)
        steps = _run(env, 4)
        assert [float(step[0]["count"][0]) for step in steps] == [1, 2, 2, 2]
        assert [step[1] for step in steps] == [1.0, 2.0, 0.0, 0.0]
        assert [step[2] for step in steps] == [False, False, False, True]
        assert not any(step[3] for step in steps)
        assert steps[1][4] == {} and steps[2][4] == {"simulator_steps": 0}
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(_ZEROS)

    def test_stretched_time_limit_is_no_end(self):
        env = envs.Duration(fakes.CountingEnv(length=9), 2, 3)
        flags = [step[2:4] for step in _run(env, 3)]
        assert flags == [(False, False), (False, False), (False, True)]


class TestPadActions:
    def test_drops_what_is_not_used(self):
        env = envs.pad_actions(fakes.CountingEnv(), 5)
        assert env.action_space == spaces.Box(-1, 1, (5,), np.float32)
        env.reset()
        env.step(np.arange(5, dtype=np.float32))
        np.testing.assert_array_equal(env.unwrapped.actions, [[0, 1]])

    def test_refuses_what_does_not_fit(self):
        env = fakes.CountingEnv()
        with pytest.raises(ValueError, match="has 2 action dimensions"):
            envs.pad_actions(env, 1)
        env.action_space = spaces.Discrete(3)
        with pytest.raises(ValueError, match=r"Cannot pad.*Discrete\(3\)"):
            envs.pad_actions(env, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(value):
    env = fakes.CountingEnv()
    assert _run(envs.check_finite(env), 1)[0][1].dtype == np.float32
    reward = TransformReward(env, lambda reward: value)
    with pytest.raises(envs.InterfaceError, match="the reward"):
        _run(envs.check_finite(reward), 1)
    count = {"count": np.array([value])}
    observ = TransformObservation(env, lambda obs: {**obs, **count}, None)
    with pytest.raises(envs.InterfaceError, match="'count'"):
        _run(envs.check_finite(observ), 1)
