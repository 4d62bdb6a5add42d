"""Environments of dm_env: dm_control's own, and those of others."""

import dm_env
import numpy as np
import pytest
from dm_env import specs
from gymnasium import spaces

from planet_tf2 import envs
from planet_tf2.configs import environments
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.envs.interface import as_space

_PICTURE = specs.BoundedArray((6, 5, 3), np.uint8, 0, 255)


class Corridor(dm_env.Environment):
    """Walk to the right; the end is at 3, the time is over after 5 steps."""

    def __init__(self, observation=None, action=None, image=True):
        self.observation = observation or {
            **({"pixels": _PICTURE} if image else {}),
            "place": specs.Array((), np.float64),
            "door": specs.DiscreteArray(4),
            "text": specs.StringArray(()),
        }
        self.action = action or specs.DiscreteArray(2)
        self.seeds, self.actions = [], []

    def seed(self, seed):
        self.seeds.append(seed)

    def observation_spec(self):
        return self.observation

    def action_spec(self):
        return self.action

    def reset(self):
        self.place = self.time = 0
        return dm_env.restart(self._observe())

    def step(self, action):
        self.action.validate(action)
        self.actions.append(action)
        self.time += 1
        self.place = min(3, self.place + int(np.sum(action)))
        if self.place >= 3:
            return dm_env.termination(1.0, self._observe())
        if self.time == 5:
            return dm_env.truncation(0.5, self._observe(), 0.9)
        return dm_env.transition(0.0, self._observe())

    def _observe(self):
        if not isinstance(self.observation, dict):
            return np.full(self.observation.shape, self.place, "u1")
        seen = {
            "place": float(self.place),
            "door": self.place,
            "text": "corridor",
            "pixels": np.full((6, 5, 3), 10 * self.place, np.uint8),
        }
        return {name: seen[name] for name in self.observation}


def corridor():
    return Corridor()


def blind():
    return Corridor(image=False)


def bare():
    return Corridor(_PICTURE)


def suite_task(camera_id=0):
    """The suite's own object, as users load it."""
    return envs.load_suite("cartpole", "balance")


def rendering_itself():
    from dm_control.suite.wrappers import pixels

    kwargs = {"height": 48, "width": 80, "camera_id": 1}
    return pixels.Wrapper(suite_task(), render_kwargs=kwargs)


def half_finished():
    env = Corridor()
    env.reset = lambda: {"place": 0}
    return env


def two_players():
    return Corridor(action=[specs.DiscreteArray(2)] * 2)


def forgets():
    env = Corridor()
    env.reset = lambda: dm_env.restart({"place": 0})
    return env


def restarts():
    env = Corridor()
    env.step = lambda action: env.reset()
    return env


def _open(function, **params):
    params = {"isolate_envs": "none", "vector_actions": False, **params}
    return environments.open_env(f"test_dm_env:{function}", params)


@pytest.mark.parametrize("function", ["corridor", "bare"])
def test_an_end_and_a_time_limit(function):
    with _open(function) as env:
        assert env.action_space == spaces.Discrete(2)
        assert env.observation_space["image"].shape == (64, 64, 3)
        assert (env.reset(seed=1)[0]["image"] == 0).all()
        for _ in range(3):
            obs, *end = env.step(1)[:4]
        assert end == [1, True, False]
        with pytest.raises(envs.EnvError, match="ResetNeeded"):
            env.step(1)
        env.reset(seed=2)
        ends = [env.step(0)[2:4] for _ in range(5)]
        assert ends == [(False, False)] * 4 + [(False, True)]
        if function == "corridor":
            assert set(obs) == {"image", "place", "door"}
            assert (obs["image"] == 30).all() and obs["place"] == [3]
            np.testing.assert_array_equal(obs["door"], [0, 0, 0, 1])


@pytest.mark.parametrize(
    "action,given",
    [
        (specs.DiscreteArray(2, np.int64), 1),
        (specs.BoundedArray((2,), np.float64, -0.1, 0.1), [0.1, -0.1]),
        (specs.BoundedArray((2,), np.float32, [0, -1], [1, 0]), [1, 0]),
        (specs.Array((1,), np.float64), [0.5]),
        (specs.BoundedArray((3,), np.int32, 0, 7), [0, 7, 3]),
    ],
)
def test_actions_are_what_the_spec_says(action, given):
    """Also where float32 rounds beyond the bounds: `Corridor` validates."""
    inner = Corridor(action=action)
    env = envs.CheckedInterface(envs.DmEnv(inner))
    given = np.asarray(given, env.action_space.dtype)[()]
    assert env.action_space.contains(given)
    env.reset(seed=2**40 + 7)
    env.step(given)
    np.testing.assert_allclose(inner.actions[0], given)
    assert inner.seeds == [7]


@pytest.mark.parametrize(
    "function,words",
    [
        ("blind", "cannot be seen.*, and Corridor has no dm_control physics"),
        ("two_players", "several agents: hand in one"),
        ("forgets", "returned dict as the observation, which lacks"),
        ("half_finished", r"reset\(\) returned .*dict.*dm_env.TimeStep"),
        ("restarts", r"step\(\) returned .*FIRST.*alone"),
    ],
)
def test_what_does_not_fit(function, words):
    with pytest.raises(ConfigError, match=words) as caught:
        environments.probe(f"test_dm_env:{function}", {"isolate_envs": "none"})
    assert f"Task 'test_dm_env:{function}'" in str(caught.value)


@pytest.mark.render
@pytest.mark.parametrize(
    "task,camera",
    [
        ("test_dm_env:rendering_itself", 0),
        ("dmc:manipulation_reach_site_features", 0),
        (
            "dm_control.suite:load?domain_name=cartpole&task_name=balance"
            "&visualize_reward=true",
            0,
        ),
    ],
)
def test_images_come_from_the_physics(task, camera):
    """Also where every episode has another model, as those of composer."""
    params = {"action_repeat": 100, "camera_id": camera}
    with environments.open_env(task, params) as env:
        episodes = []
        for _ in range(2):
            frames = [env.reset(seed=5)[0]["image"]]
            zeros = np.zeros(env.action_space.shape, np.float32)
            frames.append(env.step(zeros)[0]["image"])
            episodes.append(frames)
    assert min(np.std(frame) for frame in episodes[0]) > 5
    np.testing.assert_array_equal(*episodes)


@pytest.mark.render
def test_the_suite_by_either_way_is_the_same():
    seen = []
    for task in ("test_dm_env:suite_task", "dmc:cartpole_balance"):
        with environments.open_env(task, {"action_repeat": 8}) as env:
            obs, _ = env.reset(seed=3)
            seen.append([obs, *env.step(np.ones(1, np.float32))[:2]])
    for one, other in zip(*seen, strict=True):
        assert str(one) == str(other)


def test_cameras_that_there_are_not():
    params = {"isolate_envs": "none", "camera_id": 5}
    for name, found in (("suite_task", "-1, 0, 1"), ("corridor", "0")):
        with pytest.raises(ConfigError, match=f"has only {found}"):
            environments.probe(f"test_dm_env:{name}", params)


def test_specs():
    parts = {
        "any": (
            specs.Array((2,), np.float64),
            spaces.Box(-np.inf, np.inf, (2,)),
        ),
        "bytes": (specs.Array((2,), "u1"), spaces.Box(0, 255, (2,), np.uint8)),
        "flag": (specs.Array((1,), bool), spaces.Box(0, 1, (1,), bool)),
        "list": ([specs.DiscreteArray(3)], spaces.Tuple([spaces.Discrete(3)])),
        "bounds": (
            specs.BoundedArray((2,), np.float32, -1, [1, 2]),
            spaces.Box(np.float32([-1, -1]), np.float32([1, 2])),
        ),
    }
    found = as_space({"all": {name: spec for name, (spec, _) in parts.items()}})
    expected = {name: space for name, (_, space) in parts.items()}
    assert found == spaces.Dict(all=spaces.Dict(expected))
    for thing in (None, "Box", specs.StringArray, np.zeros(3)):
        with pytest.raises(ValueError, match="no counterpart"):
            as_space(thing)
