"""The figures of a world model against values computed by hand."""

import types

import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2.data import episodes as files
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import model_checks
from planet_tf2.evaluation.frames import true_image
from planet_tf2.evaluation.held_out import (
    EpisodesError,
    HeldOut,
    by_source,
    limit_horizon,
    load_held_out,
)
from planet_tf2.evaluation.predictions import (
    Filtered,
    OpenLoop,
    Window,
    choose_windows,
    cut,
)
from planet_tf2.tools.journal import Journal

BITS = 3


def episode(levels, rewards, source="agent", task="walk", seed=0):
    """All pixels of a frame have the same level, of eight."""
    rng = np.random.default_rng(seed)
    level = np.array(levels, np.uint8)[:, None, None, None]
    # What is below the quantisation must not matter.
    fine = rng.integers(0, 32, (len(levels), 64, 64, 3), np.uint8)
    arrays = {
        "image": np.broadcast_to(level * 32, fine.shape) + fine,
        "action": rng.uniform(-1, 1, (len(levels), 2)).astype(np.float32),
        "reward": np.array(rewards, np.float32),
    }
    return HeldOut(f"{source}{seed}", source, task, arrays)


class FakePredictor:
    """Is wrong by a level, by two where actions are not those of the files.

    A single future is wrong by a level more.
    """

    bits = BITS
    horizon = 2

    def __init__(self, reward_error=0.0):
        self._reward_error = reward_error

    def open_loop(
        self, episodes, windows, context, length, action=None, futures=1
    ):
        assert len(windows) <= 16
        true = cut(episodes, windows, "action", length)
        error = (1 if action is None else 2) + (futures == 1)
        if action is not None:
            np.testing.assert_array_equal(
                true[:, :context], action[:, :context]
            )
            assert (true[:, context:] != action[:, context:]).all()
            assert (np.abs(action) <= 1).all()
        image = true_image(cut(episodes, windows, "image", length), BITS)
        reward = cut(episodes, windows, "reward", length)
        return OpenLoop(image + error / 8, reward + self._reward_error, {})

    def values(self, episode, filtered):
        amount = episode.length + 1 - self.horizon
        return np.arange(max(0, amount), dtype=np.float32)

    def plan(self, filtered, times):
        return np.zeros((len(times), 2, 2)), np.array(times) + 100.0


def test_true_images_have_levels_at_their_centres():
    image = np.array([0, 7, 8, 255], np.uint8)
    expected = np.array([0.5, 0.5, 1.5, 31.5]) / 32 - 0.5
    np.testing.assert_allclose(true_image(image, 5), expected)


def test_windows_are_spread_over_each_episode():
    found = choose_windows([10, 4, 5, 6], 5, 3)
    expected = [(0, 0), (0, 2), (0, 5), (2, 0), (3, 0), (3, 1)]
    assert found == [Window(*one) for one in expected]


class TestOpenLoop:
    """Episodes of five frames, three of which are seen."""

    def test_image_errors(self):
        episodes = [
            episode([0, 0, 2, 4, 5], range(5), "random", seed=1),
            episode([1, 1, 1, 1, 1], [0, 0, 0, 6, 8], "agent", seed=2),
        ]
        windows = choose_windows([5, 5], 5, 1)
        images, _ = model_checks.check_open_loop(
            FakePredictor(), episodes, windows, 3, 2
        )
        for name, levels in {
            "model": [1, 1],
            "random_actions": [4, 4],
            "one_future": [4, 4],
            # The last frame that was seen has level 2, and 1.
            "no_change": [4 / 2, 9 / 2],
            # The mean of all frames is 16 / 10.
            "mean_frame": [(2.4**2 + 0.6**2) / 2, (3.4**2 + 0.6**2) / 2],
        }.items():
            expected = np.array(levels) / 64  # A level is 1/8.
            np.testing.assert_allclose(images[name], expected, rtol=1e-4)
        assert images["ratio_to_no_change"] == pytest.approx(2 / 6.5, 1e-4)
        assert images["ratio_to_random_actions"] == pytest.approx(0.25, 1e-4)
        one_future = images["one_future_ratio_to_no_change"]
        assert one_future == pytest.approx(8 / 6.5, 1e-4)
        assert (images["context"], images["horizon"]) == (3, 2)
        assert images["useful_steps"] == 2

    def test_useful_steps_end_with_the_first_that_is_not(self):
        errors = {
            "model": np.array([[1.0, 1, 3, 1]]),
            "no_change": np.array([[2.0, 2, 9, 9]]),
            "mean_frame": np.array([[2.0, 2, 2, 2]]),
            "random_actions": np.ones((1, 4)),
            "one_future": np.ones((1, 4)),
        }
        assert model_checks._image_figures(errors)["useful_steps"] == 2
        errors["mean_frame"][0, 0] = 1
        assert model_checks._image_figures(errors)["useful_steps"] == 0

    def test_many_sequences_in_parts(self):
        """The figures are those of all of them."""
        episodes = [episode([0, n % 8], [0, n], seed=n) for n in range(20)]
        windows = choose_windows([2] * 20, 2, 1)
        images, rewards = model_checks.check_open_loop(
            FakePredictor(reward_error=0.5), episodes, windows, 1, 1
        )
        expected = np.mean([(n % 8) ** 2 for n in range(20)]) / 64
        assert images["no_change"] == [pytest.approx(expected, 1e-4)]
        assert rewards["overall"]["count"] == 20
        # A constant error leaves nothing of the variance unexplained.
        assert rewards["explained_variance"] == [pytest.approx(1)]
        assert rewards["correlation"] == [pytest.approx(1)]
        assert rewards["rmse"] == [pytest.approx(0.5)]
        assert rewards["overall"]["bias"] == pytest.approx(0.5)


class TestSight:
    def test_by_hand(self):
        episodes = [episode([0, 2], [0, 0]), episode([2, 4], [0, 0])]
        filtered = [
            Filtered({}, None, np.array([8.0, 16.0]), np.array([1.0, 4.0])),
            Filtered({}, None, np.array([0.0, 0.0]), np.array([3.0, 3.5])),
        ]
        sight = model_checks.check_sight(FakePredictor(), episodes, filtered, 3)
        assert sight["image_error"] == 6
        # The levels 0, 2, 2, 4 have the variance 2, and a level is 1/8.
        half = 2 / 64 * 64 * 64 * 3 / 2
        assert sight["half_variance"] == pytest.approx(half, 1e-5)
        assert sight["ratio"] == pytest.approx(6 / half, 1e-5)
        assert sight["divergence"] == pytest.approx(11.5 / 4)
        assert sight["above_floor"] == 0.5
        # A pixel that differs by a level: 1/64 * 3/16 / 2.
        episodes[1].arrays["image"][:] = episodes[0].arrays["image"][0]
        episodes[0].arrays["image"][:] = episodes[0].arrays["image"][0]
        episodes[0].arrays["image"][0, 0, 0] += 32
        sight = model_checks.check_sight(FakePredictor(), episodes, filtered, 3)
        assert sight["half_variance"] == pytest.approx(3 / 64 * 3 / 32)
        assert sight["ratio"] is None


class TestFit:
    def test_by_hand(self):
        result = model_checks.fit([1, 2, 3, 6], [0, 2, 4, 6])
        # Errors 1, 0, -1, 0 with the variance 1/2, and 5 is that of the rest.
        assert result["explained_variance"] == pytest.approx(0.9)
        assert result["bias"] == 0
        assert result["rmse"] == pytest.approx(np.sqrt(0.5))
        expected = np.corrcoef([1, 2, 3, 6], [0, 2, 4, 6])[0, 1]
        assert result["correlation"] == pytest.approx(expected)
        assert (result["mean"], result["count"]) == (3, 4)
        assert result["stddev"] == pytest.approx(np.sqrt(5))

    def test_what_never_changes(self):
        result = model_checks.fit([3, 3], [2, 4])
        assert result["explained_variance"] == 0
        assert result["correlation"] is None
        received = np.full(5, 0.1, np.float32) + np.float32(1e-9)
        result = model_checks.fit([0, 1, 2, 3, 4], received)
        assert result["explained_variance"] is result["correlation"] is None
        assert result["rmse"] is not None


def test_reward_while_looking_leaves_the_reset_out():
    episodes = [
        episode([0, 0, 0], [0, 1, 3], "random"),
        episode([0, 0, 0], [0, 5, 7], "agent"),
    ]
    filtered = [
        Filtered({}, np.array([99.0, 1, 3]), None, None),
        Filtered({}, np.array([99.0, 7, 5]), None, None),
    ]
    result = model_checks.check_filtered_reward(episodes, filtered)
    assert result["count"] == 4
    # Errors 0, 0, 2, -2: the variance 2 of 5.
    assert result["explained_variance"] == pytest.approx(0.6)
    sources = result["by_source"]
    assert sources["random"]["explained_variance"] == 1
    assert sources["agent"]["explained_variance"] == pytest.approx(-3)


class TestReturns:
    REWARDS = (0, 1, 2, 4, 8)

    def check(self, *sources, rewards=REWARDS, **kwargs):
        shown = [episode([0] * len(rewards), rewards, s) for s in sources]
        return model_checks.check_returns(
            FakePredictor(), shown, [None] * len(shown), **kwargs
        )

    def test_executed_actions_are_aligned(self):
        """From time step t, the rewards of t + 1 and t + 2."""
        executed = self.check("agent")["executed"]
        # Predicted are 0, 1, 2 and received 3, 6, 12.
        assert executed["count"] == 3
        assert executed["mean"] == 7
        assert executed["bias"] == -6

    def test_plans_of_the_latest_episodes(self):
        sources = ["agent"] * 4 + ["random"]
        planned = self.check(*sources, decisions=2)["planned"]
        assert planned["source"] == "agent"
        assert planned["predicted"] == [100, 102] * 3
        assert planned["received"] == [3, 12] * 3

    @pytest.mark.parametrize(
        "sources, expected, count",
        [
            (("fresh", "agent"), "fresh", 3),
            (("agent", "given"), "agent", 3),
            (("random",), None, 0),
        ],
    )
    def test_where_plans_are_made(self, sources, expected, count):
        found = self.check(*sources)
        assert found["planned"]["source"] == expected
        assert found["planned"]["count"] == count
        assert found["executed"]["count"] == 3 * len(sources)

    def test_episodes_shorter_than_the_horizon(self):
        result = self.check("agent", rewards=(0, 1))
        assert result["executed"]["count"] == result["planned"]["count"] == 0


def fake_run(folder):
    image = spaces.Box(0, 255, (64, 64, 3), np.uint8)
    agent = types.SimpleNamespace(
        observation_space=spaces.Dict({"image": image}),
        action_space=spaces.Box(-1, 1, (2,)),
        batch_spec={},
    )
    return types.SimpleNamespace(folder=folder, agent=agent, images=["image"])


class TestHeldOut:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = RunFolder(tmp_path / "run").create()
        journal = Journal(folder.metrics)
        journal.append({"phase": "train", "loss": 1.0})
        for number in range(7):
            arrays = episode([number] * 3, [0, number, 0]).arrays
            files.save_episode(folder.test_episodes, arrays, str(number))
            phase = "seed" if number < 2 else "test"
            record = {"phase": phase, "task": "walk", "file": f"{number}.npz"}
            record |= {"split": "test", "step": 0, "episode": 1 + number}
            record |= {"env_step": 0, "return": 0.0}
            if number != 5:  # The user's own.
                journal.append(record)
        return folder

    def test_all_or_some_evenly_and_the_latest(self, folder):
        found = load_held_out(fake_run(folder), 20)
        assert [e.name for e in found] == [f"{n}.npz" for n in range(7)]
        sources = [e.source for e in found]
        assert sources == [*["random"] * 2, *["agent"] * 3, "given", "agent"]
        assert [e.task for e in found][4:] == ["walk", None, "walk"]
        assert found[3].length == 2
        some = [e.name for e in load_held_out(fake_run(folder), 3)]
        assert some == ["0.npz", "3.npz", "6.npz"]
        (last,) = load_held_out(fake_run(folder), 1)
        assert last.name == "6.npz"

    def test_of_a_folder(self, folder, tmp_path):
        run = fake_run(RunFolder("x"))
        found = load_held_out(run, 20, folder.test_episodes)
        assert {e.source for e in found} == {"given"}
        with pytest.raises(EpisodesError, match="no episodes in"):
            load_held_out(run, 20, tmp_path)
        (folder.test_episodes / "7.npz").write_bytes(b"PK")
        with pytest.raises(EpisodesError, match="7.npz"):
            load_held_out(run, 1, folder.test_episodes)

    def test_episodes_that_are_too_short(self):
        shown = [episode([0] * 2, [0] * 2)]
        assert limit_horizon(shown, 1, 9) == 1
        with pytest.raises(EpisodesError, match="2 frames, too few"):
            limit_horizon(shown, 2, 1)

    @pytest.mark.parametrize(
        "changes, message",
        [
            ({"image": None}, "has no 'image'"),
            ({"image": np.zeros((3, 32, 32, 3), np.uint8)}, r"\[3, 32, 32"),
            (
                {"action": np.zeros((3, 6))},
                r"'action', .* \[3, 6\], but .* \[3, 2\] is needed",
            ),
        ],
    )
    def test_episodes_that_do_not_fit(self, tmp_path, changes, message):
        arrays = {**episode([0] * 3, [0] * 3).arrays, **changes}
        arrays = {k: v for k, v in arrays.items() if v is not None}
        files.save_episode(tmp_path, arrays, "x")
        with pytest.raises(EpisodesError, match=message):
            load_held_out(fake_run(None), directory=tmp_path)

    def test_sources_of_several_tasks(self):
        shown = [
            episode([0, 0], [0, 0], "agent", task)
            for task in ("walk", "run", "walk", None)
        ]
        assert by_source(shown) == {
            "walk, agent": [0, 2],
            "run, agent": [1],
            "unknown task, agent": [3],
        }
