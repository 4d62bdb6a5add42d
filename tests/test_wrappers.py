"""Wrappers, against environments whose numbers are known."""

import fakes
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FilterObservation

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


def test_action_repeat_passes_the_same_action():
    env = envs.ActionRepeat(fakes.CountingEnv(), 2)
    env.reset()
    env.step(np.array([0.25, -0.5], np.float32))
    np.testing.assert_array_equal(env.unwrapped.actions, [[0.25, -0.5]] * 2)


def test_action_repeats_multiply():
    env = envs.ActionRepeat(envs.ActionRepeat(fakes.CountingEnv(20), 2), 6)
    (step,) = _run(env, 1)
    assert step[4]["simulator_steps"] == 6
    assert step[0]["count"] == 6


def test_maximum_duration_truncates():
    env = envs.MaximumDuration(fakes.CountingEnv(length=9), 3)
    flags = [step[2:4] for step in _run(env, 3)]
    assert flags == [(False, False), (False, False), (False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(_ZEROS)
    assert len(_run(env, 3)) == 3


def test_maximum_duration_leaves_an_end_on_the_last_step():
    env = envs.MaximumDuration(fakes.CountingEnv(length=3), 3)
    assert _run(env, 3)[-1][2:4] == (True, False)


def test_step_before_reset():
    for wrapper in (envs.MaximumDuration, envs.MinimumDuration):
        with pytest.raises(gymnasium.error.ResetNeeded):
            wrapper(fakes.CountingEnv(), 3).step(_ZEROS)


def test_minimum_duration_repeats_the_last_observation():
    env = envs.MinimumDuration(fakes.CountingEnv(length=2), 4)
    steps = _run(env, 4)
    assert [float(step[0]["count"][0]) for step in steps] == [1, 2, 2, 2]
    assert [step[1] for step in steps] == [1.0, 2.0, 0.0, 0.0]
    assert [step[2] for step in steps] == [False, False, False, True]
    assert "stretched" not in steps[1][4]
    assert steps[2][4] == {"stretched": True, "simulator_steps": 0}
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(_ZEROS)


def test_minimum_duration_leaves_long_episodes():
    env = envs.MinimumDuration(fakes.CountingEnv(length=4), 2)
    assert [step[2] for step in _run(env, 4)] == [False, False, False, True]


@pytest.mark.parametrize("amount", [0, -1, 2.0, True, "3"])
def test_amounts_are_checked(amount):
    wrappers = (envs.ActionRepeat, envs.MaximumDuration, envs.MinimumDuration)
    for wrapper in wrappers:
        with pytest.raises(ValueError, match=repr(amount)):
            wrapper(fakes.CountingEnv(), amount)


def test_normalize_actions():
    env = envs.NormalizeActions(fakes.CountingEnv(low=-4, high=2))
    assert env.action_space == gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    env.reset()
    env.step(np.array([-1.0, 1.0]))
    env.step(np.array([0.0, 0.5]))
    np.testing.assert_allclose(env.unwrapped.actions, [[-4, 2], [-1, 0.5]])


def test_normalize_actions_leaves_unbounded_dimensions():
    inner = fakes.CountingEnv()
    inner.action_space = gymnasium.spaces.Box(
        np.array([0, -np.inf], "f4"), np.array([10, np.inf], "f4")
    )
    env = envs.NormalizeActions(inner)
    np.testing.assert_array_equal(env.action_space.low, [-1, -np.inf])
    np.testing.assert_array_equal(env.action_space.high, [1, np.inf])
    env.reset()
    env.step(np.array([0.0, 7.0]))
    np.testing.assert_allclose(inner.actions, [[5.0, 7.0]])


def test_pad_actions():
    env = envs.PadActions(fakes.CountingEnv(low=-4, high=2), 5)
    np.testing.assert_array_equal(env.action_space.low, [-4, -4, -1, -1, -1])
    np.testing.assert_array_equal(env.action_space.high, [2, 2, 1, 1, 1])
    env.reset()
    env.step(np.arange(5, dtype=np.float32))
    np.testing.assert_array_equal(env.unwrapped.actions, [[0, 1]])


def test_pad_actions_to_less():
    with pytest.raises(ValueError, match="has 2 action dimensions"):
        envs.PadActions(fakes.CountingEnv(), 1)


def test_discrete_actions_are_refused():
    env = fakes.CountingEnv()
    env.action_space = gymnasium.spaces.Discrete(3)
    with pytest.raises(ValueError, match="continuous"):
        envs.PadActions(env, 4)


def test_convert_to_32_bit():
    env = envs.ConvertTo32Bit(fakes.WideEnv())
    expected = {"float": "float32", "whole": "int32", "image": "uint8"}
    spaces = env.observation_space
    assert {k: s.dtype.name for k, s in spaces.items()} == expected
    assert env.action_space.dtype == np.float32
    obs, _ = env.reset(seed=0)
    assert spaces.contains(obs)
    obs, reward, *_ = env.step(np.zeros(1))
    assert {k: v.dtype.name for k, v in obs.items()} == expected
    assert reward.dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(value):
    env = envs.ConvertTo32Bit(fakes.WideEnv(value=value))
    env.reset()
    with pytest.raises(ValueError, match="'float'"):
        env.step(np.zeros(1))
    env = envs.ConvertTo32Bit(fakes.WideEnv(reward=value))
    env.reset()
    with pytest.raises(ValueError, match="reward"):
        env.step(np.zeros(1))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, np.inf, (1,), np.int64),
        spaces.Box(-np.inf, np.inf, (1,), np.int64),
        spaces.Box(0, 2**32 - 1, (1,), np.uint32),
        spaces.Box(0, 2**64 - 1, (1,), np.uint64),
    ],
)
def test_bounds_of_wide_whole_numbers(space):
    env = fakes.WideEnv()
    env.observation_space = space
    found = envs.ConvertTo32Bit(env).observation_space
    assert found.dtype == np.int32
    assert found.high == 2**31 - 1
    assert found.low == max(int(space.low[0]), -(2**31))


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_whole_numbers_that_do_not_fit(value):
    env = fakes.WideEnv()
    env.observation_space = spaces.Box(-np.inf, np.inf, (1,), np.int64)
    env._observe = lambda _: np.array([value])
    with pytest.raises(envs.InterfaceError, match="more than 32 bits"):
        envs.ConvertTo32Bit(env).reset()
    env._observe = lambda _: np.array([2**31 - 1])
    observation, _ = envs.ConvertTo32Bit(env).reset()
    assert observation.dtype == np.int32 and observation == 2**31 - 1


def test_pixel_observations():
    env = FilterObservation(fakes.CountingEnv(), ["count"])
    env = envs.PixelObservations(envs.ActionRepeat(env, 3), 8)
    assert set(env.observation_space) == {"image", "count"}
    obs, _ = env.reset()
    assert obs["image"].shape == (8, 8, 3)
    obs, *_ = env.step(_ZEROS)
    assert env.observation_space.contains(obs)
    assert (obs["image"] == 3).all()


def test_pixel_observations_of_another_shape_and_name():
    env = envs.PixelObservations(fakes.CountingEnv(), (2, 3), key="view")
    obs, _ = env.reset()
    assert obs["view"].shape == (2, 3, 3)
    with pytest.raises(ValueError, match="'image'"):
        envs.PixelObservations(fakes.CountingEnv())
