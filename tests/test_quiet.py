"""The screen without the chatter of native libraries."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from planet_tf2.tools.command import native_stderr_silenced
try:
    with native_stderr_silenced():
        os.write(2, b"chatter\\n")
        if "fail" in sys.argv:
            raise ValueError("a reason")
finally:
    os.write(2, b"after\\n")
"""


def run(*arguments, level="2"):
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": level}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env=environ,
    )
    return result.stderr


def test_exceptions_are_reported():
    message = run("fail")
    assert "chatter" not in message
    assert "ValueError: a reason" in message


@pytest.mark.parametrize(
    "level, seen", [("0", "chatter\nafter\n"), ("2", "after\n")]
)
def test_silences_only_inside_and_unless_told_otherwise(level, seen):
    assert run(level=level) == seen
