"""`stress_leaks.py` notices what grows."""

import dataclasses

import pytest
from stress_leaks import Look, growth

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
