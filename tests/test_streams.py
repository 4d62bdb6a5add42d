"""Messages that cannot be printed, and programs that go on."""

import os
import pty
import subprocess
import sys
import threading

import pytest

from planet_tf2.envs.async_env import Async

PROGRAM = """
import logging, os, pathlib, sys
from planet_tf2.tools import command
from planet_tf2.training.progress import Progress

def work(names):
    with command.native_stderr_silenced():
        progress = Progress(5)
    with progress.console():
        for step in range(1, 6):
            progress.update("train", step, {"loss": 1.0})
            progress.activity("collecting")
            print("a name: l\\xe4 \\u65e5 \\udcff", "x" * 30_000)
            logging.getLogger("planet_tf2").warning("\\u65e5 %s", "x" * 9_000)
    progress.close()
    assert min(os.open(os.devnull, os.O_RDONLY) for _ in range(3)) > 2
    pathlib.Path("done").touch()

command.start(work, True, has_results="results" in sys.argv)
"""


def run(folder, *arguments, before="", **options):
    """Runs the program; a shell redirects its streams `before` it starts."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, "PYTHONPATH": path, **options.pop("environ", {})}
    shell = ["bash", "-c", f'"$@" {before}', "bash", *command]
    return subprocess.run(shell, cwd=folder, env=environ, timeout=60, **options)


def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full_disk():
    return os.open("/dev/full", os.O_WRONLY)


def hung_up_terminal():
    ours, theirs = pty.openpty()
    os.close(ours)
    return theirs


@pytest.mark.parametrize("make", [closed_pipe, hung_up_terminal, full_disk])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nowhere_to_write(tmp_path, make, unbuffered):
    environ = {"PYTHONUNBUFFERED": unbuffered}
    with open(make(), "w") as out:
        done = run(tmp_path, stdout=out, stderr=out, environ=environ)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("before", ["2>&-", "<&- >&- 2>&-", ">&- 2>/dev/full"])
def test_closed(tmp_path, before):
    done = run(tmp_path, before=before, capture_output=True)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_what_an_encoding_lacks(tmp_path, encoding):
    environ = {"PYTHONIOENCODING": encoding}
    done = run(tmp_path, environ=environ, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"\\udcff xxx" in done.stdout
    assert "日 xxx".encode(encoding[:5], "backslashreplace") in done.stderr


def test_reader_that_others_share_and_that_is_slow(tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    read = []
    with open(reading, "rb") as file:
        reader = threading.Thread(target=lambda: read.append(file.read()))
        threading.Timer(1, reader.start).start()
        done = run(tmp_path, stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        reader.join()
    assert done.returncode == 0
    assert read[0].count(b"x") == 150_000


@pytest.mark.parametrize(
    "make, status, message",
    [
        (closed_pipe, 0, b""),
        (full_disk, 1, b"Error: [Errno 28] No space left on device: 'standard"),
    ],
)
def test_results_that_nobody_gets(tmp_path, make, status, message):
    with open(make(), "w") as out:
        done = run(tmp_path, "results", stdout=out, stderr=subprocess.PIPE)
    assert done.returncode == status
    assert b"Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert b"".join(x for x in lines if x[:5] == b"Error").startswith(message)
    assert not (tmp_path / "done").exists()


def test_help(tmp_path):
    with open(closed_pipe(), "w") as out:
        done = run(tmp_path, "--helpfull", stdout=out, stderr=subprocess.PIPE)
    assert not done.stderr


def test_environments_that_print(monkeypatch, tmp_path):
    (tmp_path / "talking.py").write_text(
        "from planet_tf2.envs import DummyEnv\n"
        "class Talking(DummyEnv):\n"
        "    def step(self, action):\n"
        "        print('step', 'x' * 9999, flush=True)\n"
        "        return super().step(action)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before, out = os.dup(1), closed_pipe()
    os.dup2(out, 1)
    try:
        env = Async("talking:Talking", {}, "process", False, True)
    finally:
        os.dup2(before, 1)
        os.close(out)
    with env:
        env.reset(seed=1)
        env.step(env.action_space.sample())
