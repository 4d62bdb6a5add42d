"""`stress_leaks.py` notices what grows."""

import dataclasses
import os
import subprocess
import sys

import pytest
from stress_leaks import Look, growth, look_at
from stress_resume import descendants, survivors

LOOK = Look(
    megabytes=900.0, env_megabytes=200.0, threads=30, files=40, children=2
)


def test_noise_is_no_growth():
    looks = [
        dataclasses.replace(
            LOOK, megabytes=900 + number % 3, files=40 + (number % 5 == 0)
        )
        for number in range(40)
    ]
    assert growth(looks) == []


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Look)])
def test_growth(name):
    start = getattr(LOOK, name)
    looks = [
        dataclasses.replace(LOOK, **{name: start * (1 + number / 100)})
        for number in range(40)
    ]
    (problem,) = growth(looks)
    assert problem.startswith(f"{name} grew from {start * 1.045:g} to")


def test_nothing_seen():
    assert growth([]) == ["nothing was seen"]


def test_this_process():
    before = look_at(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as child:
        after = look_at(os.getpid())
        family = list(descendants(os.getpid()))
        assert child.pid in [number for number, _ in family]
        child.stdin.close()
        child.wait()
    assert after.children == before.children + 1
    assert after.files == before.files + 1
    assert after.megabytes > 10
    assert survivors([one for one in family if one[0] == child.pid]) == []
    (me,) = [one for one in descendants(os.getppid()) if one[0] == os.getpid()]
    assert len(survivors([me], seconds=0)) == 1
