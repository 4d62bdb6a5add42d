"""Real runs of the real program on the `dummy` task, as small as can be."""

import json
import os
import re
import signal
import threading

import numpy as np
import pytest
import tensorflow as tf
from small_runs import DECISIONS, Spy, records, run

from planet_tf2 import train as launch
from planet_tf2.agents import resolve
from planet_tf2.agents.planet import world_model
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.envs import DummyEnv, EnvError
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.tools.journal import Journal
from planet_tf2.tools.signals import Stopped
from planet_tf2.training import assemble
from planet_tf2.training.finite import NonFiniteError


@pytest.fixture
def spy(monkeypatch):
    return Spy(monkeypatch)


def test_only_its_own_thread_can_draw(tmp_path, monkeypatch):
    """Also with a graphics card, which TensorFlow may share a process with."""
    for name in ("choose_backend", "check_isolation"):
        monkeypatch.setattr(launch.envs, name, lambda *args: None)
    params = {"tasks": ["cheetah_run"], "isolate_envs": "none"}
    with pytest.raises(ConfigError, match="Use 'thread' or 'process'"):
        launch.train(str(tmp_path / "logs"), "debug", overrides=params)
    assert not (tmp_path / "logs").exists()


def check_complete(folder):
    """The run reached its end, with the right number of everything."""
    end = json.loads(folder.done.read_text())
    assert end["step"] == 12
    seen = records(folder)
    updates = [
        (r["phase"], r["step"], r["update"]) for r in seen if "total_loss" in r
    ]
    assert updates == [
        ("train", 2, 1),
        ("train", 4, 2),
        ("test", 6, 1),
        ("train", 8, 3),
        ("train", 10, 4),
        ("test", 12, 2),
    ]
    episodes_seen = [
        (r["phase"], r["step"], r["split"], r["episode"], r["env_step"])
        for r in seen
        if "episode" in r
    ]
    assert episodes_seen == [
        ("seed", 0, "train", 1, 1000),
        ("seed", 0, "test", 1, 1000),
        ("train", 4, "train", 2, 2000),
        ("test", 6, "test", 2, 2000),
        ("train", 10, "train", 3, 3000),
        ("test", 12, "test", 3, 3000),
    ]
    assert end["score"] == pytest.approx(seen[-1]["return"])
    assert not folder.fail.exists() and not folder.ping.exists()
    for directory in (folder.train_episodes, folder.test_episodes):
        assert len(list(directory.iterdir())) == 3


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with the environment in a process; what there is to know of it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        spy = Spy(monkeypatch)
        logdir = tmp_path_factory.mktemp("logs") / "run"
        folder, said = run(logdir, isolate_envs="process")
    return folder, said, spy


@pytest.mark.slow
class TestFinishedRun:
    def test_complete(self, finished):
        check_complete(finished[0])

    def test_environment_was_in_a_process(self, finished):
        _, _, spy = finished
        (env,) = spy.opened
        assert env.pid not in (None, os.getpid())
        assert not spy.steps_here
        with pytest.raises(ProcessLookupError):
            os.kill(env.pid, 0)  # It has ended with the run.

    def test_no_retracing(self, finished):
        assert finished[2].retraces == [0] * 4

    def test_files(self, finished):
        folder, _, _ = finished
        names = sorted(path.name for path in folder.path.iterdir())
        assert " ".join(names) == (
            "DONE checkpoints config.yaml episode.gif log.txt metrics.jsonl "
            "prediction.gif test test_episodes train train_episodes"
        )
        assert len(list(folder.checkpoints.glob("ckpt-*.index"))) == 3
        for directory in (folder.train, folder.test):
            assert any(directory.glob("events.out.tfevents.*"))

    def test_episodes(self, finished):
        folder, _, _ = finished
        images = []
        for split in ("train", "test"):
            directory = getattr(folder, f"{split}_episodes")
            announced = [
                record
                for record in Journal(folder.metrics)
                if record.get("split") == split
            ]
            files = [record["file"] for record in announced]
            assert files == episodes.list_episodes(directory)
            for record in announced:
                with np.load(directory / record["file"]) as file:
                    episode = dict(file)
                check_episode(episode, record)
                images.append(episode["image"][0])
        assert len(np.unique(np.stack(images), axis=0)) == 6

    def test_says_how_it_went(self, finished):
        folder, said, _ = finished
        seen = records(folder)
        seed = [r["return"] for r in seen if r["phase"] == "seed"]
        random = sum(seed) / len(seed)
        assert said[0] == f"Run 1 in {folder.path}"
        assert said[-1].splitlines()[0] == (
            f"Test return on dummy: {seen[-1]['return']:.1f} "
            f"(its random episodes: {random:.1f})"
        )
        for text in (folder.prediction_gif, "tensorboard --logdir"):
            assert str(text) in said[-1]

    def test_event_files(self, finished):
        folder, _, _ = finished
        for split in ("train", "test"):
            (path,) = getattr(folder, split).iterdir()
            tags = {
                value.tag
                for event in tf.compat.v1.train.summary_iterator(str(path))
                for value in event.summary.value
            }
            groups = sorted({tag.split("/")[0] for tag in tags})
            expected = "closedloop general openloop simulation trainer"
            assert groups == expected.split()
            assert "general/total_loss" in tags
            assert "simulation/dummy/main/return" in tags

    def test_in_a_thread(self, finished, tmp_path, spy, no_predictions):
        """Where the environment lives makes no difference to what it does."""
        folder, _ = run(tmp_path, isolate_envs="thread")
        check_complete(folder)
        (env,) = spy.opened
        assert env.pid is None
        assert len(spy.steps_here) == 1
        assert threading.get_ident() not in spy.steps_here
        assert records(folder) == records(finished[0])

    def test_broken_off_by_a_signal(self, finished, tmp_path, spy, monkeypatch):
        """During the first episode that the agent collects."""
        step, rollout = DummyEnv.step, assemble.Rollout.__call__
        collecting = []

        def collect(*args):
            collecting.append(True)
            return rollout(*args)

        def terminating(env, action):
            if collecting:
                collecting.clear()
                os.kill(os.getpid(), signal.SIGTERM)
            return step(env, action)

        with monkeypatch.context() as patch:
            patch.setattr(assemble.Rollout, "__call__", collect)
            patch.setattr(DummyEnv, "step", terminating)
            with pytest.raises(Stopped, match="at step 4"):
                run(tmp_path, isolate_envs="none")
        folder = RunFolder(tmp_path / "00001")
        assert not folder.done.exists() and not folder.fail.exists()
        assert not folder.ping.exists()
        reached = records(folder)
        assert [r["phase"] for r in reached] == ["seed"] * 2 + ["train"] * 2
        # What no number depends on may change.
        _, said = run(tmp_path, isolate_envs="none", env_timeout_seconds=77)
        assert any("env_timeout_seconds: 300.0 -> 77.0" in s for s in said)
        assert folder.read_config()["params"]["env_timeout_seconds"] == 77
        check_complete(folder)
        # In the calling thread, or in one of TensorFlow's.
        assert all(env.pid is None for env in spy.opened)
        assert threading.get_ident() in spy.steps_here
        assert records(folder)[:4] == reached
        assert records(folder) == records(finished[0])


class TestThreads:
    """What `deterministic` keeps."""

    def prepare(self, monkeypatch, logdir, **params):
        asked = []

        def make_deterministic(threads):
            asked.append(threads)
            return threads or 3

        monkeypatch.setattr(launch, "make_deterministic", make_deterministic)
        experiment = Experiment(logdir, num_runs=3)
        params = resolve("debug", overrides=params)
        return launch._prepare_determinism(params, experiment), asked

    def test_those_of_the_runs_that_are_there(self, monkeypatch, tmp_path):
        assert self.prepare(monkeypatch, tmp_path) == (0, [])
        folders = [RunFolder(tmp_path / f"0000{n}").create() for n in (1, 2, 3)]
        found = self.prepare(monkeypatch, tmp_path, deterministic=True)
        assert found == (3, [None])
        folders[1].write_config({"params": {}, "seed": 2})
        folders[2].write_config({"params": {}, "seed": 3, "threads": 7})
        found = self.prepare(monkeypatch, tmp_path, deterministic=True)
        assert found == (7, [7])

    def test_others_are_told(self, tmp_path):
        """But keep nobody from going on."""
        folder = RunFolder(tmp_path)
        folder.write_config({"threads": 7, "params": {}, "seed": 1})
        said = []
        for threads in (7, 3):
            settings = {"threads": threads, "params": {}}
            launch._keep_settings(folder, settings, said.append)
        (message,) = said
        assert "7 threads and goes on with 3" in message


def test_other_settings_are_listed(tmp_path):
    folder = RunFolder(tmp_path / "00001").create()
    settings = {"agent": "planet", "params": resolve("debug")}
    folder.write_config({**settings, "seed": 5})
    launch._check_same(settings, 4, folder, True)
    params = resolve("debug", overrides={"free_nats": 4, "max_steps": 7})
    changed = {**settings, "params": params}
    with pytest.raises(RunFolderError, match="max_steps: [0-9]+ -> 7"):
        launch._check_same(changed, 4, folder, True)
    with pytest.raises(RunFolderError) as caught:
        launch._check_same(changed, 3, folder, False)
    message = str(caught.value)
    assert "free_nats: 3.0 -> 4.0; seed: 5 -> 4." in message
    assert "max_steps" not in message and "\n" not in message
    folder.write_config({"seed": 2})
    with pytest.raises(RunFolderError, match="no params"):
        launch._check_same(settings, 4, folder, False)


def check_episode(episode, record):
    length = DECISIONS + 1
    keys = {"image", "action", "reward", "is_first", "terminal"}
    assert set(episode) == keys
    assert episode["is_first"].tolist() == [True] + [False] * DECISIONS
    assert not episode["terminal"].any()
    assert episode["image"].shape == (length, 64, 64, 3)
    assert episode["image"].dtype == np.uint8
    assert episode["action"].shape == (length, 5)
    assert episode["action"].dtype == np.float32
    assert episode["reward"].shape == (length,)
    assert episode["reward"].dtype == np.float32
    # Nothing leads to the first observation.
    assert not episode["action"][0].any() and episode["reward"][0] == 0
    assert episode["action"][1:].any(1).all()
    assert (np.abs(episode["action"]) <= 1).all()
    # Each is the sum of 100 rewards between 0 and 1.
    assert (episode["reward"][1:] > 30).all()
    assert record["return"] == pytest.approx(episode["reward"].sum(), rel=1e-5)
    assert record["length"] == DECISIONS
    assert record["simulator_steps"] == 1000


@pytest.mark.slow
class TestFailures:
    def test_image_that_is_not_finite(self, tmp_path, monkeypatch):
        prepare = world_model.preprocess
        monkeypatch.setattr(
            world_model, "preprocess", lambda *args: prepare(*args) * np.nan
        )
        # Some forms of ReLU turn NaN to 0, so that other losses may be finite.
        with pytest.raises(NonFiniteError, match="image.* nan| nan.*image"):
            run(tmp_path)
        folder = RunFolder(tmp_path / "00001")
        assert "NonFiniteError" in folder.fail.read_text()
        assert not folder.done.exists() and not folder.ping.exists()
        # Of the updates, nothing was saved; what was before can be read.
        assert [r["phase"] for r in records(folder)] == ["seed"] * 2
        reader = tf.train.load_checkpoint(str(folder.checkpoints))
        for name in reader.get_variable_to_shape_map():
            value = reader.get_tensor(name)
            if isinstance(value, np.ndarray) and value.dtype == np.float32:
                seen = "test_returns" in name
                assert np.isfinite(value).all() or seen, name

    def test_environment_that_fails(self, tmp_path, monkeypatch):
        def broken(env, action):
            raise OSError("the simulator is gone")

        monkeypatch.setattr(DummyEnv, "step", broken)
        with pytest.raises(EnvError, match="the simulator is gone"):
            run(tmp_path, env_max_failures=2)
        folder = RunFolder(tmp_path / "00001")
        text = folder.fail.read_text()
        assert text.splitlines()[0].endswith(" at step 0")
        # The traceback comes once, and what to do is said at the end.
        assert text.count('raise OSError("the simulator is gone")') == 1
        assert "--retry_failed" in text.splitlines()[-1]
        assert not folder.ping.exists()
        log = folder.log.read_text()
        assert re.search(
            r"WARNING Dropped .*OSError: the simulator is gone"
            r" \(test_launch.py:\d+, in broken\)\. Failure 1.*\nTraceback",
            log,
        )
        assert log.count('raise OSError("the simulator is gone")') == 1
        last = log.splitlines()[-1]
        assert "ERROR The run failed. EnvUnreliable: Stopped collecting" in last
