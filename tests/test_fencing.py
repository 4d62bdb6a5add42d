"""A worker that slept through a takeover wakes up in the middle of writing."""

import logging
import shutil
import uuid
from unittest import mock

import numpy as np
import pytest

from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder, logging_to
from planet_tf2.experiment.run import Run
from planet_tf2.tools.files import replacing, write_atomically
from planet_tf2.tools.journal import Journal


@pytest.fixture(name="old")
def _old(tmp_path):
    folder = RunFolder(tmp_path / "00001").create()
    return take_over(folder).folder


def take_over(old, held=True):
    """What a new owner does, while the old one is asleep."""
    claim = mock.Mock(id=uuid.uuid4().hex)
    claim.holds.return_value = held
    run = Run(1, RunFolder(old.path), claim)
    assert run.enclose() == held
    return run


def scratch_folders(folder):
    return set(folder.path.glob(".scratch-*"))


def episode():
    return {
        "action": np.zeros((3, 2), np.float32),
        "reward": np.zeros(3, np.float32),
    }


def test_takeover_removes_the_scratch_of_others_only(old):
    (old.scratch / "folder").mkdir()
    run = take_over(old)
    assert not old.scratch.exists()
    assert scratch_folders(old) == {run.folder.scratch}
    assert not list(run.folder.scratch.iterdir())
    run.release()
    assert not scratch_folders(old)


def test_scratch_of_one_who_took_over_in_turn_stays(old):
    before = scratch_folders(old)
    run = take_over(old, held=False)
    assert run.folder.scratch is None and scratch_folders(old) == before


def test_fault_while_the_fence_is_put_up(old, monkeypatch):
    """It may come from one who took over in turn."""
    Journal(old.metrics).append({"step": 1})
    fault = mock.Mock(side_effect=FileNotFoundError)
    monkeypatch.setattr(shutil, "copyfileobj", fault)
    with pytest.raises(FileNotFoundError):
        take_over(old)
    claim = mock.Mock(id="new")
    claim.holds.side_effect = [True, False]
    assert not Run(1, RunFolder(old.path), claim).enclose()


def test_whole_files_cannot_be_finished(old):
    old.done.write_text("before")
    with pytest.raises(FileNotFoundError):
        with replacing(old.done, old.scratch) as file:
            file.write(b"after")
            take_over(old)
    assert old.done.read_text() == "before"
    with pytest.raises(FileNotFoundError):
        write_atomically(old.done, "after", old.scratch)
    assert old.done.read_text() == "before"


def test_episodes_cannot_be_published(old):
    staged = episodes.save_episode(old.scratch, episode(), staged=True)
    take_over(old)
    with pytest.raises(FileNotFoundError):
        episodes.publish(staged, old.train_episodes)
    with pytest.raises(FileNotFoundError):
        episodes.save_episode(old.scratch, episode(), staged=True)
    assert not list(old.train_episodes.iterdir())


def test_journal_is_not_written_to(old):
    """It falls asleep after the look at its claim."""
    Journal(old.metrics).append({"step": 1})
    journal = Journal(old.metrics, lambda: take_over(old))
    journal.append({"step": 2})
    assert list(Journal(old.metrics)) == [{"step": 1}]
    Journal(old.metrics).append({"step": 3})
    journal.truncate(0)
    assert list(Journal(old.metrics)) == [{"step": 1}, {"step": 3}]


def test_log_is_not_written_to(old):
    logger = logging.getLogger("planet_tf2.test")
    with logging_to(old.log):
        logger.warning("before")
        take_over(old)
        logger.warning("after")
    assert "before" in old.log.read_text()
    assert "after" not in old.log.read_text()


def test_event_files_are_not_written_to(old):
    import tensorflow as tf

    (old.train / "events.out.tfevents.0.v2").write_text("long ago")
    writer = tf.summary.create_file_writer(str(old.train))
    with writer.as_default():
        tf.summary.scalar("a", 1.0, 0)
        writer.flush()
        (path,) = old.train.glob("*tfevents.1*")
        before = path.read_bytes()
        assert before
        take_over(old)
        tf.summary.scalar("a", 2.0, 1)
    writer.close()
    assert path.read_bytes() == before
    assert not list(old.path.glob("**/*.partial"))
