import logging
import os

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import tiny_params

from planet_tf2.agents.planet.build import make_learner, make_model
from planet_tf2.training import checkpoints
from planet_tf2.training.checkpoints import (
    Checkpoints,
    RestoreError,
    SaveError,
)


class State(tf.Module):
    """Something to save."""

    def __init__(self, shape=(), dtype=tf.float32, **others):
        super().__init__()
        self.value = tf.Variable(tf.zeros(shape, dtype))
        for name in others:
            setattr(self, name, tf.Variable(0.0, name=name))


def plain(**kwargs):
    return {"state": State(**kwargs)}


def learner(**overrides):
    params = tiny_params(**overrides)
    return {"learner": make_learner(params, make_model(params, 2))}


@pytest.mark.parametrize(
    ("make", "other", "text"),
    [
        (plain, {"shape": [2]}, r"shape \(\).*\(2,\)"),
        (plain, {"dtype": tf.int32}, "float32.* there and int32"),
        (plain, {"more": 1}, "more"),
        (learner, {"model_layers": 2}, r"it lacks rssm/dense_7/bias, "),
        (learner, {"num_layers": 2}, "feed_forward"),
        (learner, {"gradient_heads": ["image"]}, "; this program lacks its "),
        (
            learner,
            {"state_size": 4},
            r"decoder/dense/kernel has float32 shape \(7, 64\) there and "
            r"float32 shape \(8, 64\) here, .* and \d+ more",
        ),
    ],
)
def test_other_variables(tmp_path, make, other, text):
    path = Checkpoints(tmp_path, make()).save()
    assert Checkpoints(tmp_path, make()).restore() == path
    with pytest.raises(RestoreError, match=text) as info:
        Checkpoints(tmp_path, make(**other)).restore()
    message = str(info.value)
    assert str(path) in message
    assert "\n" not in message and len(message) < 500


def first_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "truncated": first_half,
    "empty": lambda path: path.write_bytes(b""),
    "foreign": lambda path: path.write_bytes(b"foreign " * 99),
    "flipped bit": flip,
}


class TestDamage:
    @pytest.fixture
    def saved(self, tmp_path):
        """Three checkpoints of a vector that holds their number."""
        value = tf.Variable(tf.zeros(100))
        store = Checkpoints(tmp_path, {"value": value})
        for number in (1, 2, 3):
            value.assign(tf.fill([100], float(number)))
            store.save()
        return tmp_path

    def start(self, path):
        value = tf.Variable(tf.zeros(100))
        return Checkpoints(path, {"value": value}), value

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    @pytest.mark.parametrize("file", ["index", "data-00000-of-00001"])
    def test_the_one_before_takes_its_place(self, saved, damage, file, caplog):
        damage(saved / f"ckpt-3.{file}")
        store, value = self.start(saved)
        with caplog.at_level(logging.WARNING):
            assert store.restore() == saved / "ckpt-2"
        np.testing.assert_array_equal(value, np.full(100, 2))
        assert "ckpt-3 cannot be read" in caplog.text
        assert "ckpt-2 takes its place" in caplog.text
        # It can be looked at, but does not come up again.
        assert (saved / f"ckpt-3.{file}.damaged").exists()
        assert store.paths()[-1] == saved / "ckpt-2"
        assert store.save() == saved / "ckpt-3"
        store, value = self.start(saved)
        assert store.restore() == saved / "ckpt-3"
        np.testing.assert_array_equal(value, np.full(100, 2))
        assert tf.train.latest_checkpoint(saved) == str(saved / "ckpt-3")

    def test_all(self, saved):
        for number in (2, 3):
            first_half(saved / f"ckpt-{number}.data-00000-of-00001")
        store, value = self.start(saved)
        assert store.restore() == saved / "ckpt-1"
        np.testing.assert_array_equal(value, np.ones(100))
        before = sorted(os.listdir(saved))
        flip(saved / "ckpt-1.index")
        store, _ = self.start(saved)
        with pytest.raises(RestoreError, match="can be read .*ckpt-1: "):
            store.restore()
        assert sorted(os.listdir(saved)) == before

    def test_other_files_are_left_alone(self, saved):
        for name in (
            "10.index.bak",
            "x.index",
            "09.index",
            "٣.index",
            "9" * 30,
        ):
            (saved / f"ckpt-{name}").write_bytes(b"")
        (saved / f"ckpt-{9**30}.index").write_bytes(b"")
        # By which TensorFlow finds the latest; it is not needed.
        (saved / "checkpoint").write_bytes(b"")
        (saved / ".partial-of-somebody").mkdir()
        store, value = self.start(saved)
        assert store.restore() == saved / "ckpt-3"
        np.testing.assert_array_equal(value, np.full(100, 3))
        assert not (saved / ".partial-of-somebody").exists()
        assert (saved / "ckpt-x.index").exists()


class TestSave:
    @pytest.fixture(params=[False, True], ids=["plain", "scratch"])
    def store(self, tmp_path, request):
        scratch = tmp_path / "scratch" if request.param else None
        if scratch:
            scratch.mkdir()
        directory = tmp_path / "checkpoints"
        directory.mkdir()
        value = tf.Variable(1.0)
        store = Checkpoints(directory, {"value": value}, scratch=scratch)
        store.directory, store.scratch = directory, scratch
        return store

    def names(self, store):
        return sorted(os.listdir(store.directory))

    def test_files(self, store):
        path = store.save()
        assert store.paths() == [path] == [store.directory / "ckpt-1"]
        assert tf.train.latest_checkpoint(store.directory) == str(path)
        expected = ["checkpoint", "ckpt-1.data-00000-of-00001", "ckpt-1.index"]
        assert self.names(store) == expected
        for _ in range(4):
            store.save()
        state = tf.train.get_checkpoint_state(str(store.directory))
        names = [os.path.basename(p) for p in state.all_model_checkpoint_paths]
        assert names == ["ckpt-3", "ckpt-4", "ckpt-5"]
        assert len(self.names(store)) == 7
        assert not store.scratch or not os.listdir(store.scratch)

    @pytest.mark.parametrize("call", range(4))
    def test_that_fails_leaves_the_last_one_whole(
        self, store, monkeypatch, call
    ):
        """Wherever the disk turns out to be full."""
        path = store.save()
        before = self.names(store)
        calls = []

        def sync(path):
            calls.append(path)
            if len(calls) > call:
                raise OSError(28, "No space left on device")

        replace = type(path).replace

        def move(path, target):
            sync(path)
            return replace(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoints, "sync_file", sync)
            patch.setattr(type(path), "replace", move)
            with pytest.raises(SaveError, match="No space left.* ckpt-1,"):
                store.save()
        left = set(self.names(store)) - set(before)
        assert not any(name.endswith(".index") for name in left)
        value = tf.Variable(0.0)
        assert Checkpoints(store.directory, {"value": value}).restore() == path

    def test_tensorflow_fails(self, store, monkeypatch):
        store.save()

        def fail(*args, **kwargs):
            raise tf.errors.ResourceExhaustedError(
                None, None, "/x/ckpt-2: No space left on device\nmore"
            )

        monkeypatch.setattr(tf.train.Checkpoint, "save", fail)
        with pytest.raises(SaveError, match="No space left on device. The"):
            store.save()
        (store.directory / "ckpt-1.index").unlink()
        with pytest.raises(SaveError, match="device. There is none yet"):
            store.save()
