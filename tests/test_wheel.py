"""What is installed from a wheel, outside of a checkout."""

import configparser
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
PROGRAMS = {p.stem for p in (ROOT / "scripts").glob("[a-z]*.py")}
COMMANDS = PROGRAMS - {"write_parameters"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The content of the wheel, and nothing else of the repository."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for name in ("planet_tf2", "scripts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    # Nothing is to be downloaded.
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index"]
    options = ["--no-build-isolation", "--no-deps", "-w", place]
    subprocess.run([*pip, *options, source], check=True)
    (wheel,) = place.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(place / "site")
    return place / "site"


def run(installed, name, *arguments):
    """Runs a command as its entry point does, and returns what it said."""
    path = installed / "planet_tf2"
    code = (
        f"import planet_tf2; assert planet_tf2.__path__ == [{str(path)!r}]; "
        f"from planet_tf2.programs import {name} as main; main()"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )


def test_every_program_is_a_command(installed):
    parser = configparser.ConfigParser()
    parser.read(next(installed.glob("*.dist-info")) / "entry_points.txt")
    scripts = dict(parser["console_scripts"])
    assert {"planet-train", "planet-watch", "planet-evaluate"} <= set(scripts)
    assert scripts == {
        f"planet-{name.replace('_', '-')}": f"planet_tf2.programs:{name}"
        for name in COMMANDS
    }


def test_all_files_are_there(installed):
    """Templates and texts too."""
    tracked = {
        path.relative_to(ROOT)
        for path in (ROOT / "planet_tf2").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    tracked |= {pathlib.Path(f"planet_tf2/programs/{x}.py") for x in PROGRAMS}
    found = {
        path.relative_to(installed)
        for path in (installed / "planet_tf2").rglob("*.*")
    }
    assert tracked <= found


@pytest.mark.parametrize("name", ["status", "dreamer", "publish_result"])
def test_commands_are_the_programs(installed, name):
    done = run(installed, name, "--help")
    assert "--logdir" in done.stdout, done.stderr
    text = (ROOT / "scripts" / f"{name}.py").read_text()
    if name != "dreamer":  # It hands on to another one.
        assert text.partition("\n")[0].strip('"') in done.stdout
    done = run(installed, name, "--nonsense=1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")


def test_no_command_of_that_name(installed):
    done = run(installed, "nonsense")
    assert "ImportError" in done.stderr
