"""Episodes that other processes leave in the pool of a run."""

import numpy as np
import pytest
from session_fakes import LENGTH

from planet_tf2.data.episodes import list_episodes, save_episode
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import RolloutStopped
from planet_tf2.training import apart
from planet_tf2.training.episode_log import EpisodeLog


class Ended:
    """A process that is over as soon as it begins."""

    returncode = 1

    def poll(self):
        return self.returncode

    def terminate(self):
        pass

    kill = terminate

    def wait(self, seconds=None):
        pass


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return RunFolder(tmp_path / "00001").create()


@pytest.fixture(name="started")
def _started(monkeypatch):
    started = []
    monkeypatch.setattr(
        apart.Apart, "_start", lambda self: started.append(1) or Ended()
    )
    monkeypatch.setattr(apart, "_POLL_SECONDS", 0)
    return started


def play(folder, task="walk", name="main", step=0):
    """Leaves an episode in the pool, as a collector does."""
    pool = apart.Pool(folder)
    with apart.private_folder(pool, "me") as place:
        zeros = np.zeros(LENGTH + 1, np.float32)
        arrays = {"action": zeros, "reward": zeros}
        path = save_episode(place, arrays, staged=True)
        result = {
            "path": str(path),
            "return": 0.0,
            "length": LENGTH,
            "simulator_steps": LENGTH,
        }
        pool.put(result, task=task, name=name, weights_step=step)


def announce(folder, records):
    """Announces episodes, as the learner does."""
    log = EpisodeLog(folder)
    for record in records:
        task, name, result = map(record.pop, ("task", "name", "result"))
        log.add("train", task, result, phase="train", step=5, **record)
    return log


def test_an_episode_moves_from_the_pool_to_the_data(folder, started):
    play(folder, step=3)
    learner = apart.Apart(folder, 2, 5)
    (record,) = learner.take([("walk", "main")], set())
    log = announce(folder, [record])
    (line,) = log.own("train")
    assert (line["weights_step"], line["task"]) == (3, "walk")
    assert list_episodes(folder.train_episodes) == [line["file"]]
    learner.forget()
    assert not list(apart.Pool(folder).path.iterdir())
    assert len(started) == 2


def test_takes_again_what_no_checkpoint_knows(folder, started):
    play(folder)
    learner = apart.Apart(folder, 1, 5)
    first = announce(folder, learner.take([("walk", "main")], set()))
    # Killed before the checkpoint.
    log = EpisodeLog(folder)
    log.rollback(0)
    assert not list_episodes(folder.train_episodes)
    learner = apart.Apart(folder, 1, 5)
    again = announce(folder, learner.take([("walk", "main")], set()))
    assert [x["collected"] for x in first.own("train")] == [
        x["collected"] for x in again.own("train")
    ]


def test_takes_nothing_twice(folder, started):
    """Also if it was killed after the checkpoint, before it cleared up."""
    play(folder)
    learner = apart.Apart(folder, 1, 5)
    log = announce(folder, learner.take([("walk", "main")], set()))
    known = {line["collected"] for line in log.own("train")}
    play(folder)
    learner = apart.Apart(folder, 1, 5)
    (record,) = learner.take([("walk", "main")], known)
    assert record["collected"] not in known
    assert set(apart.Pool(folder).ready()) == {record["collected"]}


def test_each_kind_has_episodes_of_its_own(folder, started):
    for task, name in (("run", "main"), ("walk", "noisy"), ("walk", "main")):
        play(folder, task, name)
    wanted = [("walk", "main"), ("walk", "noisy")]
    found = apart.Apart(folder, 1, 5).take(wanted, set())
    assert [(x["task"], x["name"]) for x in found] == wanted


def test_stops_while_it_waits(folder, started):
    learner = apart.Apart(folder, 1, 5, lambda: True)
    with pytest.raises(RolloutStopped):
        learner.take([("walk", "main")], set())


def test_gives_up_on_collectors_that_fail_each_time(folder, started):
    learner = apart.Apart(folder, 1, 3)
    with pytest.raises(RuntimeError, match="ended with 1, as 3 in a row did"):
        learner.take([("walk", "main")], set())
    assert len(started) == 3
