"""How a run ends, and what is written then."""

import json
import shutil

import numpy as np
import pytest
from experiment_fakes import left, make, messages, work

from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.run import ClaimLost
from planet_tf2.experiment.watching import describe, see
from planet_tf2.tools.signals import Stopped

__all__ = ["make", "messages"]


def ends(folder):
    """Which of the files that tell the state of a run there are."""
    files = (folder.ping, folder.done, folder.fail)
    return [path.name for path in files if path.exists()]


@pytest.mark.parametrize("ping_every", [30, 0])
def test_done_has_time_step_and_last_score(make, ping_every):
    def train(run):
        assert ends(run.folder) == (["PING"] if ping_every else [])
        run.show(step=np.int64(50), score=1.0, seconds_left=np.nan)
        if ping_every:
            run._claim.refresh()
            about = describe(run.folder.ping.read_bytes())
            assert (about["step"], about["score"]) == (50, 1.0)
            assert (about["worker"], about["num_runs"]) == ("me", 1)
        run.guard.check()
        run.guard.show(score=np.float32(2.5))

    experiment = make(ping_every=ping_every, worker_name="me")
    assert work(experiment, train) == [1]
    done = json.loads(experiment.folder(1).done.read_text())
    assert done.pop("time").endswith("Z")
    assert done == {"step": 50, "score": 2.5}
    assert ends(experiment.folder(1)) == ["DONE"]


def test_failure_writes_the_traceback_and_is_raised(make):
    def train(run):
        run.show(step=7)
        raise ZeroDivisionError("on purpose")

    experiment = make()
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        work(experiment, train)
    text = experiment.folder(1).fail.read_text()
    assert "at step 7" in text
    assert "Traceback" in text
    assert "ZeroDivisionError: on purpose" in text
    assert ends(experiment.folder(1)) == ["FAIL"]


@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, SystemExit])
def test_stopping_is_no_failure(make, error):
    def train(run):
        (run.folder.path / "file").touch()
        raise error

    experiment = make()
    for _ in range(2):
        with pytest.raises(error):
            work(experiment, train)
        assert ends(experiment.folder(1)) == []
    assert work(make()) == [1]


def take_over(run):
    """Takes a run over from the worker in this process."""
    taker = Claim(run.folder.ping, "taker", 30)
    assert taker.acquire(see(run.folder.ping))
    return taker


def test_lost_claim_ends_the_run_and_touches_nothing(make, messages):
    def train(run):
        take_over(run)
        with pytest.raises(ClaimLost, match="another worker"):
            run.check()

    def wait_until_the_taker_is_done(seconds):
        assert describe(folder.ping.read_bytes())["worker"] == "taker"
        assert ends(folder) == ["PING"]
        folder.done.write_text("{}")

    experiment = make(wait=wait_until_the_taker_is_done)
    folder = experiment.folder(1)
    assert work(experiment, train) == [1]
    assert folder.done.read_text() == "{}"
    assert any("belongs to another worker" in text for text in messages)
    assert "already done" in messages[-1]
    assert not left(experiment)


@pytest.mark.parametrize("error", [None, ValueError])
@pytest.mark.parametrize("what", ["ping", "path"])
def test_a_run_whose_files_are_removed_is_left(make, messages, what, error):
    """Whatever went wrong, nothing is written, and it is not begun again."""

    def train(run):
        if what == "path":
            shutil.rmtree(run.folder.path)
        else:
            run.folder.ping.unlink()
        if error:
            raise error

    experiment = make()
    assert work(experiment, train) == [1]
    assert "00001: it was not finished" in left(experiment)
    assert f"removed {experiment.folder(1).ping}" in messages[-1]
    assert ends(experiment.folder(1)) == []
    assert experiment.folder(1).path.exists() == (what == "ping")


def test_runs_that_nobody_works_on_are_released(make):
    experiment = make(num_runs=2)
    for run in experiment:
        assert ends(run.folder) == ["PING"]
    for number in (1, 2):
        assert ends(experiment.folder(number)) == []
    assert work(make(num_runs=2)) == [1, 2]
