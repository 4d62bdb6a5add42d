"""Children of the program that may crash or hang without harm."""

import sys
import time

import psutil
import pytest

from planet_tf2.envs import child_process
from planet_tf2.envs.child_process import Result


def python(code, seconds=60.0):
    return child_process.run([sys.executable, "-c", code], seconds)


def test_child_that_crashes():
    outcome = python("import os; print('{\"a\": 1}', flush=True); os.abort()")
    assert outcome.complaint == "it died of SIGABRT"
    assert outcome.records == [{"a": 1}] and outcome.answer is None


def test_child_that_hangs_with_a_child_of_its_own():
    """Whatever has the output open does not keep us waiting, nor lives on."""
    outcome = python(
        """
import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
print(child.pid, flush=True)
threading.Event().wait()
""",
        5.0,
    )
    assert outcome.exit_code is None
    assert "no answer within" in outcome.complaint
    assert outcome.seconds < 60 and outcome.records == []
    # A busy machine may take a moment to end what was killed.
    deadline = time.monotonic() + 30
    while is_alive(int(outcome.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid):
    """Tells whether a process is neither gone nor waiting for its burial."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_child_that_is_not_there():
    outcome = child_process.run(["/no/such/program"], 5.0)
    assert outcome.exit_code == 127
    assert "No such file" in outcome.complaint


@pytest.mark.parametrize(
    "stderr, expected",
    [
        ("Traceback\n  x\nValueError: no\n", "ValueError: no"),
        ("a.b.FatalError: no\n\nTry\n  this", "a.b.FatalError: no"),
        ("something\nelse\n", "else"),
        ("\n", "exit code 3"),
    ],
)
def test_complaints_are_one_line(stderr, expected):
    assert Result(3, "", stderr, 0.0).complaint == expected
