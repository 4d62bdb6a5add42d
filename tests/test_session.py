import collections
import pathlib

import numpy as np
import pytest
from fakes import CountingEnv
from session_fakes import LENGTH, RETURN, Program

from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.training.finite import NonFiniteError


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("undisturbed"))
    scores = program.run()
    return program, scores


def load_all(folder):
    return [
        episodes.load_episode(folder / name)
        for name in episodes.list_episodes(folder)
    ]


def break_at(program, number, name="image"):
    """Has a loss or norm of an update be no number."""
    step = program.agent.train_step

    def broken(batch, seed):
        values = step(batch, seed)
        bad = {name: float("nan")} if values["total"] == number else {}
        return {**values, **bad}

    program.agent.train_step = broken


def check_goes_on(path, undisturbed):
    """Runs what is there to its end, as if nothing had been."""
    program = Program(path)
    program.run()
    assert program.trace() == undisturbed[0].trace()


class TestRun:
    def test_counts(self, undisturbed):
        program, scores = undisturbed
        trace = program.trace()
        assert scores == [RETURN, RETURN]
        # Two of each to start from. Then, after training steps 5 and 15, one
        # to learn from, and one for each test phase.
        assert trace["files"] == [4, 4]
        assert trace["weight"] == 4
        assert trace["step"] == 30
        assert program.closed == 1

    def test_metrics(self, undisturbed):
        program, _ = undisturbed
        records = program.trace()["metrics"]
        kinds = ["episode" if "episode" in r else "losses" for r in records]
        order = [
            (record["phase"], record["step"], kind)
            for record, kind in zip(records, kinds, strict=True)
        ]
        assert order == [
            *[("seed", 0, "episode")] * 4,
            ("train", 5, "losses"),
            ("train", 10, "losses"),
            ("train", 10, "episode"),
            ("test", 15, "losses"),
            ("test", 15, "episode"),
            ("train", 20, "losses"),
            ("train", 25, "losses"),
            ("train", 25, "episode"),
            ("test", 30, "losses"),
            ("test", 30, "episode"),
        ]
        assert records[4] == {
            "phase": "train",
            "step": 5,
            "update": 1,
            "divergence_loss": 1.0,
            "image_loss": 2.0,
            "reward_loss": 3.0,
            "total_loss": 1.0,
            "gradient_norm": 4.0,
        }
        assert records[11] == {
            "phase": "train",
            "step": 25,
            "update": 4,
            "collect": "main",
            "action_noise": 0.3,
            "split": "train",
            "task": "walk",
            "episode": 4,
            "env_step": 4 * LENGTH,
            "simulator_steps": LENGTH,
            "length": LENGTH,
            "return": RETURN,
        }
        # The log of a test phase is about all of it, and it has no noise.
        assert records[7]["update"] == 1
        assert records[8]["action_noise"] == 0.0
        env_steps = [r["env_step"] for r in records if "episode" in r]
        assert env_steps == [
            LENGTH * number for number in (1, 2, 2, 2, 3, 3, 4, 4)
        ]

    def test_random_numbers_of_every_use_differ(self, undisturbed):
        program, _ = undisturbed
        calls = program.rollouts["walk"].calls
        assert len(calls) == 4
        assert len({str(call) for call in calls}) == 4
        env_seeds = [call[0][0] for call in calls]
        assert len(set(env_seeds)) == 4
        assert len(set(program.seeds)) == 2
        found = load_all(program.folder.train_episodes)
        noise = [episode["noise"] for episode in found]
        assert len(np.unique(noise, axis=0)) == 4

    def test_seed_determines_the_episodes(self, undisturbed, tmp_path):
        check_goes_on(tmp_path, undisturbed)
        for name in ("train_episodes", "test_episodes"):
            found = load_all(undisturbed[0].folder.path / name)
            np.testing.assert_equal(found, load_all(tmp_path / name))


class TestVariations:
    def test_several_tasks_and_agents(self, tmp_path):
        program = Program(tmp_path, ("walk", "run"), agents=3)
        scores = program.run()
        # Their mean; episodes of the second task have one step more.
        assert scores == [(RETURN + RETURN + 4) / 2] * 2
        # Per task, two to start from and three at two occasions.
        assert program.trace()["files"] == [2 * (2 + 6)] * 2
        records = program.trace()["metrics"]
        tasks = collections.Counter(
            (r["task"], r["split"]) for r in records if "episode" in r
        )
        assert set(tasks.values()) == {8} and len(tasks) == 4
        test = [r for r in records if r["phase"] == "test" and "episode" in r]
        assert len(test) == 12
        env_seeds = [
            env_seed
            for rollout in program.rollouts.values()
            for env_seeds, *_ in rollout.calls
            for env_seed in env_seeds
        ]
        assert len(set(env_seeds)) == len(env_seeds) == 2 * 3 * 4

    def test_rarer_lines_are_means(self, tmp_path):
        program = Program(tmp_path, params={"log_every": 3})
        program.run()
        losses = [
            record
            for record in program.trace()["metrics"]
            if "total_loss" in record and record["phase"] == "train"
        ]
        assert [record["update"] for record in losses] == [3]
        assert losses[0]["total_loss"] == 2.0

    def test_episodes_of_the_user_count(self, tmp_path):
        folder = RunFolder(tmp_path).create()
        for name in ("one", "two", "three"):
            episode = {
                "action": np.zeros((2, 2), np.float32),
                "reward": np.zeros(2, np.float32),
            }
            episodes.save_episode(folder.train_episodes, episode, name)
        program = Program(tmp_path)
        program.run()
        seeds = [
            record["split"]
            for record in program.trace()["metrics"]
            if record["phase"] == "seed"
        ]
        assert seeds == ["test", "test"]
        assert program.trace()["files"] == [3 + 2, 4]

    @pytest.mark.parametrize("name", ["image", "gradient_norm"])
    def test_stops_before_what_is_not_finite(self, tmp_path, undisturbed, name):
        """And goes on from the checkpoint before it, as if nothing was."""
        program = Program(tmp_path)
        break_at(program, 3, name)
        with pytest.raises(NonFiniteError, match=f"{name}.* is nan .*update 3"):
            program.run()
        assert float(program.agent.weight) == 3
        check_goes_on(tmp_path, undisturbed)

    @pytest.mark.parametrize("when", ["random", "collected"])
    def test_rewards_that_are_not_finite(
        self, tmp_path, undisturbed, monkeypatch, when
    ):
        program = Program(tmp_path)
        broken = []

        def step(env, action):
            *result, info = original(env, action)
            if bool(program.rollouts["walk"].calls) == (when == "collected"):
                broken.append(True)
                result[1] = float("nan")
            return *result, info

        original = CountingEnv.step
        with monkeypatch.context() as patch:
            patch.setattr(CountingEnv, "step", step)
            with pytest.raises(NonFiniteError, match="episode of walk add up"):
                program.run()
        assert broken
        before = program.trace()
        announced = [r for r in before["metrics"] if "episode" in r]
        assert all(np.isfinite(r["return"]) for r in announced)
        check_goes_on(tmp_path, undisturbed)

    @pytest.mark.parametrize(
        ("lose", "message"),
        [
            (pathlib.Path.unlink, "no checkpoint"),
            (lambda path: path.write_bytes(b""), "No checkpoint can be read"),
        ],
    )
    def test_lost_checkpoints(self, tmp_path, lose, message):
        program = Program(tmp_path)
        program.run()
        before = program.trace()
        for path in program.folder.checkpoints.iterdir():
            lose(path)
        other = Program(tmp_path)
        with pytest.raises(ValueError, match=message):
            other.run()
        assert other.trace()["metrics"] == before["metrics"]
        assert other.trace()["files"] == before["files"]

    def test_saved_after_tests_that_collect_nothing(self, tmp_path):
        def start():
            params = {"checkpoint_every": 1000, "max_steps": 300}
            program = Program(tmp_path, params=params)
            for collectors in program.parts.collectors.values():
                collectors.clear()
            return program

        program = start()
        break_at(program, 5)
        with pytest.raises(NonFiniteError, match="update 5"):
            program.run()
        other = start()
        other.agent.losses["image"] = float("nan")
        with pytest.raises(NonFiniteError, match="update 5"):
            other.run()
        # Of two epochs of two updates each nothing had to be done again.
        assert float(other.agent.weight) == 5

    def test_nothing_left_to_do(self, tmp_path):
        program = Program(tmp_path)
        scores = program.run()
        before = program.trace()
        other = Program(tmp_path)
        assert other.run() == []
        # The score is said once more, for whoever reports how it ended.
        assert other.score == scores[-1]
        assert other.trace() == before
