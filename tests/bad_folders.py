"""Folders that a program cannot work with, and the program to try."""

import contextlib
import importlib.util
import pathlib
import sys

import pytest
import yaml
from absl import flags

from planet_tf2 import agents

SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"


def params(**overrides):
    """Plain parameters of a run, as they are in its config.yaml."""
    return dict(agents.resolve("debug", overrides=overrides))


def make_run(path, **overrides):
    """A run that has been started and nothing more."""
    path.mkdir(parents=True)
    config = {"preset": "debug", "params": params(**overrides), "seed": 1}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    return path


def missing(path):
    return path, "There is no folder"


def empty(path):
    path.mkdir()
    return path, "is empty"


def unfinished(path):
    make_run(path / "00001")
    (path / "00001" / "PING").write_text("{}")
    return path, "unfinished"


def failed(path):
    make_run(path / "00001")
    (path / "00001" / "FAIL").write_text(
        "2026-01-01 at step 5\n\nTraceback:\n  ...\nOSError: the disk is full\n"
    )
    return path, "the disk is full"


def foreign(path):
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    return path, "not the folder of a run"


def of_another_program(path):
    path.mkdir()
    (path / "config.yaml").write_text("learning_rate: 3\n")
    return path, "has no parameters"


def a_file(path):
    path.write_text("mine")
    return path, "is a file"


BAD = [
    missing,
    empty,
    unfinished,
    failed,
    foreign,
    of_another_program,
    a_file,
]


@pytest.fixture(params=BAD, ids=[make.__name__ for make in BAD])
def bad_folder(request, tmp_path):
    """Each of the bad folders, and what has to be said about it."""
    return request.param(tmp_path / "bad")


def run_script(name, *arguments):
    """Runs a program of `scripts/` in this process; returns its status."""
    spec = importlib.util.spec_from_file_location(
        f"script_{name}", SCRIPTS / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        rest = flags.FLAGS([str(SCRIPTS / f"{name}.py"), *map(str, arguments)])
        return module.main(rest)
    finally:
        for flag in flags.FLAGS.get_flags_for_module(spec.name):
            with contextlib.suppress(AttributeError):
                delattr(flags.FLAGS, flag.name)
        flags.FLAGS.unparse_flags()
        del sys.modules[spec.name]
