"""Experiments whose runs do nothing but what a test asks of them."""

import pytest

from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.experiment import Experiment, RunsLeft

__all__ = ["Waiter", "hold", "left", "make", "messages", "work"]


class Waiter:
    """Stands in for `time.sleep`. Does something in place of waiting."""

    def __init__(self, action=lambda: None):
        self.seconds = 0.0
        self._action = action

    def __call__(self, seconds):
        self.seconds += seconds
        self._action()


@pytest.fixture
def messages():
    return []


@pytest.fixture
def make(tmp_path, messages):
    def make(**kwargs):
        kwargs = {"report": messages.append, "wait": Waiter(), **kwargs}
        return Experiment(tmp_path / "logdir", **kwargs)

    return make


def hold(folder, worker="other", ping_every=30):
    """Claims a run, as another worker does."""
    folder.path.mkdir(parents=True, exist_ok=True)
    claim = Claim(folder.ping, worker, ping_every)
    assert claim.acquire()
    return claim


def left(experiment):
    """What is said of the runs that are not done; nothing if all are."""
    try:
        experiment.raise_if_left()
    except RunsLeft as error:
        return f"{error} {'held' if error.held else ''}"
    return ""


def work(experiment, train=lambda run: None):
    """Works on all runs; returns their numbers."""
    numbers = []
    for run in experiment:
        numbers.append(run.number)
        with run:
            train(run)
    return numbers
