"""Runs have an identity, which their checkpoints share."""

import shutil

import pytest
import tensorflow as tf

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.train import _keep_settings
from planet_tf2.training.checkpoints import Checkpoints, RestoreError

A, B = "a" * 32, "b" * 32


def start(path, identity, value=0.0):
    variable = tf.Variable(value)
    return Checkpoints(path, {"value": variable}, identity=identity), variable


def test_own_checkpoints_go_on(tmp_path):
    store, _ = start(tmp_path, A, 3.0)
    store.save()
    store, value = start(tmp_path, A)
    assert store.restore() == tmp_path / "ckpt-1"
    assert value == 3.0
    assert store.save() == tmp_path / "ckpt-2"
    # A whole run may be copied or moved.
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert start(tmp_path / "copy", A)[0].restore().name == "ckpt-2"


@pytest.mark.parametrize("mine", [B, ""])
@pytest.mark.parametrize("own", [False, True])
def test_those_of_others_are_refused(tmp_path, mine, own):
    """Also if the run has older ones of its own, and if it has no identity."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    if own:
        start(ours, mine)[0].save()
    store, _ = start(theirs, A, 3.0)
    for _ in range(2):
        store.save()
    ours.mkdir(exist_ok=True)
    for file in theirs.glob("ckpt-2*"):
        shutil.copy(file, ours)
    store, value = start(ours, mine)
    with pytest.raises(RestoreError, match="of another run") as caught:
        store.restore()
    assert A in str(caught.value) and (mine or "missing") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert value == 0.0 and (ours / "ckpt-2.index").exists()


@pytest.mark.parametrize("identity", [A, ""])
def test_those_from_before_are_taken(tmp_path, identity):
    old, value = tf.train.Checkpoint(value=(value := tf.Variable(5.0))), value
    for _ in range(3):
        old.save(tmp_path / "ckpt")
    store, value = start(tmp_path, identity)
    assert store.restore() == tmp_path / "ckpt-3" and value == 5.0
    value.assign(6.0)
    assert store.save() == tmp_path / "ckpt-4"
    store, value = start(tmp_path, identity)
    assert store.restore() == tmp_path / "ckpt-4" and value == 6.0


def test_other_variables_are_named_without_it(tmp_path):
    start(tmp_path, A)[0].save()
    more = {"value": tf.Variable(0.0), "more": tf.Variable(1.0)}
    with pytest.raises(RestoreError, match="it lacks more") as caught:
        Checkpoints(tmp_path, more, identity=A).restore()
    assert "run_id" not in str(caught.value)


def test_begins_with_the_run(tmp_path):
    """Each has another, and keeps it; those from before get none."""
    settings = {"params": {}, "seed": 1}
    folders = [RunFolder(tmp_path / f"0000{n}").create() for n in (1, 2, 3)]
    folders[2].write_config(settings)
    found = [_keep_settings(f, settings, print) for f in folders]
    again = [_keep_settings(f, settings, print) for f in folders]
    assert found == again and len(set(found)) == 3
    assert [f.read_config().get("id", "") for f in folders] == found
    assert found[2] == ""
