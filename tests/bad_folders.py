"""Folders that a program cannot work with, and the program to try."""

import contextlib
import importlib.util
import inspect
import pathlib
import sys

import pytest
import yaml
from absl import flags

from planet_tf2 import agents
from planet_tf2.tools import command

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


_CONFIG = yaml.safe_dump({"preset": "debug", "params": params(), "seed": 1})
_FAIL = "2026-01-01 at step 5\n\nTraceback:\n  ...\nOSError: the disk is full\n"
# What has to be said about each, and the files in it.
BAD = {
    "missing": ("There is no folder", None),
    "empty": ("is empty", {}),
    "unfinished": (
        "unfinished",
        {"00001/config.yaml": _CONFIG, "00001/PING": "{}"},
    ),
    "failed": (
        "the disk is full",
        {"00001/config.yaml": _CONFIG, "00001/FAIL": _FAIL},
    ),
    "foreign": ("not the folder of a run", {"notes.txt": "mine"}),
    "of_another_program": ("has no params", {"config.yaml": "rate: 3"}),
    "a_file": ("is a file", "mine"),
}


@pytest.fixture(params=BAD)
def bad_folder(request, tmp_path):
    """Each of the bad folders, and what has to be said about it."""
    message, files = BAD[request.param]
    path = tmp_path / "bad"
    if isinstance(files, str):
        path.write_text(files)
    elif files is not None:
        path.mkdir()
        for name, text in files.items():
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text(text)
    return path, message


@contextlib.contextmanager
def script(name):
    """Loads a program of `scripts/`, whose flags are there for as long."""
    spec = importlib.util.spec_from_file_location(
        f"script_{name}", SCRIPTS / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        for flag in flags.FLAGS.get_flags_for_module(spec.name):
            with contextlib.suppress(AttributeError):
                delattr(flags.FLAGS, flag.name)
        flags.FLAGS.unparse_flags()
        del sys.modules[spec.name]


def run_script(name, *arguments):
    """Runs a program in this process; returns its status."""
    with script(name) as module:
        argv = [f"{name}.py", *map(str, arguments)]
        names = "names=True" in inspect.getsource(module)
        return command.run(module.work, *command.parse_flags(argv, names))
