"""The SLURM script, in a pretended SLURM: programs of the same names."""

import os
import pathlib
import shlex
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "slurm_array.sh"

# Stands in for Python: says how it was called, then ends in the given way.
PYTHON = """#!/bin/bash
trap 'echo term >> "$NOTES"; exit 75' TERM
printf '%s\\n' "$PWD" "$@" > "$NOTES"
if [ "$STATUS" = wait ]; then
  echo ready
  while true; do sleep 0.1; done
fi
exit "$STATUS"
"""
SCONTROL = """#!/bin/bash
echo "$@" >> "$NOTES.scontrol"
"""


@pytest.fixture(name="slurm")
def _slurm(tmp_path):
    """Starts the script as SLURM would: a copy of it, in some folder."""
    for name, text in (("python", PYTHON), ("scontrol", SCONTROL)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    copy = tmp_path / "slurm_script"
    copy.write_bytes(SCRIPT.read_bytes())

    def start(*arguments, **variables):
        environ = {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PYTHON": str(tmp_path / "bin" / "python"),
            "NOTES": str(tmp_path / "notes"),
            "STATUS": "0",
            "SLURM_SUBMIT_DIR": str(ROOT),
            "SLURM_JOB_ID": "1237",
            "SLURM_ARRAY_JOB_ID": "1234",
            "SLURM_ARRAY_TASK_ID": "3",
            **variables,
        }
        return subprocess.Popen(
            ["bash", str(copy), *arguments],
            env=environ,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    start.notes = tmp_path / "notes"
    start.requeued = tmp_path / "notes.scontrol"
    return start


def finish(process):
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_dry_run(slurm):
    status, output = finish(slurm("--logdir", "my logs", DRY_RUN="1"))
    assert status == 0
    assert shlex.split(output)[1:] == [
        "scripts/train.py",
        "--worker_name",
        "slurm-1234_3",
        "--nowait",
        "--logdir",
        "my logs",
    ]
    assert not slurm.notes.exists()


def test_options_take_the_place_of_what_is_usual(slurm):
    given = ["--worker_name=me", "--wait", "--logdir=x"]
    status, output = finish(slurm(*given, DRY_RUN="1"))
    assert status == 0
    assert shlex.split(output)[1:] == ["scripts/train.py", *given]


def test_arguments(slurm):
    params = "{tasks: [cheetah_run], train_collects: [{every: 5}]}"
    status, output = finish(slurm("--params", params, "--num_runs", "9"))
    assert status == 0, output
    directory, *arguments = slurm.notes.read_text().splitlines()
    assert directory == str(ROOT)
    assert arguments[0] == "scripts/train.py"
    assert arguments[-4:] == ["--params", params, "--num_runs", "9"]


def test_time_is_up(slurm):
    """The shell gets the signal, and no other process of the job."""
    process = slurm(STATUS="wait")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    status, output = finish(process)
    assert status == 0, output
    assert slurm.notes.read_text().splitlines()[-1] == "term"
    assert slurm.requeued.read_text() == "requeue 1234_3\n"


def test_outside_of_slurm_nothing_is_requeued(slurm):
    process = slurm(STATUS="75", SLURM_ARRAY_JOB_ID="")
    status, output = finish(process)
    assert status == 0 and "Stopped" in output
    assert not slurm.requeued.exists()


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [("0", 0, ""), ("1", 1, ""), ("69", 0, "by others")],
)
def test_ends(slurm, status, expected, words):
    result, output = finish(slurm(STATUS=status))
    assert result == expected
    assert words in output
    assert not slurm.requeued.exists()


def test_submitted_from_elsewhere(slurm, tmp_path):
    result, output = finish(slurm(SLURM_SUBMIT_DIR=str(tmp_path)))
    assert result == 2
    assert "scripts/train.py" in output


@pytest.mark.slow
def test_options_are_those_of_the_program(slurm, tmp_path):
    """The real program reads them, and stops at a mistake of ours."""
    arguments = ["--logdir", str(tmp_path / "logs"), "--config", "debgu"]
    status, output = finish(slurm(*arguments, PYTHON=sys.executable))
    assert status == 1
    assert "'debug'" in output.strip().splitlines()[-1]
