"""Environments in processes end with the program that opened them."""

import os
import select
import subprocess
import sys
import textwrap

import pytest

from planet_tf2.envs import child_process

_PROGRAM = """
import sys
import numpy as np
from planet_tf2.envs import Async

with open(sys.argv[1], "a") as file:
    file.write("main\\n")
env = Async("fakes:FailingEnv", {"how": "hang"}, render=False)
env.reset()
env.step(np.zeros(2))
"""


def _run_program(tmp_path, end):
    """Starts a program that opens an environment; returns it and the log."""
    log = tmp_path / "log"
    path = tmp_path / "program.py"
    path.write_text(_PROGRAM + textwrap.dedent(end))
    program = subprocess.Popen(
        [sys.executable, str(path), str(log)],
        env=child_process.child_environ({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return program, log


@pytest.mark.parametrize("hang", [False, True])
def test_worker_dies_with_a_killed_parent(tmp_path, hang):
    end = """
        if {hang}:
            env.step(np.zeros(2), blocking=False)
        print(env.pid, flush=True)
        sys.stdin.read()
    """
    program, _ = _run_program(tmp_path, end.format(hang=hang))
    with program:
        worker = os.pidfd_open(int(program.stdout.readline()))
        program.kill()
    try:
        assert select.select([worker], [], [], 30)[0], "It still runs."
    finally:
        os.close(worker)


def test_forgotten_environment_ends_with_the_program(tmp_path):
    program, log = _run_program(tmp_path, "print(env.pid, flush=True)")
    with program:
        worker = int(program.stdout.readline())
        assert program.wait(60) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert log.read_text() == "main\n"  # The worker did not run the program.
