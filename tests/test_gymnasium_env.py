"""What is done to Gymnasium's environments on the way."""

import sys

import gymnasium
import numpy as np
import pytest

from planet_tf2 import envs
from planet_tf2.configs import builders, environments, tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.envs import gymnasium_env
from planet_tf2.envs.wrappers import resize


def test_racecar_is_what_the_environment_observes():
    """Although it is drawn only once per decision."""
    plain = gymnasium.make("CarRacing-v3", disable_env_checker=True)
    env = builders.make_env("gym_racecar", action_repeat=3)
    expected, _ = plain.reset(seed=1)
    obs, _ = env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(8):
        np.testing.assert_array_equal(obs["image"], resize(expected, 64))
        action = rng.uniform(-1, 1, 3).astype(np.float32)
        obs, reward, *_ = env.step(action)
        steer, gas, brake = action
        results = [
            plain.step(np.float32([steer, (gas + 1) / 2, (brake + 1) / 2]))
            for _ in range(3)
        ]
        expected = results[-1][0]
        assert reward == pytest.approx(sum(r for _, r, *_ in results), abs=1e-4)
    assert obs["image"].std() > 10
    for one in (plain, env):
        one.close()


def test_discrete_actions_stay_discrete_unless_vectors_are_asked_for():
    kwargs = {"observations": ["state"], "vector_actions": False}
    env = builders.make_env("gym:CartPole-v1", **kwargs)
    assert env.action_space == gymnasium.spaces.Discrete(2)
    assert list(env.reset(seed=0)[0]) == ["state"]
    left = env.step(0)[0]["state"][1]
    env.reset(seed=0)
    right = env.step(1)[0]["state"][1]
    assert left < 0 < right
    # A Box is a vector in [-1, 1] all the same.
    env = builders.make_env("gym:Pendulum-v1", vector_actions=False)
    assert env.action_space == gymnasium.spaces.Box(-1, 1, (1,), np.float32)


@pytest.mark.parametrize(
    "env_id,message",
    [
        ("Nothing-v0", "cannot make 'Nothing-v0'"),
        ("HalfCheetah-v2", "'HalfCheetah-v2': .*mujoco"),
        ("no_such_module:Name-v0", "cannot make.*no_such_module"),
    ],
)
def test_what_cannot_be_made(env_id, message):
    with pytest.raises(ValueError, match=message):
        envs.make_gymnasium(env_id)


def test_one_that_a_module_registers(tmp_path, monkeypatch):
    (tmp_path / "registers_one.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('Own-v0', 'custom_tasks:Tiny',"
        " max_episode_steps=12)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    params = {"isolate_envs": "process", "batch_shape": [5, 6]}
    with environments.open_env("gym:registers_one:Own-v0", params) as env:
        assert env.action_space.shape == (3,)
        env.reset(seed=0)
        ends = [env.step(np.zeros(3, "f4"))[3] for _ in range(12)]
    assert ends == [False] * 11 + [True]


@pytest.mark.parametrize("env_id", ["Kitchen/Stir-v2", "StirTheSoup-v0"])
def test_one_that_an_installed_package_registers(env_id, tmp_path, monkeypatch):
    """It is imported without being named; what does not fit is not."""
    for name, needs, text in (
        ("cookery", "gymnasium>=1", f"gymnasium.register('{env_id}', Own)"),
        ("broken", "gymnasium[all]; extra == 'x'", "1 / 0  # register"),
        ("other", "numpy", "raise SystemExit  # register"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(
            "import gymnasium\nfrom custom_tasks import Tiny as Own\n" + text
        )
        info = tmp_path / f"{name}_kit-1.0.dist-info"
        info.mkdir()
        (info / "top_level.txt").write_text(name)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}-kit\nVersion: 1.0\n"
            f"Requires-Dist: {needs}\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    gymnasium_env.plugins.cache_clear()
    assert {"cookery", "broken"} <= set(gymnasium_env.plugins())
    params = {"batch_shape": [5, 6]}
    with environments.open_env(f"gym:{env_id}", params) as env:
        assert env.reset(seed=0)[0]["image"].shape == (64, 64, 3)
    with pytest.raises(ConfigError, match="Gymnasium cannot make 'Kitchn"):
        environments.probe("gym:Kitchn/Stir-v2", params)
    monkeypatch.undo()
    gymnasium_env.plugins.cache_clear()
    assert "cookery" not in gymnasium_env.plugins()
    with pytest.raises(ValueError, match="Unknown task"):
        tasks.get_task(f"gym:{env_id}")


@pytest.mark.parametrize("env_id", ["CarRacing-v3", "LunarLander-v3"])
def test_without_box2d(env_id, monkeypatch):
    for name in [n for n in sys.modules if "box2d" in n.lower()]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(ValueError, match=r"'planet_tf2\[box2d\]'$"):
        gymnasium_env.make_gymnasium(env_id)
