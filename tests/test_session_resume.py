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


class Case:
    """Programs of a kind, and what one that nothing ever happens to leaves.

    Attributes:
      ahead: whether they collect while updates go on.
      trace: of the undisturbed one.
    """

    def __init__(self, path, ahead):
        self.ahead = ahead
        program = self.start(path)
        self._scores, self.trace = program.run(), program.trace()
        self._batches = program.batches

    def start(self, path, **kwargs):
        """A program whose state of every kind matters when it goes on."""
        # Scores are means over two tasks, losses means over two updates.
        params = {"log_every": 2, "num_seed_episodes": 1}
        kwargs = {"params": params, "ahead": self.ahead, **kwargs}
        return Program(path, ("walk", "run"), **kwargs)

    def check_goes_on(self, path):
        program = self.start(path)
        scores = program.run()
        assert program.trace() == self.trace
        assert program.batches.items() <= self._batches.items()
        # Those from before it was cut off do not come again.
        assert scores == self._scores[len(self._scores) - len(scores) :]
        return program

    def run_with_faults(self, path, faults, monkeypatch):
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
            self.start(path).run()


@pytest.fixture(scope="module", params=[False, True], ids=["", "ahead"])
def case(request, tmp_path_factory):
    return Case(tmp_path_factory.mktemp("undisturbed"), request.param)


class TestCutOff:
    """By a crash, or by `kill -9`."""

    def test_anywhere(self, tmp_path, monkeypatch, case):
        faults = Faults()
        case.run_with_faults(tmp_path / "count", faults, monkeypatch)
        assert faults.count > 80
        # Enough to meet the moments before and after every kind of thing.
        for moment in range(0, faults.count, 9):
            path = tmp_path / str(moment)
            with pytest.raises(Crash):
                case.run_with_faults(path, Faults(moment), monkeypatch)
            case.check_goes_on(path)

    def test_in_the_middle_of_an_episode(self, tmp_path, case):
        def crash():
            # One agent is through, another is not.
            (env,) = first.rollouts["run"]._envs
            env.reset(seed=0)
            for _ in range(LENGTH + 1):
                env.step(np.zeros(2))
            raise Crash

        first = case.start(tmp_path, on_rollout=crash)
        with pytest.raises(Crash):
            first.run()
        # Ahead, the second task may have begun before anybody took notice.
        left = [2 + 1, 2 + 2] if case.ahead else [2 + 1]
        train, test = first.trace()["files"]
        assert train in left and test == 2
        assert first.closed == 1
        case.check_goes_on(tmp_path)


class TestDamagedCheckpoint:
    """The one before takes its place, and nothing counts twice."""

    @pytest.mark.parametrize("moment", range(20, 90, 10))
    def test_after_a_crash(self, tmp_path, monkeypatch, case, moment):
        with pytest.raises(Crash):
            case.run_with_faults(tmp_path, Faults(moment), monkeypatch)
        *before, last = sorted(
            (tmp_path / "checkpoints").glob("ckpt-*.index"),
            key=lambda path: int(path.stem.split("-")[1]),
        )
        assert before
        data = last.with_suffix(".data-00000-of-00001")
        data.write_bytes(data.read_bytes()[:10])
        case.check_goes_on(tmp_path)


class TestStopped:
    def test_anywhere(self, tmp_path, case):
        questions = itertools.count(0, 7)
        for number in questions:
            path = tmp_path / str(number)
            asked = itertools.count()
            guard = Guard(lambda n=number, a=asked: next(a) >= n)
            program = case.start(path, guard=guard)
            try:
                program.run()
                break
            except Stopped:
                assert program.closed == 1
            reached = program.trace()
            case.check_goes_on(path)
            # Nothing that was there had to be done again.
            lines = len(reached["metrics"])
            assert case.trace["metrics"][:lines] == reached["metrics"]
        assert number > 20

    def test_in_the_middle_of_an_episode(self, tmp_path, case):
        def stop():
            raise RolloutStopped("stop")

        program = case.start(tmp_path, on_rollout=stop)
        # Ahead, somebody takes notice when the test needs the environments.
        step, update = (15, 2) if case.ahead else (10, 1)
        with pytest.raises(Stopped, match=f"at step {step}"):
            program.run()
        assert program.trace()["weight"] == 2
        other = case.check_goes_on(tmp_path)
        # Not with the update that led there again.
        assert set(other.seeds) == {("train", 3, 0, update), ("test", 3, 1, 0)}
