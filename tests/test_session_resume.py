"""Runs that are cut off and go on.

Everything is deterministic here, so that a run that was cut off anywhere and
continued has to leave exactly the traces of one that never was.
"""

import itertools

import numpy as np
import pytest
from session_fakes import LENGTH, FakeAgent, FakeRollout, Program

from planet_tf2.control.in_graph_batch_env import RolloutStopped
from planet_tf2.data import episodes
from planet_tf2.tools.journal import Journal
from planet_tf2.tools.signals import Guard, Stopped
from planet_tf2.training import session as session_lib
from planet_tf2.training.trainer import Trainer


class Crash(BaseException):
    """The end, at a moment at which nothing can be put in order."""


class Faults:
    """Counts what happens, and ends the program at one of these moments."""

    def __init__(self, at=None):
        self.count = 0
        self._at = at

    def tick(self):
        self.count += 1
        if self.count - 1 == self._at:
            raise Crash

    def around(self, function):
        def wrapped(*args, **kwargs):
            self.tick()
            result = function(*args, **kwargs)
            self.tick()
            return result

        return wrapped


def start(path, **kwargs):
    """A program whose state of every kind matters when it goes on."""
    # Scores are means over two tasks, losses means over two updates.
    params = {"log_every": 2, "num_seed_episodes": 1}
    return Program(path, ("walk", "run"), params=params, **kwargs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    program = start(tmp_path_factory.mktemp("undisturbed"))
    return program.run(), program.trace(), program.batches


def check_goes_on(path, undisturbed):
    expected_scores, expected_trace, expected_batches = undisturbed
    program = start(path)
    scores = program.run()
    assert program.trace() == expected_trace
    assert program.batches.items() <= expected_batches.items()
    # Those from before it was cut off do not come again.
    assert scores == expected_scores[len(expected_scores) - len(scores) :]
    return program


def run_with_faults(path, faults, monkeypatch):
    """Counts moments before and after everything that leaves a trace."""
    with monkeypatch.context() as patch:
        for owner, name in (
            (Journal, "append"),
            (episodes, "publish"),
            (Trainer, "save"),
            (FakeAgent, "train_step"),
            (FakeRollout, "__call__"),
            (session_lib, "random_episodes"),
        ):
            patch.setattr(owner, name, faults.around(getattr(owner, name)))
        start(path).run()


class TestCutOff:
    """By a crash, or by `kill -9`."""

    def test_anywhere(self, tmp_path, monkeypatch, undisturbed):
        faults = Faults()
        run_with_faults(tmp_path / "count", faults, monkeypatch)
        assert faults.count > 80
        # Enough to meet the moments before and after every kind of thing.
        for moment in range(0, faults.count, 9):
            path = tmp_path / str(moment)
            with pytest.raises(Crash):
                run_with_faults(path, Faults(moment), monkeypatch)
            check_goes_on(path, undisturbed)

    def test_in_the_middle_of_an_episode(self, tmp_path, undisturbed):
        def crash():
            # One agent is through, another is not.
            (env,) = first.rollouts["run"]._envs
            env.reset(seed=0)
            for _ in range(LENGTH + 1):
                env.step(np.zeros(2))
            raise Crash

        first = start(tmp_path, on_rollout=crash)
        with pytest.raises(Crash):
            first.run()
        assert first.trace()["files"] == [2 + 1, 2]
        assert first.closed == 1
        check_goes_on(tmp_path, undisturbed)


class TestDamagedCheckpoint:
    """The one before takes its place, and nothing counts twice."""

    @pytest.mark.parametrize("moment", range(20, 90, 10))
    def test_after_a_crash(self, tmp_path, monkeypatch, undisturbed, moment):
        with pytest.raises(Crash):
            run_with_faults(tmp_path, Faults(moment), monkeypatch)
        *before, last = sorted(
            (tmp_path / "checkpoints").glob("ckpt-*.index"),
            key=lambda path: int(path.stem.split("-")[1]),
        )
        assert before
        data = last.with_suffix(".data-00000-of-00001")
        data.write_bytes(data.read_bytes()[:10])
        check_goes_on(tmp_path, undisturbed)


class TestStopped:
    def test_anywhere(self, tmp_path, undisturbed):
        questions = itertools.count(0, 7)
        for number in questions:
            path = tmp_path / str(number)
            asked = itertools.count()
            guard = Guard(lambda n=number, a=asked: next(a) >= n)
            program = start(path, guard=guard)
            try:
                program.run()
                break
            except Stopped:
                assert program.closed == 1
            reached = program.trace()
            check_goes_on(path, undisturbed)
            # Nothing that was there had to be done again.
            lines = len(reached["metrics"])
            assert undisturbed[1]["metrics"][:lines] == reached["metrics"]
        assert number > 20

    def test_in_the_middle_of_an_episode(self, tmp_path, undisturbed):
        def stop():
            raise RolloutStopped("stop")

        program = start(tmp_path, on_rollout=stop)
        with pytest.raises(Stopped, match="at step 10"):
            program.run()
        assert program.trace()["weight"] == 2
        other = check_goes_on(tmp_path, undisturbed)
        # Not with the update that led there again.
        assert set(other.seeds) == {("train", 3, 0, 1), ("test", 3, 1, 0)}
