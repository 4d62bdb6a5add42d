"""Other people's environments as ours: checks, actions, observations."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2 import envs
from planet_tf2.envs.wrappers import resize

_IMAGE = spaces.Box(0, 255, (6, 8, 3), np.uint8)


class Scripted(gymnasium.Env):
    """Returns what it is told to, and keeps the actions that it gets."""

    def __init__(
        self,
        observation=0.0,
        observation_space=None,
        action_space=None,
        result=None,
        frame=None,
        render_mode=None,
    ):
        self.observation_space = observation_space or spaces.Box(-1, 1, ())
        self.action_space = action_space or spaces.Box(-1, 1, (2,))
        self.render_mode = render_mode
        self.observation = observation
        self.result = result
        self.frame = frame
        self.actions = []

    def reset(self, *, seed=None, options=None):
        return self.observation, {}

    def step(self, action):
        self.actions.append(action)
        if self.result is not None:
            return self.result
        return self.observation, 1.0, False, False, {}

    def render(self):
        return self.frame


class TestVectorActions:
    def taken(self, space, *vectors):
        env = envs.vector_actions(Scripted(action_space=space))
        assert isinstance(env.action_space, spaces.Box)
        assert env.action_space.dtype == np.float32
        for vector in vectors:
            env.step(np.array(vector, np.float32))
        for action in env.unwrapped.actions:
            assert space.contains(action), action
        return env.action_space, env.unwrapped.actions

    def test_discrete(self):
        space = spaces.Discrete(3, start=5)
        box, actions = self.taken(
            space, [1, 0, 0], [0, 1, 0], [0, 0, 1], [-0.9, -0.5, -0.6]
        )
        assert box == spaces.Box(-1, 1, (3,), np.float32)
        assert actions == [5, 6, 7, 6]

    def test_several_discrete_in_a_table(self):
        space = spaces.MultiDiscrete(
            np.array([[2, 3], [1, 2]]), start=np.array([[0, 10], [0, 20]])
        )
        box, actions = self.taken(space, [1, 0, 0, 1, 0, 1, 0, 1])
        assert box.shape == (8,)
        np.testing.assert_array_equal(actions, [[[0, 11], [0, 21]]])

    def test_on_or_off(self):
        box, actions = self.taken(
            spaces.MultiBinary((2, 2)), [-1, 0.1, 0.9, -0.1]
        )
        assert box.shape == (4,)
        np.testing.assert_array_equal(actions, [[[0, 1], [1, 0]]])

    def test_box_of_any_shape_and_bounds(self):
        space = spaces.Box(-2, 3, (2, 2), np.float64)
        box, actions = self.taken(space, [-1, 1, -0.6, 0])
        assert box == spaces.Box(-1, 1, (4,), np.float32)
        np.testing.assert_allclose(actions, [[[-2, 3], [-1, 0.5]]], atol=1e-6)

    def test_whole_numbers(self):
        _, actions = self.taken(
            spaces.Box(0, 4, (2,), np.int64), [-0.3, 0.8], [-1, 1]
        )
        np.testing.assert_array_equal(actions, [[1, 4], [0, 4]])

    def test_bounds_that_are_missing(self):
        low = np.array([-np.inf, 0, -1e10, -np.inf], "f4")
        high = np.array([np.inf, np.inf, 1e10, -3], "f4")
        _, actions = self.taken(spaces.Box(low, high), [-1] * 4, [1] * 4)
        np.testing.assert_array_equal(actions, [[-1, 0, -1, -5], [1, 2, 1, -3]])

    @pytest.mark.parametrize(
        "space",
        [
            spaces.Dict({"a": spaces.Discrete(2)}),
            spaces.Tuple([spaces.Discrete(2)]),
            spaces.Text(3),
            spaces.Box(-1, 1, (0,)),
        ],
    )
    def test_what_is_no_vector(self, space):
        with pytest.raises(ValueError, match="action space"):
            envs.vector_actions(Scripted(action_space=space))


class TestChecks:
    def step(self, result, space=None):
        env = envs.CheckedInterface(
            Scripted(result=result, observation_space=space)
        )
        return env.step(np.zeros(2))

    def test_converts_widths(self):
        obs, reward, terminated, truncated, info = self.step(
            (0.5, np.float64(2), np.bool_(True), 0, {"a": object()})
        )
        assert obs["state"].dtype == np.float32 and obs["state"] == [0.5]
        assert (reward, terminated, truncated, info) == (2, True, False, {})
        assert type(reward) is float and type(terminated) is bool
        info = {"simulator_steps": np.int64(4), "b": 1}
        *_, reward, _, _, info = self.step((3, [[7]], False, False, info))
        assert (reward, info) == (7, {"simulator_steps": 4})

    @pytest.mark.parametrize(
        "result,message",
        [
            ((0.0, 1.0, False, {}), "step.. returned a tuple of 4"),
            (None, r"step\(\) returned NoneType"),
            (([0.0, 1.0], 1.0, False, False, {}), "hand in one environment"),
            (([0.0], 1.0, False, False, {}), r"float64 \[1\] as the obs"),
            (("x", 1.0, False, False, {}), r"<U1 \[\] as the observation"),
            ((None, 1.0, False, False, {}), "returned NoneType as the obs"),
            (([0.0, [1]], 1.0, False, False, {}), "returned list as the obs"),
            ((0.0, [1, 2], False, False, {}), r"reward \[1, 2\]"),
            ((0.0, [1, [2]], False, False, {}), r"reward \[1, \[2\]\]"),
            (
                (0.0, 1.0, False, False, {"simulator_steps": 2.5}),
                r"2.5 as info\['simulator_steps'\].*an integer",
            ),
            ((0.0, 1.0, None, False, {}), "terminated None"),
            ((0.0, 1.0, False, False, None), "NoneType as info"),
            (
                (0.0, 1.0, False, False, {"simulator_steps": 0}),
                r"0 as info\['simulator_steps'\].*at least 1",
            ),
        ],
    )
    def test_wrong_step(self, result, message):
        # `Scripted` takes None for no result of its own.
        env = envs.CheckedInterface(Scripted())
        env.unwrapped.step = lambda action: result
        with pytest.raises(ValueError, match=message):
            env.step(np.zeros(2))

    def test_wrong_reset(self):
        env = envs.CheckedInterface(Scripted())
        env.unwrapped.reset = lambda **kwargs: np.zeros(3)
        with pytest.raises(ValueError, match=r"reset\(\) returned ndarray"):
            env.reset()

    @pytest.mark.parametrize(
        "observation,message",
        [
            ({"image": np.zeros((6, 8, 3), "u1")}, "the entries image"),
            (np.zeros(3), "returned ndarray as the observation"),
            (
                {"image": np.zeros((6, 8, 3), "i8"), "key": 1},
                "int64 .* as the observation 'image', but its space is",
            ),
            (
                {"image": np.zeros((6, 8, 3), "u1"), "key": 4},
                "4 as the observation 'key', but its space is",
            ),
        ],
    )
    def test_wrong_dict(self, observation, message):
        space = spaces.Dict({"image": _IMAGE, "key": spaces.Discrete(3)})
        with pytest.raises(ValueError, match=message):
            self.step((observation, 0.0, False, False, {}), space)


def test_names_of_a_dict():
    space = spaces.Dict(
        {
            "image": _IMAGE,
            "speed": spaces.Box(-1, 1, ()),
            "gear": spaces.Discrete(2),
            "others": spaces.Sequence(spaces.Discrete(2)),
        }
    )
    observation = {**space.sample(), "gear": np.int64(1)}
    env = envs.CheckedInterface(Scripted(observation, space))
    found, _ = env.reset()
    assert env.observation_space.contains(found)
    assert set(found) == {"image", "speed", "gear"}
    np.testing.assert_array_equal(found["image"], observation["image"])
    assert found["speed"].shape == (1,)
    np.testing.assert_array_equal(found["gear"], [0, 1])


class TestImages:
    def test_resize_shows_all_of_it_the_right_way_up(self):
        """The quarters of a large picture have their places in the small."""
        colors = np.array(
            [[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [90, 90, 90]]], "u1"
        )
        large = colors.repeat(100, 0).repeat(150, 1)  # [200, 300, 3]
        small = resize(large, 64)
        for row in (0, 1):
            for column in (0, 1):
                part = small[
                    32 * row + 2 : 32 * row + 30,
                    32 * column + 2 : 32 * column + 30,
                ]
                assert (part == colors[row, column]).all()
        np.testing.assert_allclose(
            small.mean((0, 1)), large.mean((0, 1)), atol=1
        )

    def test_resize_smooths(self):
        """Thin lines fade rather than vanish or stay, wherever they are."""
        lines = np.zeros((512, 512, 3), np.uint8)
        lines[:, ::8] = 240
        small = resize(lines, 64)
        np.testing.assert_allclose(small[:, 1:-1], 30, atol=2)


class TestImageObservation:
    def test_rendered(self):
        env = Scripted(
            frame=np.full((9, 9, 3), 7, "u1"), render_mode="rgb_array"
        )
        env = envs.ImageObservation(envs.CheckedInterface(env), 16)
        obs, _ = env.reset()
        assert set(obs) == {"image", "state"}
        assert obs["image"].shape == (16, 16, 3) and (obs["image"] == 7).all()
        assert env.observation_space.contains(obs)

    def test_drawn_larger_is_averaged_over_blocks(self):
        frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "u1")
        env = Scripted(frame=frame, render_mode="rgb_array")
        env = envs.ImageObservation(envs.CheckedInterface(env), 16, 4)
        obs, _ = env.reset()
        blocks = frame.reshape(16, 4, 16, 4, 3).mean((1, 3))
        assert obs["image"].dtype == np.uint8
        np.testing.assert_allclose(obs["image"], blocks, atol=1)

    def test_observed_image_wins(self):
        env = Scripted(
            np.full((6, 8, 3), 5, "u1"),
            _IMAGE,
            frame=np.full((9, 9, 3), 7, "u1"),
            render_mode="rgb_array",
        )
        env = envs.ImageObservation(envs.CheckedInterface(env), 16)
        obs, _ = env.reset()
        assert list(obs) == ["image"] and (obs["image"] == 5).all()

    def test_wrong_image_space(self):
        space = spaces.Dict({"image": spaces.Box(-1, 1, (6, 8, 3))})
        with pytest.raises(ValueError, match="uint8 of shape"):
            envs.ImageObservation(Scripted(observation_space=space), 64)

    def test_drawn_although_it_observes_one(self):
        frame = np.full((9, 9), 7, "i8")
        env = Scripted(observation_space=_IMAGE, frame=frame)
        env.observation = np.zeros((6, 8, 3), "u1")
        with pytest.raises(ValueError, match="but render_images is true"):
            envs.ImageObservation(envs.CheckedInterface(env), 16, render=True)
        env.render_mode = "rgb_array"
        env = envs.ImageObservation(envs.CheckedInterface(env), 16, render=True)
        obs, _ = env.reset()
        assert (obs["image"] == 7).all() and env.source == "render()"

    def test_cannot_be_seen(self):
        env = envs.CheckedInterface(Scripted(render_mode="human"))
        with pytest.raises(ValueError, match="Scripted cannot be seen"):
            envs.ImageObservation(env, 16)

    @pytest.mark.parametrize(
        "frame,message",
        [
            (None, r"returned NoneType"),
            (np.zeros((4, 4, 3)), r"float64 \[4, 4, 3\]"),
        ],
    )
    def test_wrong_frame(self, frame, message):
        env = envs.CheckedInterface(
            Scripted(frame=frame, render_mode="rgb_array")
        )
        with pytest.raises(ValueError, match=message):
            envs.ImageObservation(env, 8).reset()


@pytest.mark.parametrize("name", ["observation_space", "action_space"])
def test_without_a_space(name):
    env = Scripted(render_mode="rgb_array")
    setattr(env, name, (3,))
    with pytest.raises(ValueError, match=f"Scripted has no {name}"):
        envs.CheckedInterface(env)


def test_episode_limit():
    assert envs.episode_limit(gymnasium.make("Pendulum-v1")) == 200
    env = Scripted()
    wrapped = gymnasium.Wrapper(env)
    for value, limit in ((40, 40), (-1, None), (np.inf, None), (None, None)):
        env.max_episode_steps = value
        assert envs.episode_limit(wrapped) == limit
