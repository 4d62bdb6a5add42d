"""What every environment keeps to, those of the simulator included."""

import contextlib
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from planet_tf2.configs import environments, tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data import episodes
from planet_tf2.envs import Async, EnvError

_REPEAT = 250  # Few decisions, because drawing in software takes long.
_SUITE_TASKS = [
    name for name, task in tasks.TASKS.items() if task.kind == tasks.DM_CONTROL
]


def _suite(name):
    return pytest.param(
        *environments.env_spec(name, {"action_repeat": _REPEAT}),
        "process",
        1000 // _REPEAT,
        id=name,
        marks=pytest.mark.render,
    )


def _other(name, length, marks=(), **kwargs):
    constructor, spec = environments.env_spec(name, {})
    spec = {**spec, **kwargs}
    return pytest.param(
        constructor, spec, "process", length, id=name, marks=marks
    )


_ENVIRONMENTS = [
    *[_suite(name) for name in [*_SUITE_TASKS, "dmc:hopper_hop"]],
    _other("gym_cheetah", 4, pytest.mark.render, action_repeat=_REPEAT),
    _other("gym_racecar", 4, action_repeat=10, max_length=40),
    _other("gym:Pendulum-v1", 4, action_repeat=50),
    _other("atari:pong", 4, action_repeat=50, max_length=200),
    _other("crafter:reward", 12, max_length=12),
    _other("memorymaze:9x9", 4, pytest.mark.render, max_length=4),
    _suite("dmc:quadruped_walk"),
    # The pole falls long before; the rest is stretched.
    _other("gym:CartPole-v1", 40, action_repeat=2, min_length=40),
    pytest.param(
        *environments.env_spec("dummy", {"action_repeat": _REPEAT}),
        "none",
        1000 // _REPEAT,
        id="dummy",
    ),
    pytest.param("fakes:CountingEnv", {"length": 7}, "process", 7, id="fake"),
    pytest.param("fakes:ReportingEnv", {}, "thread", 5, id="fake in a thread"),
]


@contextlib.contextmanager
def _open(constructor, kwargs, strategy):
    render = tasks.get_task(kwargs.get("task", "dummy")).renders
    with Async(constructor, kwargs, strategy, render) as env:
        yield env


@pytest.mark.parametrize("constructor,kwargs,strategy,length", _ENVIRONMENTS)
def test_contract(constructor, kwargs, strategy, length):
    with _open(constructor, kwargs, strategy) as env:
        _check_spaces(env)
        if "task" in kwargs:
            _check_sizes(env, kwargs["task"])
        first = _episode(env, 3)
        assert len(first) == length + 1
        second = _episode(env, 3)
        other = _episode(env, 4)
        _check_step_after_the_end(env)
    assert _same(first, second)
    assert not _same(first, other)
    if "task" in kwargs:
        _check_images(first)
    flags = [(terminated, truncated) for *_, terminated, truncated in first]
    assert not any(flag for pair in flags[:-1] for flag in pair)
    assert sum(flags[-1]) == 1


def _check_spaces(env):
    assert isinstance(env.observation_space, gymnasium.spaces.Dict)
    for name, space in env.observation_space.items():
        assert space.dtype == (np.uint8 if name == "image" else np.float32)
    image = env.observation_space["image"]
    assert len(image.shape) == 3 and image.shape[-1] == 3
    assert env.action_space.dtype == np.float32
    assert len(env.action_space.shape) == 1
    assert np.isfinite(env.action_space.low).all()
    assert np.isfinite(env.action_space.high).all()


def _check_sizes(env, name):
    task = tasks.get_task(name)
    assert env.observation_space["image"].shape == (64, 64, 3)
    if task.action_size is not None:
        assert set(env.observation_space) == {"image", *task.components}
        assert env.action_space.shape == (task.action_size,)
    assert (env.action_space.low == -1).all()
    assert (env.action_space.high == 1).all()


def _episode(env, seed):
    """Returns observation, reward and end flags of reset and every step."""
    space = env.action_space
    rng = np.random.default_rng(seed)
    obs, info = env.reset(seed=seed)
    assert isinstance(info, dict)
    steps = [(obs, 0.0, False, False)]
    while not (steps[-1][-1] or steps[-1][-2]):
        action = rng.uniform(space.low, space.high).astype(np.float32)
        obs, reward, terminated, truncated, info = env.step(action)
        assert isinstance(terminated, bool) and isinstance(truncated, bool)
        assert isinstance(info, dict)
        assert np.ndim(reward) == 0 and np.isfinite(reward)
        steps.append((obs, float(reward), terminated, truncated))
    for obs, *_ in steps:
        assert set(obs) == set(env.observation_space)
        for name, value in obs.items():
            assert env.observation_space[name].contains(value), name
    return steps


def _same(one, two):
    return all(
        a[1:] == b[1:] and all(np.array_equal(a[0][k], b[0][k]) for k in a[0])
        for a, b in zip(one, two, strict=True)
    )


def _check_images(steps):
    images = [obs["image"] for obs, *_ in steps]
    assert min(image.std() for image in images) > 5
    assert len({image.tobytes() for image in images}) > 2


def _check_step_after_the_end(env):
    with pytest.raises(EnvError, match="ResetNeeded"):
        env.step(np.zeros(env.action_space.shape, np.float32))
    env.reset(seed=0)
    env.step(np.zeros(env.action_space.shape, np.float32))


@pytest.mark.slow
@pytest.mark.render
def test_default_cheetah_episode_has_251_steps(tmp_path):
    with environments.open_env("cheetah_run", {}, record_dir=tmp_path) as env:
        (info,) = random_episodes(env, 1, seed=0)
    assert (info["length"], info["simulator_steps"]) == (250, 1000)
    episode = episodes.load_episode(info["path"])
    assert {key: (v.shape, v.dtype.name) for key, v in episode.items()} == {
        "image": ((251, 64, 64, 3), "uint8"),
        "position": ((251, 8), "float32"),
        "velocity": ((251, 9), "float32"),
        "action": ((251, 6), "float32"),
        "reward": ((251,), "float32"),
        "return": ((251,), "float32"),
        "is_first": ((251,), "bool"),
        "terminal": ((251,), "bool"),
    }
    # A time limit is no end.
    assert not episode["terminal"].any()


@pytest.mark.render
def test_cameras():
    """Each shows the scene from another side; -1 is the free camera."""
    for name in ("cheetah_run", "gym_cheetah"):
        images = []
        for camera in (0, -1):
            params = {"camera_id": camera, "action_repeat": _REPEAT}
            with environments.open_env(name, params) as env:
                images.append(env.reset(seed=0)[0]["image"].astype(float))
        assert min(image.std() for image in images) > 5
        assert np.abs(images[0] - images[1]).mean() > 5


@pytest.mark.render
def test_shadows_from_a_smaller_map():
    images = []
    for size in (None, 512, 0):
        params = {"shadow_size": size}
        with environments.open_env("reacher_easy", params) as env:
            images.append(env.reset(seed=0)[0]["image"].astype(float))
    own, smaller, none = images
    assert 0 < np.abs(smaller - own).mean() < 1
    assert np.abs(none - own).mean() > 5


@pytest.mark.parametrize(
    "name,camera,message",
    [
        ("walker_walk", 7, "has only -1, 0, 1"),
        ("gym_cheetah", 1, "has only -1, 0"),
        ("gym:Reacher-v5", 1, "has only -1, 0"),
        ("gym:Pendulum-v1", -1, "has only 0"),
        ("classic_gym:Pendulum-v1", 1, "has only 0"),
    ],
)
def test_cameras_that_do_not_exist(name, camera, message):
    with pytest.raises(ConfigError) as caught:
        environments.probe(name, {"camera_id": camera})
    assert message in str(caught.value)
    start = f"Task {name!r}: camera_id is {camera}, but"
    assert str(caught.value).startswith(start)


_PHYSICS = """
from planet_tf2.envs.dm_control_env import make_suite

env = make_suite("lqr", "lqr_2_1")
print(env.dm_env.physics.model.jnt_stiffness.tolist())
print(env.reset()[0]["position"].tolist())
print(env.reset(seed=1)[0]["position"].tolist())
"""


def test_physics_drawn_at_loading_are_the_same_in_every_process():
    """And only they, unless there is a seed."""
    (physics, first, seeded), (again, second, seeded_again) = (
        subprocess.run(
            [sys.executable, "-c", _PHYSICS],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for _ in range(2)
    )
    assert physics == again and seeded == seeded_again
    assert first != second
