import json
import threading

import numpy as np
import pytest

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.experiment.claims import Claim, describe, see
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.experiment.run import ClaimLost, Pinger, Run
from planet_tf2.tools.signals import Stopped


@pytest.fixture(name="messages")
def _messages():
    return []


@pytest.fixture(name="make")
def _make(tmp_path, messages):
    def make(process_fn, **kwargs):
        return Experiment(
            tmp_path / "logdir",
            process_fn,
            report=messages.append,
            clock=lambda: 0,
            **kwargs,
        )

    return make


def _ping(folder, worker="other", ping_every=30):
    folder.path.mkdir(parents=True, exist_ok=True)
    claim = Claim(folder.ping, worker, ping_every)
    assert claim.acquire()
    return claim


def _numbers(experiment):
    numbers = []
    for run in experiment:
        numbers.append(run.number)
        list(run)
    return numbers


def test_done_has_time_step_and_last_score(make):
    def process(folder, run):
        run.step = np.int64(50)
        yield 1.0
        yield np.float32(2.5)

    experiment = make(process)
    _numbers(experiment)
    assert json.loads(experiment.folder(1).done.read_text()) == {
        "time": "1970-01-01T00:00:00Z",
        "step": 50,
        "score": 2.5,
    }


def test_failure_writes_the_traceback_and_is_raised(make):
    def process(folder, run):
        run.step = 7
        yield 0
        raise ZeroDivisionError("on purpose")

    experiment = make(process)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        _numbers(experiment)
    folder = experiment.folder(1)
    text = folder.fail.read_text()
    assert "at step 7" in text
    assert "Traceback" in text
    assert "ZeroDivisionError: on purpose" in text
    assert not folder.done.exists()
    assert not folder.ping.exists()


def test_failure_before_the_first_step(make):
    def process(folder, run):
        raise OSError("on purpose")
        yield 0

    experiment = make(process)
    with pytest.raises(OSError, match="on purpose"):
        _numbers(experiment)
    header = experiment.folder(1).fail.read_text().splitlines()[0]
    assert header == "1970-01-01T00:00:00Z at the start"


@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, SystemExit])
def test_stopping_is_no_failure(make, error):
    closed = []

    def process(folder, run):
        (folder.path / "file").touch()
        try:
            yield 0
            raise error
        finally:
            closed.append(folder.ping.exists())

    experiment = make(process)
    with pytest.raises(error):
        _numbers(experiment)
    folder = experiment.folder(1)
    for path in (folder.ping, folder.done, folder.fail):
        assert not path.exists()
    assert closed == [True]  # Released only after the process has ended.
    assert _numbers(make(lambda folder, run: [0])) == [1]


def test_leaving_the_loop_is_no_failure(make):
    closed = []

    def process(folder, run):
        try:
            yield 0
            yield 1
        finally:
            closed.append(True)

    experiment = make(process)
    for run in experiment:
        scores = iter(run)
        assert next(scores) == 0
        scores.close()
    folder = experiment.folder(1)
    assert closed == [True]
    assert not folder.ping.exists()
    assert not folder.done.exists()
    assert not folder.fail.exists()


def test_lost_claim_ends_the_run_and_touches_nothing(make, messages):
    def process(folder, run):
        yield 0
        taker = Claim(folder.ping, "taker", 30)
        assert taker.take_over(see(folder.ping))
        with pytest.raises(ClaimLost, match="another worker"):
            run.check()
        yield 1
        pytest.fail("Nobody should get here.")

    looks = []

    def wait_until_the_taker_is_done(seconds):
        looks.append(describe(folder.ping.read_bytes())["worker"])
        assert not folder.done.exists()
        assert not folder.fail.exists()
        folder.done.write_text("{}")

    experiment = make(process, wait=wait_until_the_taker_is_done)
    folder = experiment.folder(1)
    scores = [list(run) for run in experiment]
    assert scores == [[0]]
    assert looks == ["taker"]
    assert folder.done.read_text() == "{}"
    assert any("belongs to another worker" in text for text in messages)
    assert "already done" in messages[-1]
    assert not experiment.left


def test_errors_after_losing_the_claim_are_only_reported(make, messages):
    def process(folder, run):
        folder.ping.unlink()
        raise ValueError
        yield

    experiment = make(process)
    _numbers(experiment)
    assert not experiment.folder(1).fail.exists()
    assert "removed the claim" in messages[-1]
    assert "ValueError" in messages[-1]


class Paces(threading.Event):
    """Event that lets a number of waits pass and then is set."""

    def __init__(self, amount):
        super().__init__()
        self.waits = []
        self._amount = amount

    def wait(self, timeout=None):
        self.waits.append(timeout)
        return len(self.waits) > self._amount


def test_pinger_refreshes_until_stopped(tmp_path):
    claim = _ping(RunFolder(tmp_path), ping_every=7)
    paces = Paces(3)
    Pinger(claim, paces).start().stop()
    assert paces.waits == [7] * 4
    assert describe(claim.path.read_bytes())["pings"] == 3
    claim.release()


def test_pinger_ends_when_the_claim_is_lost(tmp_path):
    claim = _ping(RunFolder(tmp_path))
    claim.path.unlink()
    paces = Paces(10**9)
    Pinger(claim, paces).start().stop()
    assert paces.waits == [30]


def test_pinger_survives_failing_writes(tmp_path, monkeypatch, caplog):
    claim = _ping(RunFolder(tmp_path))

    def refuse():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claim, "refresh", refuse)
    paces = Paces(2)
    Pinger(claim, paces).start().stop()
    assert len(paces.waits) == 3
    assert caplog.text.count("No space left on device") == 2
    claim.release()


def test_step_goes_to_ping(tmp_path):
    folder = RunFolder(tmp_path)
    claim = _ping(folder)
    run = Run(1, folder, lambda folder, run: [], claim)
    run.step = 120
    claim.refresh()
    assert describe(folder.ping.read_bytes())["step"] == 120
    run.release()
    run.release()
    assert not folder.ping.exists()
