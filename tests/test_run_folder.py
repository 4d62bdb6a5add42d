import logging
import os

import numpy as np
import pytest
import yaml

from planet_tf2.data.run_folder import (
    RunFolder,
    RunFolderError,
    check_writable,
    logging_to,
)
from planet_tf2.tools.attr_dict import AttrDict

_CONFIG = {
    "preset": "debug",
    "params": {"tasks": ["cheetah_run"], "num_units": 3, "rate": 1e-5},
    "seed": 2,
    "versions": {"planet_tf2": "0.1.0"},
}


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return RunFolder(tmp_path / "logdir" / "00001").create()


def _names(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*"))


def test_create_makes_the_folders(folder):
    assert _names(folder.path) == [
        "checkpoints",
        "test",
        "test_episodes",
        "train",
        "train_episodes",
    ]
    folder.create()


def test_config_is_plain_and_readable_yaml(folder):
    folder.write_config(_CONFIG)
    assert folder.read_config() == _CONFIG
    params = AttrDict(size=np.int64(3), shape=(1, 2))
    folder.write_config({"preset": "debug", "params": params})
    text = folder.config.read_text()
    assert "python" not in text
    assert text.index("preset") < text.index("params")
    plain = {"preset": "debug", "params": {"size": 3, "shape": [1, 2]}}
    assert yaml.safe_load(text) == plain
    assert _names(folder.path).count("config.yaml") == 1


def test_config_refuses_live_objects(folder):
    folder.write_config(_CONFIG)
    with pytest.raises(yaml.YAMLError):
        folder.write_config({"params": {"fn": print}})
    assert folder.read_config() == _CONFIG


def test_reading_refuses_python_tags(folder, tmp_path):
    target = tmp_path / "target"
    folder.config.write_text(
        f"params: !!python/object/apply:os.mkdir ['{target}']\n"
    )
    with pytest.raises(RunFolderError, match="python/object") as caught:
        folder.read_config()
    assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{a: [", "Cannot read"),
        (b"- 1\n", "mapping"),
        (b"\xff\xfe\xff", "Cannot read"),
        (b"", "mapping"),
        (b'a: !!int ""', "tags such as '!!int'"),
        (b"[" * 5000, "too deep"),
        (b"x" * 10**6, "too many"),
        (b"params: {}\nseed: 1\nseed: 2", "'seed' is given twice at line 3"),
        (
            b"preset: debug\nparams:\n  num_un",
            "should be a mapping, not 'num_un'",
        ),
        (b"preset: debug\nparams: {tasks: [dummy]}\n", "cut off"),
        (b"params: 3", "'params' should be a mapping"),
        (b"params: {1: 2}", "'params.1"),
        (b"agent: [planet]", "'agent'"),
        (b"preset: 3", "'preset'"),
        (b"seed: one", "'seed'"),
        (b"seed: -5", "'seed'"),
        (b"num_runs: 1e3", "'num_runs'"),
        (b"machine: {a: 1}", "'machine'"),
    ],
)
def test_reading_broken_config(folder, content, words):
    folder.config.write_bytes(content)
    with pytest.raises(RunFolderError, match=words) as caught:
        folder.read_config()
    assert str(folder.config) in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600


def test_reading_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunFolderError, match="not the folder of a run"):
        RunFolder(tmp_path).read_config()
    with pytest.raises(RunFolderError, match="not the folder of a run"):
        RunFolder(tmp_path / "missing").read_config()


def test_writable_folders_pass_and_stay_untouched(tmp_path, monkeypatch):
    check_writable(tmp_path / "a" / "b" / "c")
    assert _names(tmp_path) == []
    # Also what a file system looks like that is mounted to be read only.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(RunFolderError, match="write-protected"):
        check_writable(tmp_path / "logdir")


def test_path_below_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(RunFolderError, match="not a folder") as caught:
            check_writable(path)
        assert str(path) in str(caught.value)
        with pytest.raises(RunFolderError, match="Cannot write"):
            RunFolder(path).create()


def test_failed_write_keeps_the_old_file(folder, monkeypatch):
    folder.write_config(_CONFIG)

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        folder.write_config({"preset": "cpu"})
    assert folder.read_config() == _CONFIG
    assert _names(folder.path).count("config.yaml.partial") == 0


def test_log_has_what_the_package_says(tmp_path):
    path = tmp_path / "log.txt"
    package = logging.getLogger("planet_tf2")
    level = package.level
    path.write_text("before\n")
    with logging_to(path):
        logging.getLogger("planet_tf2.training").info("step %d", 3)
        logging.getLogger("planet_tf2.training").debug("detail")
        logging.getLogger("other").warning("attention")
        logging.getLogger("other").info("chatter")
    logging.getLogger("planet_tf2").error("too late")
    text = path.read_text()
    assert text.startswith("before\n") and "INFO step 3" in text
    assert "WARNING attention" in text
    for word in ("detail", "chatter", "too late"):
        assert word not in text
    assert package.level == level


def test_details_are_for_the_log_alone(tmp_path, caplog):
    path = tmp_path / "log.txt"
    with logging_to(path):
        logging.getLogger("planet_tf2").warning(
            "It broke.", extra={"details": "line 1\nline 2\n"}
        )
    first, *others = path.read_text().splitlines()
    assert first.endswith("WARNING It broke.")
    assert others == ["line 1", "line 2"]
    assert "line 1" not in caplog.text


def test_full_disks_fail_no_logging(capfd):
    with logging_to("/dev/full"):
        for number in range(3):
            logging.getLogger("planet_tf2.here").info("x" * 10**number)
    assert "Traceback" not in capfd.readouterr().err
