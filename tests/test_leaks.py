"""What must not grow, and that `stress_leaks.py` notices what does."""

import contextlib
import dataclasses
import sys

import pytest
from stress_leaks import Look, growth

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.training.summaries import Summaries

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


def test_summaries_keep_no_scalars(tmp_path):
    value = float("0.123456789")
    before = sys.getrefcount(value)
    with contextlib.closing(Summaries(RunFolder(tmp_path), None)) as summaries:
        summaries.scalars("train", 1, {"a": value})
    assert sys.getrefcount(value) == before
