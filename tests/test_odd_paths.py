"""Folders with names that others take for patterns, or do not know at all."""

import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.events import fetch, find_event_folders
from planet_tf2.evaluation.loading import load_agent
from planet_tf2.tools.odd_paths import matching_paths, plain_path
from planet_tf2.training.checkpoints import Checkpoints, RestoreError
from planet_tf2.training.summaries import Summaries

NAMES = [
    "lr=[1e-3]",
    "back\\slash",
    "[",
    "x[!a-z]*?{y}",
    "two\nlines [1]",
    "日[本]",
    "12:30 -x='[1]'",
    os.fsdecode(b"no \xff UTF-8"),
]


@pytest.fixture(params=NAMES, ids=ascii)
def folder(request, tmp_path, monkeypatch):
    """The path of a folder, absolute or relative, and also that of TMPDIR."""
    path = tmp_path / request.param
    (path / "tmp").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(path / "tmp"))
    monkeypatch.chdir(tmp_path)
    absolute = NAMES.index(request.param) % 2
    return path if absolute else path.relative_to(tmp_path)


def test_checkpoints(folder):
    value = tf.Variable([1.0, 2.0])
    store = Checkpoints(folder, {"value": value})
    paths = [store.save() for _ in range(2)]
    assert paths == store.paths() == [folder / "ckpt-1", folder / "ckpt-2"]
    value.assign([0.0, 0.0])
    assert Checkpoints(folder, {"value": value}).restore() == paths[1]
    np.testing.assert_array_equal(value, [1, 2])
    with pytest.raises(RestoreError, match="float32 shape .*there and"):
        Checkpoints(folder, {"value": tf.Variable(1)}).restore()
    (folder / "ckpt-2.index").write_bytes(b"")
    assert Checkpoints(folder, {"value": value}).restore() == paths[0]
    assert not list((folder / "tmp").iterdir())


@pytest.mark.parametrize("folder", NAMES[-2:], indirect=True, ids=ascii)
def test_of_a_run_that_is_loaded(folder, trained):
    shutil.copytree(trained.folder.path, folder / "run")
    loaded = load_agent(folder / "run").run.agent
    for weights in zip(
        loaded.trained_variables, trained.agent.trained_variables, strict=True
    ):
        np.testing.assert_array_equal(*weights)


def test_event_files(folder):
    summaries = Summaries(RunFolder(folder), Agent())
    summaries.scalars("train", 7, {"general/loss": 2.0})
    summaries.close()
    found = find_event_folders([str(folder)])
    assert list(found) == [folder / "train"]
    fetch(found, folder / "out")
    [path] = (folder / "out").rglob("*.csv")
    assert path.read_text().endswith(",7,2.0\n")


def test_without_the_names_of_linux(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_PATH")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[1]" / "00001").mkdir(parents=True)
    path = pathlib.Path("[1]/00001")
    value = tf.Variable(2.0)
    saved = Checkpoints(path, {"value": value}).save()
    assert Checkpoints(path, {"value": value}).restore() == saved


def test_patterns(folder):
    for name in ("1", "2", "[12]"):
        (folder / name).mkdir()
    found = matching_paths(f"{folder}/[0-9]")
    assert found == [folder / "1", folder / "2"]
    assert matching_paths(f"{folder}/[12]") == [folder / "[12]"]
    assert matching_paths(f"{folder}/3*") == [folder / "3*"]


def test_a_folder_that_took_the_place_of_another(tmp_path):
    folder = tmp_path / "[1]"
    for content in ("old", "new"):
        folder.mkdir()
        (folder / "file").write_text(content)
        with open(plain_path(folder / "file")) as file:
            assert file.read() == content
        folder.rename(tmp_path / content)
    with pytest.raises(FileNotFoundError):
        plain_path(folder / "file")


def test_ordinary_paths_stay():
    for path in ("/logs/a, b/00001", "logs/lr=1e-3 {%#$&~}/ü"):
        assert plain_path(path) == path
