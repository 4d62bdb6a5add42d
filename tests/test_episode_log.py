import pathlib
import time

import numpy as np
import pytest
from fakes import Clock

from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.journal import Journal
from planet_tf2.training.episode_log import EpisodeLog


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "00001").create()


@pytest.fixture
def log(folder):
    return EpisodeLog(folder)


def record(folder, simulator_steps=50, staged=True):
    """What the recording wrapper leaves and says at the end of an episode."""
    episode = {
        "action": np.zeros((4, 1), np.float32),
        "reward": np.ones(4, np.float32),
    }
    path = episodes.save_episode(folder.train_episodes, episode, staged=staged)
    return {
        "path": str(path),
        "return": 3.0,
        "length": 3,
        "simulator_steps": simulator_steps,
    }


def add(log, split, task, episode, step=0):
    return log.add(split, task, episode, phase=split, step=step)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def stem(episode):
    return pathlib.Path(episode["path"]).name.removesuffix(".staged")


class TestAdd:
    def test_announces_and_publishes(self, folder):
        clock = Clock(7.0)
        log = EpisodeLog(folder, clock=clock)
        clock.seconds += 1.5
        episode = record(folder)
        path = log.add("train", "walk", episode, phase="train", step=5)
        assert path == folder.train_episodes / stem(episode)
        assert names(folder.train_episodes) == [path.name]
        assert episodes.load_episode(path)["return"][-1] == 4
        assert list(Journal(folder.metrics)) == [
            {
                "phase": "train",
                "step": 5,
                "split": "train",
                "task": "walk",
                "episode": 1,
                "env_step": 50,
                "simulator_steps": 50,
                "length": 3,
                "return": 3.0,
                "file": path.name,
                "elapsed_seconds": 1.5,
            }
        ]

    def test_counts(self, log, folder):
        add(log, "train", "walk", record(folder, 10))
        add(log, "train", "run", record(folder, 20))
        add(log, "test", "walk", record(folder, 40))
        add(log, "train", "walk", record(folder, 80))
        assert log.env_step == 110  # Test episodes teach nothing.
        assert (log.count("train"), log.count("test")) == (3, 1)
        assert log.announced("train", "walk") == 2
        assert log.announced("train", "run") == 1
        assert log.announced("test", "run") == 0
        lines = list(Journal(folder.metrics))
        assert [line["env_step"] for line in lines] == [10, 30, 30, 110]
        assert [line["episode"] for line in lines] == [1, 2, 1, 3]


class TestOrder:
    """Which episodes there were at a step."""

    def test_as_they_were_announced(self, folder):
        user = stem(record(folder, staged=False))
        log = EpisodeLog(folder)
        steps = (0, 0, 5, 10, 10, 25)
        files = [
            add(log, "train", "walk", record(folder), step).name
            for step in steps
        ]
        test = add(log, "test", "walk", record(folder), 25).name
        for known in (log, EpisodeLog(folder)):
            for step in (0, 4, 5, 10, 24, 25, 99):
                count = sum(other <= step for other in steps)
                assert known.episodes_until("train", step) == [
                    user,
                    *files[:count],
                ]
            assert known.episodes_until("test", 24) == []
            assert known.episodes_until("test", 25) == [test]

    def test_names_sort_as_they_were_announced(self, log, folder):
        """Whichever of several agents was the first to save its episode."""
        episodes = [record(folder) for _ in range(3)]
        paths = [add(log, "train", "walk", e) for e in reversed(episodes)]
        found = [path.name for path in paths]
        assert found == sorted(found) == names(folder.train_episodes)
        assert [r["file"] for r in Journal(folder.metrics)] == found

    def test_names_sort_where_the_clock_goes_back(
        self, log, folder, monkeypatch
    ):
        now, found = time.time_ns(), []
        for hours in (0, -1, -2, 30000, 0, -1):
            moment = now + hours * 3600 * 10**9
            monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment)
            found.append(log.add("train", "walk", record(folder)).name)
        assert found == sorted(set(found)) == names(folder.train_episodes)
        assert [r["file"] for r in Journal(folder.metrics)] == found


def test_elapsed_seconds_are_those_of_work(folder):
    """Whatever the clock says while nobody works; also of work taken back."""
    clock = Clock(100.0)
    log = EpisodeLog(folder, clock=clock)
    clock.tick(10)
    log.write({"update": 1})
    position = Journal(folder.metrics).position
    clock.tick(20)
    log.write({"update": 2})
    # Another process, after a night and a restart of the machine.
    clock.seconds = 5.0
    log = EpisodeLog(folder, clock=clock)
    log.rollback(position)
    clock.tick(25)
    log.write({"update": 2})
    # Not counted twice within one process.
    log.rollback(position)
    clock.tick(5)
    log.write({"update": 2})
    elapsed = [record["elapsed_seconds"] for record in Journal(folder.metrics)]
    assert elapsed == [10.0, 60.0]


class TestRollback:
    @pytest.fixture
    def position(self, log, folder):
        """Of a run that went on after its last checkpoint."""
        log.write({"phase": "train", "update": 1})
        add(log, "train", "walk", record(folder, 10))
        add(log, "test", "walk", record(folder, 20))
        return Journal(folder.metrics).position

    def test_removes_what_came_after(self, log, folder, position):
        both = folder.train_episodes, folder.test_episodes
        before = [names(path) for path in both]
        text = folder.metrics.read_text()
        add(log, "train", "walk", record(folder, 40))
        log.write({"phase": "train", "update": 2})
        add(log, "test", "walk", record(folder, 80))
        add(log, "train", "run", record(folder, 160))
        for number in range(2):
            # The second one, by a new process, has nothing left to do.
            log = log if number == 0 else EpisodeLog(folder)
            log.rollback(position)
            assert log.env_step == 10
            assert (log.count("train"), log.count("test")) == (1, 1)
            assert folder.metrics.read_text() == text
            assert before == [names(path) for path in both]

    def test_keeps_what_was_never_announced(self, log, folder, position):
        """But not what was never published."""
        record(folder, staged=False)
        kept = [names(folder.train_episodes), names(folder.test_episodes)]
        (folder.test_episodes / "notes.txt").write_text("mine")
        add(log, "train", "walk", record(folder))
        record(folder)
        half = f"{episodes.episode_name()}.npz.staged.partial"
        (folder.train_episodes / half).write_bytes(b"")
        log.rollback(position)
        assert names(folder.train_episodes) == kept[0]
        assert names(folder.test_episodes) == [*kept[1], "notes.txt"]

    @pytest.mark.parametrize("good_calls", [0, 1])
    def test_cut_off_itself(
        self, log, folder, position, monkeypatch, good_calls
    ):
        """Another rollback does the rest."""
        kept = names(folder.train_episodes)
        for _ in range(2):
            add(log, "train", "walk", record(folder))
        unlink, calls = pathlib.Path.unlink, []

        def crash(path, missing_ok=False):
            calls.append(path)
            if len(calls) > good_calls:
                raise KeyboardInterrupt
            unlink(path, missing_ok)

        with monkeypatch.context() as context:
            context.setattr(pathlib.Path, "unlink", crash)
            with pytest.raises(KeyboardInterrupt):
                log.rollback(position)
        EpisodeLog(folder).rollback(position)
        assert names(folder.train_episodes) == kept
