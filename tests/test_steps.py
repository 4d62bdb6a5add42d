"""Runs of an agent that is trained by steps: counts, seeds, stored episodes."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tiny_stepper
from small_runs import records
from test_steps_resume import run

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.control.simulate import Rollout
from planet_tf2.data import episodes
from planet_tf2.data.episode_cache import EpisodesError
from planet_tf2.data.stored_spaces import read_spaces
from planet_tf2.data.streams import Streams
from planet_tf2.evaluation import runs

SEED_DECISIONS, PRETRAIN, PER_UPDATE, ENVS = 20, 2, 4, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run(tmp_path_factory.mktemp("steps"), record_observations=[])


def of_split(folder, split, phase=None):
    return [
        r
        for r in records(folder)
        if r.get("split") == split and phase in (None, r["phase"])
    ]


def load(folder, record, split):
    directory = folder.path / f"{split}_episodes"
    return episodes.load_episode(directory / record)


class TestCounts:
    def test_prefill_is_whole_random_episodes(self, folder):
        """As many as hold that many decisions, and no more."""
        lengths = [r["length"] for r in of_split(folder, "train", "seed")]
        assert sum(lengths) >= SEED_DECISIONS > sum(lengths[:-1])
        assert len(of_split(folder, "test", "seed")) == 1

    def test_updates_and_decisions(self, folder):
        """All environments together keep the ratio, after pretraining."""
        updates = [r for r in records(folder) if "update_count" in r]
        seeds = sum(r["length"] for r in of_split(folder, "train", "seed"))
        for record in updates[:8]:  # Before the oldest leave.
            taken = max(0, record["update_count"] - PRETRAIN) * PER_UPDATE
            assert record["dataset_size"] == seeds + taken

    def test_decisions_of_episodes(self, folder):
        lengths = [r["length"] for r in of_split(folder, "train", "train")]
        assert 0 < sum(lengths) <= (16 - PRETRAIN) * PER_UPDATE

    def test_old_steps_leave_memory_not_the_disk(self, folder):
        last = [r for r in records(folder) if "update_count" in r][-1]
        stored = sum(r["length"] for r in of_split(folder, "train"))
        assert last["dataset_size"] < stored + 12 and stored > 60
        names = episodes.list_episodes(folder.train_episodes)
        assert len(names) == len(of_split(folder, "train"))

    def test_evaluations(self, folder):
        """Defect 16: numbers of episodes that do not depend on lengths."""
        played = of_split(folder, "test", "test")
        assert [r["step"] for r in played] == 3 * [20] + 3 * [40]
        means = [r for r in records(folder) if "eval_return" in r]
        for mean, group in zip(means, (played[:3], played[3:]), strict=True):
            returns = [r["return"] for r in group]
            assert mean["eval_return"] == pytest.approx(np.mean(returns))
            assert mean["eval_episodes"] == 3

    def test_names_of_the_reference(self, folder):
        (*_, last) = of_split(folder, "train", "train")
        assert last["train_return"] == last["return"]
        assert last["train_length"] == last["length"]
        assert last["train_episodes"] == last["episode"]
        updates = [r for r in records(folder) if "update_count" in r]
        assert {"fps", "reward_loss", "mean_reward"} <= set(updates[0])

    def test_log_observations_are_summed(self, folder):
        """Defect 10: and nothing else becomes of them."""
        for record in of_split(folder, "train"):
            assert record["log_steps"] == record["length"]


def test_no_two_episodes_share_a_seed(folder):
    """Defect 15: neither training and evaluation, nor environments."""
    places = []
    for split in ("train", "test"):
        directory = folder.path / f"{split}_episodes"
        for name in episodes.list_episodes(directory):
            episode = episodes.load_episode(directory / name)
            places.append(tuple(episode["place"][0]))
    assert len(set(places)) == len(places) > 12


def test_checkpoints_in_between(tmp_path):
    """Defect 17: not only when there is an evaluation."""
    folder = run(tmp_path, max_steps=14)
    names = [path.name for path in folder.checkpoints.glob("*.index")]
    # After seed episodes, before updates, twice between them, and at the end.
    assert len(names) == 3


def test_exploration_ends(tmp_path, monkeypatch):
    seen = []
    rollout = tiny_stepper.TinyActor.perform

    def perform(self, indices, observ, explore=0.0, seed=None):
        tf.numpy_function(lambda x: seen.append(float(x)), [explore], [])
        return rollout(self, indices, observ, explore, seed)

    monkeypatch.setattr(tiny_stepper.TinyActor, "perform", perform)
    run(tmp_path, explore_until=12)
    runs_of = [(k, len(list(g))) for k, g in itertools.groupby(seen)]
    assert [k for k, _ in runs_of] == [2, 1, 0, 1, 0]
    # Decisions of all environments count.
    assert runs_of[0][1] * ENVS == 12


def test_several_tasks(tmp_path):
    """Each has environments and evaluations of its own."""
    tasks = ["stepping_tasks:walk", "stepping_tasks:walk?longest=5"]
    folder = run(tmp_path, tasks=tasks, max_steps=20)
    for task in tasks:
        own = [r for r in of_split(folder, "test") if r["task"] == task]
        assert len(own) == 1 + 3
    lengths = [
        r["length"] for r in of_split(folder, "train") if r["task"] == tasks[1]
    ]
    assert lengths and max(lengths) <= 5


class TestStored:
    """Episodes of others, and no simulator."""

    @pytest.fixture
    def no_simulator(self, monkeypatch):
        def fail(*args, **kwargs):
            raise AssertionError("There is none.")

        monkeypatch.setattr("planet_tf2.training.assemble.open_env", fail)
        monkeypatch.setattr("planet_tf2.train.probe", fail)

    def test_own_ones(self, folder, tmp_path, no_simulator):
        stored = {
            "offline_train": str(folder.train_episodes),
            "offline_test": str(folder.test_episodes),
        }
        other = run(tmp_path, tasks=["no_module:no_task"], **stored)
        lines = records(other)
        assert not any("return" in line for line in lines)
        updates = [r for r in lines if "update_count" in r]
        assert len(updates) == 16
        assert sum(r["phase"] == "test" for r in lines) == 2
        own, others = (
            runs.read_spaces(f, runs.read_params(f)) for f in (folder, other)
        )
        assert own == others

    def test_of_the_reference(self, folder, tmp_path, no_simulator):
        """With `discount`, `logprob`, `is_terminal`, one-hot actions."""
        source = tmp_path / "theirs"
        source.mkdir()
        for number, name in enumerate(
            episodes.list_episodes(folder.train_episodes)
        ):
            episode = episodes.load_episode(folder.train_episodes / name)
            entries = len(episode["reward"])
            action = np.eye(4, dtype=np.float32)[episode["action"]]
            action[0] = 0
            np.savez_compressed(
                source / f"20230101T0000{number:02}-{number:032x}-{entries}",
                place=episode["place"],
                image=np.zeros((entries, 8, 8, 3), np.uint8),
                is_first=episode["is_first"],
                is_terminal=episode["terminal"],
                reward=episode["reward"],
                discount=1 - episode["terminal"].astype(np.float32),
                logprob=np.zeros(entries, np.float32),
                action=action,
            )
        observed, action_space = read_spaces(source)
        assert action_space.n == 4
        assert set(observed) == {"place", "image"}
        assert observed["image"].dtype == np.uint8
        theirs = run(tmp_path / "theirs_run", offline_train=str(source))
        own = run(
            tmp_path / "own_run", offline_train=str(folder.train_episodes)
        )
        for one, other in zip(records(theirs), records(own), strict=True):
            one.pop("fps", None), other.pop("fps", None)
            assert one == other

    def test_none(self, tmp_path):
        with pytest.raises(ConfigError, match="without episodes"):
            run(tmp_path, offline_train=str(tmp_path / "nowhere"))
        (tmp_path / "0.npz").write_bytes(b"nonsense")
        with pytest.raises(EpisodesError, match="No usable episodes"):
            read_spaces(tmp_path)

    def test_other_actions(self, tmp_path):
        flags = {"is_first": np.arange(3) == 0, "place": np.zeros((3, 2))}
        for name, action, expected in (
            (
                "box",
                np.array([[0, 0], [0.5, 1], [1, 0]]),
                "Box(-1.0, 1.0, (2,)",
            ),
            (
                "many",
                np.array([[0, 0], [2, 0], [1, 4]]),
                "MultiDiscrete([3 5])",
            ),
            ("whole", np.array([0, 2, 1]), "Discrete(3)"),
        ):
            folder = tmp_path / name
            folder.mkdir()
            reward = np.zeros(3, np.float32)
            arrays = {"action": action, "reward": reward, **flags}
            np.savez(folder / "1.npz", **arrays)
            assert str(read_spaces(folder)[1]).startswith(expected)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams")
    return run(path, "tiny_streamer", dataset_size=50)


class TestStreams:
    """Agents that learn from streams."""

    def test_the_policy_acts_from_the_start(self, streamed):
        assert not of_split(streamed, "train", "seed")
        assert len(of_split(streamed, "test", "seed")) == 1

    def test_updates_and_rows(self, streamed):
        """A row for each environment and round, whatever ends meanwhile."""
        updates = [r for r in records(streamed) if "update_count" in r]
        items = [r["dataset_size"] for r in updates]
        first = ENVS * PER_UPDATE  # As many as a batch has time steps.
        grown = [first + PER_UPDATE * i for i in range(len(items))]
        assert items == [min(50, size) for size in grown]
        rows = sum(
            r["length"] + 1 for r in of_split(streamed, "train", "train")
        )
        played = ENVS * PER_UPDATE + grown[-1]
        assert played - ENVS * 13 <= rows <= played

    def test_who_played_an_episode(self, streamed):
        found = of_split(streamed, "train")
        assert {r["environment"] for r in found} == {0, 1}
        assert "environment" not in of_split(streamed, "test")[-1]

    def test_without_context(self, tmp_path):
        folder = run(tmp_path, "tiny_streamer", context=0, max_steps=20)
        updates = [r for r in records(folder) if "update_count" in r]
        assert updates[0]["dataset_size"] == 8 and len(updates) == 8

    def test_stored_ones(self, streamed, tmp_path):
        stored = {"offline_train": str(streamed.train_episodes)}
        other = run(tmp_path, "tiny_streamer", dataset_size=500, **stored)
        updates = [r for r in records(other) if "update_count" in r]
        rows = sum(r["length"] + 1 for r in of_split(streamed, "train"))
        assert updates[-1]["dataset_size"] == rows - 4 and len(updates) == 16

    def test_nothing_to_learn_from(self, tmp_path, monkeypatch):
        """As all of a first episode was lost: acting goes on."""
        asked, steps, calls = iter([0, 0, 0]), Rollout.steps, []
        monkeypatch.setattr(
            Streams, "decisions", property(lambda self: next(asked, 1))
        )
        monkeypatch.setattr(
            Rollout,
            "steps",
            lambda self, n, *args: calls.append(n) or steps(self, n, *args),
        )
        run(tmp_path, "tiny_streamer", max_steps=4)
        # They are asked once for the test phase.
        assert calls == [8, 1, 1]
