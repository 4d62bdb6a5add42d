"""When agents that are trained by steps decide."""

import dataclasses
from fractions import Fraction

import pytest

from planet_tf2.configs.step_schedule import StepSchedule

SCHEDULE = StepSchedule(
    envs=1,
    prefill=10,
    pretrain=3,
    decisions_per_update=Fraction(16 * 64, 512),
    train_updates=5,
    epochs=2,
)


def rounds(num_envs, updates=9, **changes):
    """Rounds that are due right before each update."""
    schedule = dataclasses.replace(SCHEDULE, **changes)
    total = [schedule.rounds(u, num_envs) for u in range(-1, updates)]
    return [b - a for a, b in zip(total[:-1], total[1:], strict=True)]


def test_pretraining_comes_before_the_first_decision():
    assert rounds(1) == [0, 0, 0, 2, 2, 2, 2, 2, 2]
    assert rounds(1, pretrain=0) == [2] * 9


def test_all_environments_together_keep_the_ratio():
    """Not each of them."""
    assert rounds(4) == [0, 0, 0, 0, 1, 0, 1, 0, 1]
    assert sum(rounds(3, 3 + 300)) == 200


@pytest.mark.parametrize(
    "ratio, expected",
    [
        (Fraction(200, 512), [0, 0, 0, 0, 0, 1, 0, 0, 1]),
        (Fraction(64), [0, 0, 0, 64, 64, 64, 64, 64, 64]),
        (Fraction(3, 2), [0, 0, 0, 1, 2, 1, 2, 1, 2]),
    ],
)
def test_fractions_add_up(ratio, expected):
    assert rounds(1, decisions_per_update=ratio) == expected
    exact = SCHEDULE.pretrain + 10**9 - 1
    schedule = dataclasses.replace(SCHEDULE, decisions_per_update=ratio)
    assert schedule.rounds(exact, 1) == 10**9 * ratio // 1


def test_length_of_a_run():
    assert SCHEDULE.max_steps(16) == 2 * (5 + 1) * 16


def test_stored_episodes_need_no_decisions():
    assert not any(rounds(1, offline_train="folder"))
