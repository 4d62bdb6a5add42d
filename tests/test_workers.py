"""Worker processes on one folder; `stress_workers.py` is the full-size program.

Nothing here depends on how fast the processes are.
"""

import argparse

import pytest
from stress_workers import Stress


def stress(path, **kwargs):
    args = {"workers": 5, "runs": 10, "steps": 5, "kills": 0, "stops": 0}
    args |= {"ping_every": 0.5, "seed": 0, **kwargs}
    result = Stress(path, argparse.Namespace(**args))
    result.run()
    assert result.problems() == [], result.report()
    return result


@pytest.mark.slow
def test_every_run_is_done_once(tmp_path):
    stress(tmp_path)


@pytest.mark.slow
def test_workers_that_are_killed_or_put_to_sleep(tmp_path):
    result = stress(tmp_path, runs=12, steps=15, kills=5, stops=2)
    assert len(result.killed) == 5 and len(result.woken) == 2
