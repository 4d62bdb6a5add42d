"""Simulators that crash, hang, raise or return nonsense in mid-episode."""

import functools
import logging
import shutil

import fragile
import numpy as np
import psutil
import pytest
import tensorflow as tf

from planet_tf2.configs import environments
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.control.simulate import Rollout
from planet_tf2.data import episodes
from planet_tf2.envs import BatchEnv
from planet_tf2.tools.files import StorageError
from planet_tf2.training.collecting import Collector, retry

# Long for a step of the fake, and short for whoever waits for the tests.
SECONDS = 1.0
PARAMS = {"env_timeout_seconds": SECONDS, "image_size": 8}


@pytest.fixture
def tell(monkeypatch, tmp_path):
    return lambda *words: fragile.plan(monkeypatch, tmp_path, words)


def _open(folder, **params):
    return environments.open_env(
        "fragile:make", {**PARAMS, **params}, record_dir=folder, staged=True
    )


def _check(path):
    """It is one episode from its beginning to its end."""
    episode = episodes.load_episode(path)
    times = np.arange(fragile.LENGTH + 1)
    np.testing.assert_array_equal(episode["image"][:, 0, 0, 0], times)
    moves = np.diff(episode["place"][:, 0])
    np.testing.assert_allclose(moves, episode["action"][1:, 0], atol=1e-6)
    np.testing.assert_allclose(
        episode["reward"][1:], episode["place"][1:, 0], atol=1e-6
    )
    return episode


# What is said of each way to break.
_WORDS = {
    "exit": "ended with exit code 3",
    "segfault": "died of SIGSEGV",
    "hang": "no answer within 1 seconds",
    "raise": "OSError: the simulator is gone",
    "nan reward": "the reward nan",
    "no tuple": "step() returned dict",
    "exit in reset": "ended with exit code 3",
    "hang in reset": "no answer within 1 seconds",
    "raise in reset": "OSError: the simulator is gone",
}


# Nothing but exceptions, which are the same everywhere.
_IN_PLACE = ("raise", "nan reward", "no tuple", "raise in reset")


class TestEveryWayToBreak:
    @pytest.mark.parametrize(
        "how",
        ["raise", *[how for how in _WORDS if how not in _IN_PLACE]],
    )
    def test_in_a_process(self, how, tell, tmp_path, caplog):
        self.check("process", how, tell, tmp_path, caplog)

    @pytest.mark.parametrize("how", _IN_PLACE)
    def test_in_place(self, how, tell, tmp_path, caplog):
        self.check("none", how, tell, tmp_path, caplog)

    def check(self, strategy, how, tell, tmp_path, caplog):
        log, folder = tell(how), tmp_path / "episodes"
        with _open(folder, isolate_envs=strategy) as env:
            first = env.pid

            def recover():
                assert env.failed
                assert list(folder.iterdir()) == []  # Not half of it either.

            def work(attempt):
                return random_episodes(env, 1, (0, attempt))

            (result,) = retry("testing", work, 2, recover)
            assert not env.failed
            assert (env.pid == first) == (strategy != "process")
        _check(result["path"])
        assert [path.name for path in folder.iterdir()] == [
            result["path"].rpartition("/")[2]
        ]
        assert log() == [how, "ok"]
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "Dropped a broken episode while testing" in record.message
        assert _WORDS[how] in record.message


def _forbid_large_files(env, folder):
    psutil.Process(env.pid).rlimit(psutil.RLIMIT_FSIZE, (100, 100))


def _remove(env, folder):
    shutil.rmtree(folder)


def _put_a_file_there(env, folder):
    folder.rmdir()
    folder.write_text("mine")


@pytest.mark.parametrize(
    "harm,strategy,message",
    [
        (_forbid_large_files, "process", "File too large"),
        (_remove, "process", "No such file"),
        (_remove, "thread", "No such file"),
        (_put_a_file_there, "none", "Not a directory"),
    ],
)
def test_storage_is_not_the_simulators(tell, tmp_path, harm, strategy, message):
    """Nothing is repeated, with other seeds, until the cause is gone."""
    log, folder = tell(), tmp_path / "episodes"
    with _open(folder, isolate_envs=strategy) as env:
        assert env.action_space  # It is built.
        harm(env, folder)
        with pytest.raises(StorageError, match=message) as caught:
            retry("testing", lambda attempt: random_episodes(env, 1, 0), 3)
        assert str(folder) in str(caught.value)
        assert not env.failed
    assert log() == ["ok"]


class FakeAgent:
    """Acts at random, according to its seed."""

    def begin_episode(self, agent_indices):
        pass

    def perform(self, agent_indices, observ, action_noise, seed):
        shape = tf.stack([tf.shape(agent_indices)[0], 2])
        return tf.random.stateless_uniform(shape, seed, -1.0, 1.0)

    def experience(self, agent_indices, observ, action, reward, done):
        pass

    def end_episode(self, agent_indices):
        pass


class TestSeveralAgents:
    @pytest.fixture
    def collect(self, tell, tmp_path):
        tell()
        folder = tmp_path / "episodes"
        envs = [_open(folder, isolate_envs="process") for _ in range(2)]
        env = InGraphBatchEnv(BatchEnv(envs))

        def collect(seed=(1, 2), max_failures=3):
            again = functools.partial(
                retry,
                max_failures=max_failures,
                recover=lambda: episodes.clean_staged(folder),
            )
            rollout = Rollout(FakeAgent(), env)
            collector = Collector({}, "fragile:make", 0, env, rollout, again)
            return [
                _check(result["path"]) for result in collector.collect(seed, 0)
            ]

        collect.folder = folder
        yield collect
        for one in envs:
            one.close()

    def test_the_episodes_of_all_are_repeated(self, tell, collect):
        words = ["ok", "exit"]  # Which of the two it is, is left to chance.
        log = tell(*words, "nan reward", "ok")
        collected = collect()
        assert sorted(log()) == sorted([*words, "nan reward", "ok", "ok", "ok"])
        assert len(collected) == 2
        assert len(list(collect.folder.iterdir())) == 2

    def test_a_repeated_episode_follows_from_seed_and_attempt(
        self, tell, collect
    ):
        def play(*words):
            tell(*words)
            return [episode["place"] for episode in collect()]

        smooth = play()
        np.testing.assert_array_equal(smooth, play())
        once = play("exit", "exit")
        np.testing.assert_array_equal(once, play("raise", "hang"))
        twice = play("raise", "raise", "exit", "ok")
        for one, other in ((smooth, once), (smooth, twice), (once, twice)):
            assert np.abs(np.subtract(one, other)).min(1).max() > 1e-3

    def test_storage_is_not_the_simulators(self, tell, collect):
        log = tell("ok", "ok")
        shutil.rmtree(collect.folder)
        with pytest.raises(StorageError, match="No such file"):
            collect()
        assert log() == ["ok", "ok"]
