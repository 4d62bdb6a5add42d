"""Atari, Crafter and Memory Maze, with the real packages."""

import sys

import ale_py
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2.configs import builders, environments, tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.data.episodes import load_episode
from planet_tf2.envs import ActionRepeat, CheckedInterface
from planet_tf2.envs.suites.atari import Atari, resize_area
from planet_tf2.envs.suites.crafter import Crafter

_FIRE = 1


def _atari(repeat=4, **kwargs):
    game = Atari("breakout", sticky=False, actions="needed", **kwargs)
    return ActionRepeat(CheckedInterface(game), repeat), game


def _shadow(seed):
    """Another emulator in the same state."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.setInt("random_seed", seed)
    ale.loadROM(ale_py.roms.get_rom_path("breakout"))
    return ale


@pytest.mark.parametrize("lives", ["unused", "discount", "reset"])
def test_image_is_the_maximum_of_the_last_two_frames(lives):
    """Defect 20: also where a life, or the episode, ends early."""
    env, game = _atari(lives=lives)
    env.reset(seed=0)
    ale = _shadow(0)
    frames = [ale.getScreenRGB()] * 2
    cut, over = 0, False
    while not over:
        *_, terminated, _, info = env.step(_FIRE)
        over = terminated
        for _ in range(info["simulator_steps"]):
            before = ale.lives()
            ale.act(ale.getMinimalActionSet()[_FIRE])
            frames.append(ale.getScreenRGB())
        lost = ale.lives() < before
        assert info.get("terminal", False) == (lost and lives == "discount")
        expected = resize_area(np.maximum(*frames[-2:]), 64)
        np.testing.assert_array_equal(env.render(), expected)
        cut += info["simulator_steps"] < 4
        assert over == ale.game_over() or (lives == "reset" and lost)
    assert cut >= (lives != "unused")
    assert ale.lives() == (4 if lives == "reset" else 0)


def test_a_life_is_a_terminal_step_inside_of_an_episode(tmp_path):
    settings = {"lives": "discount", "sticky": False, "actions": "needed"}
    env = builders.make_env(
        "atari:breakout",
        settings=settings,
        vector_actions=False,
        record_dir=tmp_path,
    )
    env.reset(seed=0)
    over = False
    while not over:
        *_, over, _, info = env.step(_FIRE)
    episode = load_episode(info["episode"]["path"])
    assert episode["terminal"].sum() == 5 and episode["terminal"][-1]
    assert episode["action"].dtype.kind == "i"


def test_settings_of_atari():
    grey, _ = _atari(grayscale=True)
    colour, _ = _atari()
    grey.reset(seed=0), colour.reset(seed=0)
    weights = [0.299, 0.587, 0.114]
    expected = colour.render() @ np.array(weights)
    assert np.abs(grey.render() - expected).max() <= 1
    nearest = Atari("breakout", resize="pillow", image_size=32)
    nearest.reset(seed=0)
    assert nearest.render().shape == (32, 32, 3)
    linear = Atari("breakout", resize="bilinear", image_size=96)
    linear.reset(seed=0)
    expected = resize_area(linear._frames.max(0), 96)
    difference = np.abs(linear.render() - expected.astype("f4"))
    assert 0 < difference.mean() < 8  # A wider filter, at the same place.
    assert Atari("pong").action_space == spaces.Discrete(18)
    assert Atari("pong", actions="needed").action_space == spaces.Discrete(6)


@pytest.mark.parametrize("is_end", [False, True])
def test_limit_that_counts_as_an_end(monkeypatch, is_end):
    monkeypatch.setattr("planet_tf2.envs.suites.atari.LIMIT", 8)
    env, _ = _atari(limit_is_end=is_end)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(0)[2] for _ in range(2)] == [False, is_end]


def test_no_ops_and_sticky_actions_follow_from_the_seed():
    def play(seed, **kwargs):
        game = Atari("pong", **kwargs)
        game.reset(seed=seed)
        frames = [game.render()]
        for number in range(100):
            game.step(3 + number // 5 % 2)
        return *frames, game.render()

    def differ(**kwargs):
        found = [play(seed, **kwargs) for seed in (1, 1, 2)]
        assert all((a == b).all() for a, b in zip(*found[:2], strict=True))
        return [(a != b).any() for a, b in zip(found[0], found[2], strict=True)]

    assert differ(sticky=False) == [False, False]
    assert differ(sticky=True) == [False, True]
    assert differ(sticky=False, noops=30)[1]


def test_area_resize():
    image = np.array([0, 10, 20, 30, 40], np.uint8)[None, :, None]
    image = np.repeat(image, 5, 0)
    # A pixel covers two and a half.
    expected = [(0 + 10 + 20 / 2) / 2.5, (20 / 2 + 30 + 40) / 2.5]
    np.testing.assert_array_equal(resize_area(image, 2)[0, :, 0], expected)


def test_own_limits():
    """Defect 7: 10,000 steps of Crafter, 1,000 to 4,000 of Memory Maze."""
    limits = {
        "atari:pong": 108_000,
        "crafter:noreward": 10_000,
        "memorymaze:9x9": 1000,
        "memorymaze:15x15": 4000,
        "minecraft:diamond": 36_000,
    }
    found = {name: tasks.get_task(name).max_length for name in limits}
    assert found == limits
    _, kwargs = environments.env_spec("crafter:reward", {"time_limit": None})
    assert "max_length" not in kwargs
    params = {"time_limit": 12}
    with environments.open_env("crafter:reward", params) as env:
        env.reset(seed=0)
        ends = [env.step(np.zeros(17, "f4"))[3] for _ in range(12)]
    assert ends == [False] * 11 + [True]


@pytest.mark.render
def test_memory_maze_repeats_actions():
    """Defect 7: and does not only count them."""
    params = {"action_repeat": 3, "time_limit": 7}
    with environments.open_env("memorymaze:9x9", params) as env:
        env.reset(seed=0)
        steps = [env.step(np.eye(6, dtype="f4")[1]) for _ in range(2)]
    assert [info["simulator_steps"] for *_, info in steps] == [3, 3]
    assert [truncated for *_, truncated, _ in steps] == [False, True]


def test_crafter_repeats_itself_and_counts():
    """Whatever the addresses in memory of its creatures are."""

    def play(env, clutter):
        env.reset(seed=5)
        rng, steps, kept = np.random.default_rng(0), [], []
        while len(steps) < 600 and not (steps and steps[-1][2]):
            steps.append(env.step(rng.integers(17)))
            kept.append(bytearray(clutter * len(steps) % 997))
        return steps

    first, second = (play(Crafter(), clutter) for clutter in (1, 12345))
    for one, other in zip(first, second, strict=True):
        assert one[1:] == other[1:]
        assert all((one[0][k] == other[0][k]).all() for k in one[0])
    sums = {
        k: sum(float(s[0][k][0]) for s in first)
        for k in first[0][0]
        if k != "image"
    }
    total = sum(reward for _, reward, *_ in first)
    assert sums.pop("log_reward") == pytest.approx(total, abs=1e-4)
    reached = sum(value > 0 for value in sums.values())
    health = total - reached
    assert reached >= 1 and -0.9 - 1e-6 <= health <= 1e-6
    assert all(value == int(value) for value in sums.values())


def test_crafter_without_rewards():
    env = Crafter(reward=False)
    env.reset(seed=0)
    steps = [env.step(action) for action in range(17) for _ in range(20)]
    assert {reward for _, reward, *_ in steps} == {0.0}
    assert any(obs["log_reward"][0] for obs, *_ in steps)


def test_log_observations_are_summed_over_repeats():
    params = {"settings": None, "action_repeat": 30, "vector_actions": False}
    env = builders.make_env("crafter:reward", **params)
    plain = Crafter()
    env.reset(seed=0), plain.reset(seed=0)
    for action in (1, 5, 0, 6):
        obs, reward, *_ = env.step(action)
        each = [plain.step(action)[0]["log_reward"][0] for _ in range(30)]
        assert obs["log_reward"][0] == pytest.approx(sum(each), abs=1e-5)
        assert reward == pytest.approx(sum(each), abs=1e-5)


@pytest.mark.parametrize(
    "task,package,extra",
    [
        ("atari:pong", "ale_py", "atari"),
        ("crafter:reward", "crafter", "crafter"),
        ("memorymaze:9x9", "memory_maze", "memorymaze"),
    ],
)
def test_package_that_is_missing(task, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError) as caught:
        builders.make_env(task)
    assert str(caught.value).endswith(f": pip install -e '.[{extra}]'")


@pytest.mark.parametrize(
    "task,message",
    [
        ("crafter:rewad", "Did you mean 'reward'"),
        ("memorymaze:10x10", "9x9, 11x11, 13x13, 15x15"),
        ("atari:png", "Did you mean 'pong'"),
        ("atari:pong?lives=two", "lives is 'two'"),
        ("atari:pong?stickey=false", "Did you mean 'sticky'"),
        ("atari:pong?noops=-1", "noops is -1"),
    ],
)
def test_mistakes(task, message):
    with pytest.raises(
        (ConfigError, ValueError), match=message.replace("?", ".")
    ):
        environments.probe(task, {"isolate_envs": "none"})


def test_parameters_reach_suites_and_arguments_win():
    params = {"grayscale": True, "atari": {"noops": 5, "lives": None}}
    _, kwargs = environments.env_spec("atari:pong", params)
    assert kwargs["settings"] == {"grayscale": True, "noops": 5}
    _, kwargs = environments.env_spec("cheetah_run", params)
    assert "settings" not in kwargs
    settings = {"actions": "all", "break_speed": 3, "grayscale": True}
    env = builders.make_env(
        "atari:pong?actions=needed", settings=settings, vector_actions=False
    )
    assert env.action_space == spaces.Discrete(6)
    obs, _ = env.reset(seed=0)
    assert np.ptp(obs["image"], -1).max() == 0


def test_action_repeat_ends_at_terminal_steps():
    env, _ = _atari(repeat=1000, lives="discount")
    env.reset(seed=0)
    info = env.step(_FIRE)[-1]
    assert info["terminal"] and info["simulator_steps"] < 1000


class Blind(gymnasium.Env):
    """Cannot be seen, and observes numbers of several shapes."""

    def __init__(self):
        self.observation_space = spaces.Dict(
            {
                "number": spaces.Box(-1, 1, (), np.float64),
                "table": spaces.Box(-1, 1, (2, 3), np.float32),
                "large": spaces.Box(-1, 1, (2000,), np.float32),
                "analog_x": spaces.Box(-1, 1, (1,), np.float32),
            }
        )
        self.action_space = spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action):
        return self._observe(), 1.0, False, False, {}

    def _observe(self):
        parts = self.observation_space.spaces.items()
        return {name: np.ones(s.shape, s.dtype) for name, s in parts}


def test_without_images(tmp_path):
    """Defect 10: no image is needed, and numbers may have any shape."""
    params = {
        "draw_images": False,
        "all_observations": True,
        "time_limit": 3,
        "isolate_envs": "none",
    }
    observed, action = environments.task_spaces(
        "test_suites:Blind", params, vector_actions=False
    )
    shapes = {name: space.shape for name, space in observed.items()}
    expected = {"analog_x": (1,), "large": (2000,), "number": (1,)}
    assert shapes == {**expected, "table": (2, 3)}
    assert action == spaces.MultiDiscrete([2, 3])
    extra = {"vector_actions": False, "record_dir": tmp_path}
    with environments.open_env("test_suites:Blind", params, **extra) as env:
        env.reset(seed=0)
        *_, info = [env.step(np.array([1, 2])) for _ in range(3)][-1]
    episode = load_episode(info["episode"]["path"])
    found = {name: episode[name].shape[1:] for name in shapes}
    assert found == shapes and episode["action"].tolist()[1:] == [[1, 2]] * 3
    with pytest.raises(ConfigError, match="cannot be seen"):
        environments.probe("test_suites:Blind", {"isolate_envs": "none"})


def test_nothing_is_drawn_where_no_image_is_wanted():
    task = "dmc:walker_walk"
    params = {"image_size": 64, "draw_images": False}
    assert environments.draws(task, params) is False
    assert environments.draws(task, {}) is True
    wanted = ["image"]
    assert environments.draws(task, params, observations=wanted) is True
    assert (
        environments.draws("walker_walk", {}, observations=["height"]) is False
    )
    observed, _ = environments.task_spaces("walker_walk", params, False)
    shapes = {name: space.shape for name, space in observed.items()}
    assert shapes == {"height": (1,), "orientations": (14,), "velocity": (9,)}
    with pytest.raises(ConfigError, match="nothing but images"):
        environments.probe("dummy", {**params, "isolate_envs": "none"})


def test_cameras_of_the_suite():
    """Without one in the parameters, that of the task is taken."""
    chosen = {name: tasks.get_task(name).camera for name in tasks.TASKS}
    assert set(chosen.values()) == {0}
    assert tasks.get_task("dmc:quadruped_walk").camera == 2
