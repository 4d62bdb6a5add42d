"""`make` finds a Python that fits, or says in a line what to install."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
OTHER = "#!/bin/sh\n[ $1 = -V ] && echo Python 3.13.5 || exit 1\n"
# Of the test itself; makes no environment, which would take a while.
FITTING = f'#!/bin/sh\n[ $2 = venv ] && exit 7 || exec {sys.executable} "$@"\n'


@pytest.fixture
def install(tmp_path):
    """Runs `make install` with these programs alone."""
    for name in ("sh", "id"):
        (tmp_path / name).symlink_to(shutil.which(name))

    def run(programs, *settings):
        for name, text in programs.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        command = [shutil.which("make"), "install", f"VENV={tmp_path}/venv"]
        return subprocess.run(
            [*command, *settings],
            cwd=ROOT,
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize("name", ["python3.11", "python3.12"])
def test_a_fitting_one_behind_another(install, name):
    done = install({"python3": OTHER, name: FITTING})
    assert "Installing into" in done.stdout
    assert "Error 7" in done.stderr


def test_python3_if_it_fits(install):
    assert "Installing into" in install({"python3": FITTING}).stdout


def test_none_that_fits(install):
    done = install({"python3": OTHER})
    assert done.returncode != 0 and done.stdout == ""
    line, makes_own = done.stderr.splitlines()
    assert "3.11 or 3.12 is needed, but python3 is Python 3.13.5" in line
    assert "install python3.12" in line and "make PYTHON=" in line
    assert makes_own.startswith("make: ***")


def test_the_one_that_is_given(install):
    programs = {"python3.11": FITTING, "mine": FITTING, "other": OTHER}
    assert "Error 7" in install(programs, "PYTHON=mine").stderr
    # No other one is taken instead.
    done = install(programs, "PYTHON=other")
    assert "other is Python 3.13.5" in done.stderr and done.stdout == ""
    assert "nope is missing" in install(programs, "PYTHON=nope").stderr
