"""Environments that want to be called in other ways than Gymnasium's."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces, wrappers

from planet_tf2.envs import ClassicGym, InterfaceError, adapt, make_classic_gym
from planet_tf2.envs.gymnasium_env import make_gymnasium


class Base(gymnasium.Env):
    """Draws a random number in `reset`; an episode has four steps."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self):
        self.observation_space = spaces.Box(0, 9, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def start(self):
        self.time = 0
        self.drawn = self.np_random.random()
        return np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.start(), {}

    def step(self, action):
        self.time += 1
        return np.full(1, self.time, "f4"), 1.0, self.time == 4, False, {}


class NoArguments(Base):
    def reset(self):
        return self.start(), {}


class SeedOnly(Base):
    def reset(self, seed=None):
        gymnasium.Env.reset(self, seed=seed)
        return self.start(), {}


class OptionsOnly(Base):
    def reset(self, options):
        return self.start(), {}


class PositionalOnly(SeedOnly):
    def reset(self, seed=None, options=None, /):
        return super().reset(seed)


class DrawsFromNumPy(Base):
    def reset(self):
        self.time, self.drawn = 0, np.random.random()
        return np.zeros(1, np.float32), {}


class HandsOn(SeedOnly):
    """To what takes less than it pretends to take."""

    def reset(self, **kwargs):
        return super().reset(**kwargs)


class SeedMethod(Base):
    def seed(self, number):
        self._np_random = np.random.default_rng(number)

    def reset(self):
        return self.start()


class Old(SeedMethod):
    """As before gym 0.26; begins the next episode itself."""

    def step(self, action):
        obs, reward, done, _, info = super().step(action)
        if done:
            obs = self.reset()  # One value, as it is written here.
            obs = obs + 7
        return obs, reward, done, info

    def render(self, mode="human"):
        return np.zeros((2, 2, 3), "u1") if mode == "rgb_array" else None


class Watched(gymnasium.ObservationWrapper):
    def observation(self, observation):
        return observation


class OldWrapper(gymnasium.Wrapper):
    """Understands only what is old."""

    def reset(self, **kwargs):
        return 2 * self.env.reset(**kwargs)

    def step(self, action):
        obs, reward, done, info = self.env.step(action)
        return obs, 2 * reward, done, info


@pytest.mark.parametrize(
    "kind",
    [NoArguments, SeedOnly, OptionsOnly, PositionalOnly]
    + [DrawsFromNumPy, HandsOn, SeedMethod, Old],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: env,
        lambda env: wrappers.TimeLimit(env, 9),
        lambda env: wrappers.OrderEnforcing(wrappers.PassiveEnvChecker(env)),
        Watched,
    ],
)
@pytest.mark.filterwarnings("ignore")  # Gymnasium complains, rightly.
def test_whatever_is_taken_and_returned(kind, wrap):
    env = adapt(wrap(kind()))
    assert isinstance(env, gymnasium.Env)
    drawn = []
    for seed in (3, 4, 3):
        obs, info = env.reset(seed=seed, options=None)
        assert (obs, info) == (0, {})
        drawn.append(env.unwrapped.drawn)
    assert drawn[0] == drawn[2] != drawn[1]
    env.reset(options=None)
    results = [env.step(1) for _ in range(4)]
    assert [result[2:4] for result in results[2:]] == [(0, 0), (1, 0)]
    assert results[-1][0] == (7 if kind is Old else 4)
    if kind is Old:
        assert env.render_mode == "rgb_array"
        assert env.render().shape == (2, 2, 3)


def test_a_wrapper_with_an_agreement_of_its_own():
    env = adapt(wrappers.TimeLimit(OldWrapper(Old()), 9))
    assert env.reset(seed=1, options=None) == (0, {})
    assert env.step(1)[1:] == (2, False, False, {})


def test_time_limit_of_old_environments():
    env = Old()
    info = {"TimeLimit.truncated": True}
    env.step = lambda action: (np.zeros(1), 0.0, True, info)
    assert adapt(env).step(0)[2:4] == (False, True)


def test_observations_of_two_parts_are_no_info():
    env = SeedMethod()
    env.observation_space = spaces.Tuple([spaces.Discrete(2)] * 2)
    env.reset = lambda: (0, 1)
    assert adapt(env).reset(seed=0) == ((0, 1), {})


class WantsMore(Base):
    def reset(self, level, seed=None):
        return self.start(), {}

    def step(self):
        return None


@pytest.mark.parametrize(
    "kind,method,message",
    [
        (WantsMore, "reset", r"argument: 'level' \(test_calls.py:\d+\)"),
        (WantsMore, "step", r"but 2 were given \(test_calls.py:\d+\)"),
        (gymnasium.Env, "step", r"environment Env has no step\(\)"),
        (Base, "render", r"environment Base has no render\(\)"),
    ],
)
def test_what_cannot_be_called(kind, method, message):
    env = adapt(kind())
    arguments = [1] if method == "step" else []
    with pytest.raises(InterfaceError, match=message):
        getattr(env, method)(*arguments)


def test_mistakes_inside_stay_what_they_are():
    env = Base()
    env.step = lambda action: action + "text"
    with pytest.raises(TypeError, match="unsupported"):
        adapt(env).step(1)


@pytest.mark.parametrize("kind", [NoArguments, Old])
def test_by_gymnasium_id(kind):
    gymnasium.register("Odd-v0", kind, max_episode_steps=3)
    try:
        env = adapt(make_gymnasium("Odd-v0"))  # It takes no render_mode.
        env.reset(seed=1)
        ends = [env.step(1)[2:4] for _ in range(3)]
        assert ends[1:] == [(False, False), (False, True)]
    finally:
        del gymnasium.registry["Odd-v0"]


@pytest.mark.filterwarnings("ignore")
def test_by_classic_id():
    gym = pytest.importorskip("gym", "0.26")
    kind = type("Old", (Old, gym.Env), {})
    gym.register("Odd-v0", entry_point=kind, max_episode_steps=3)
    try:
        env = make_classic_gym("Odd-v0")
        assert isinstance(env, ClassicGym)
        assert env.reset(seed=1) == (0, {})
        ends = [env.step(1)[2:4] for _ in range(3)]
        assert ends[1:] == [(False, False), (False, True)]
        assert env.render().shape == (2, 2, 3)
    finally:
        del gym.envs.registry["Odd-v0"]
