"""The doctor plays a task, and says what an agent would see of it."""

import pytest

from planet_tf2.doctor.examination import check_task
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM


def _check(task):
    return list(check_task(task, "planet", 60))


def test_one_that_shows_something():
    (finding,) = _check("dummy")
    assert finding.status == OK
    assert finding.text == (
        "dummy can be played. Images come from the observation 'image', uint8"
        " [64, 64, 3]."
    )


def test_one_that_shows_nothing():
    first, *others = _check("custom_tasks:crowded")
    assert first.status == OK and "Not stored unless" in first.text
    assert [finding.status for finding in others] == [NOTE]
    assert "hold 1 color at image_bits: 5" in others[0].text


@pytest.mark.parametrize(
    "task, reason",
    [
        ("custom_tasks:no_such", "has nothing called 'no_such'"),
        ("custom_tasks:crashes", "ended with exit code 3"),
        ("custom_tasks:breaks", "the simulator is gone"),
        ("custom_tasks:raises", "ZeroDivisionError"),
        ("gym:Pendulun-v1", "Did you mean 'gym:Pendulum-v1'?"),
    ],
)
def test_one_that_cannot_be_played(task, reason):
    (finding,) = _check(task)
    assert finding.status == PROBLEM and reason in finding.text
    assert "\n" not in finding.text
