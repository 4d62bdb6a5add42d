"""Environments of classic gym: both of its interfaces, and the real one."""

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2.configs import builders, environments
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data import episodes
from planet_tf2.envs import ClassicGym, make_classic_gym


def _space(kind, **attributes):
    """Looks like a space of gym, which need not be installed for it."""
    return type(kind, (), attributes)()


class Old:
    """As environments were before gym 0.26."""

    def __init__(self):
        self.observation_space = _space(
            "Box",
            low=np.float32([-1, -1]),
            high=np.float32([1, 1]),
            shape=(2,),
            dtype=np.dtype("f4"),
        )
        self.action_space = _space("Discrete", n=2)
        self.seeds = []
        self.actions = []
        self.closed = 0

    def seed(self, seed):
        self.seeds.append(seed)

    def reset(self):
        self._time = 0
        return np.zeros(2, np.float32)

    def step(self, action):
        self._time += 1
        self.actions.append(action)
        obs = np.full(2, self._time / 9, np.float32)
        return obs, 0.5, self._time == 3, {}

    def render(self, mode="human"):
        assert mode == "rgb_array"
        return np.full((4, 6, 3), 10 * self._time, np.uint8)

    def close(self):
        self.closed += 1


class New(Old):
    """As they are in gym 0.26."""

    render_mode = "rgb_array"

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.seeds.append(seed)
        return super().reset(), {"new": True}

    def step(self, action):
        obs, reward, done, info = super().step(action)
        return obs, reward, done, False, info

    def render(self):
        return super().render("rgb_array")


def old():
    return Old()


@pytest.mark.parametrize("kind", [Old, New])
class TestBothInterfaces:
    def test_episode(self, kind):
        inner = kind()
        env = ClassicGym(inner)
        assert isinstance(env, gymnasium.Env)
        obs, info = env.reset(seed=5)
        assert inner.seeds == [5]
        assert info == ({} if kind is Old else {"new": True})
        np.testing.assert_array_equal(obs, [0, 0])
        env.reset()
        assert inner.seeds == [5]
        ends = [env.step(1)[2:4] for _ in range(3)]
        assert ends == [(False, False), (False, False), (True, False)]
        assert (env.render() == 30).all()
        env.close()
        assert inner.closed == 1

    def test_actions_are_wide(self, kind):
        """With NumPy 2, float32 breaks environments of before it."""
        inner = kind()
        env = ClassicGym(inner)
        env.reset()
        env.step(np.float32([0.5]))
        env.step(1)
        assert inner.actions[0].dtype == np.float64
        assert inner.actions[1] == 1

    def test_unless_the_environment_insists(self, kind):
        """As many do with `assert self.action_space.contains(action)`."""

        class Strict(kind):
            def step(self, action):
                assert action.dtype == np.float32
                return super().step(action)

        inner = Strict()
        env = ClassicGym(inner)
        env.reset()
        for _ in range(2):
            env.step(np.float32([0.5]))
        assert [a.dtype for a in inner.actions] == [np.float32, np.float32]


def test_other_spaces():
    inner = Old()
    parts = {
        "a": _space("Discrete", n=3, start=2),
        "b": _space("MultiDiscrete", nvec=np.array([2, 3])),
        "c": _space("MultiBinary", n=4),
        "d": _space("Tuple", spaces=[spaces.Discrete(7)]),
    }
    inner.action_space = _space("Dict", spaces=parts)
    assert ClassicGym(inner).action_space == spaces.Dict(
        a=spaces.Discrete(3, start=2),
        b=spaces.MultiDiscrete([2, 3]),
        c=spaces.MultiBinary(4),
        d=spaces.Tuple([spaces.Discrete(7)]),
    )
    inner.action_space = _space("Graph")
    with pytest.raises(ValueError, match="no counterpart"):
        ClassicGym(inner)


def test_function_that_returns_an_old_environment(tmp_path):
    kwargs = {"task": f"{__name__}:old", "image_size": 8, "min_length": 5}
    env = builders.make_env(**kwargs, record_dir=tmp_path)
    (info,) = random_episodes(env, 1, 0)
    episode = episodes.load_episode(info["path"])
    np.testing.assert_array_equal(
        episode["image"][:, 0, 0, 0], [0, 10, 20, 30, 30, 30]
    )
    np.testing.assert_allclose(episode["reward"], [0, 0.5, 0.5, 0.5, 0, 0])
    assert episode["action"].shape == (6, 2)


def test_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "gym", None)
    with pytest.raises(ValueError, match=r"pip install -e '.\[gym\]'"):
        make_classic_gym("Pendulum-v1")


@pytest.mark.parametrize("name,size", [("Pendulum-v1", 1), ("CartPole-v1", 2)])
def test_is_the_same_as_gymnasium(name, size, tmp_path):
    """These two have not changed since, but for where they are."""
    pytest.importorskip("gym", "0.26")
    found = []
    params = {"action_repeat": 2, "batch_shape": [5, 10]}
    for family in ("classic_gym", "gym"):
        with environments.open_env(
            f"{family}:{name}", params, record_dir=tmp_path
        ) as env:
            assert env.action_space.shape == (size,)
            (info,) = random_episodes(env, 1, seed=3)
        found.append(episodes.load_episode(info["path"]))
    classic, ours = found
    assert set(classic) == set(ours)
    for key in ("state", "action", "reward"):
        np.testing.assert_allclose(classic[key], ours[key], atol=1e-3)
    difference = classic["image"] - ours["image"].astype(float)
    assert np.abs(difference).mean() < 0.1
    assert len(np.unique(ours["image"], axis=0)) > 3
