"""Which runs of an experiment a worker works on, and when."""

import re

import pytest
from experiment_fakes import Waiter, hold, left, make, messages, work

from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.watching import see
from planet_tf2.tools.signals import Stopped

__all__ = ["make", "messages"]


def stop_after(questions):
    """Asks to stop from the n-th question on."""
    answers = iter([False] * questions)
    return lambda: next(answers, True)


def test_done_runs_are_reported_and_left_out(make, messages):
    work(make())
    assert work(make()) == []
    assert "Run 00001 is already done" in messages[-1]


def fail(run):
    raise ValueError("on purpose")


def test_failed_runs_are_left_alone(make, messages):
    with pytest.raises(ValueError):
        work(make(), fail)
    experiment = make(num_runs=2)
    before = experiment.folder(1).fail.read_bytes()
    assert work(experiment) == [2]
    assert "Run 00001 failed before and is left alone" in messages[1]
    assert f"00001: it failed, see {experiment.folder(1).fail}" in left(
        experiment
    )
    assert "--retry_failed" in left(experiment)
    assert experiment.folder(1).fail.read_bytes() == before
    assert not experiment.folder(1).ping.exists()


def test_failed_runs_go_on_when_asked_to(make, messages):
    with pytest.raises(ValueError):
        work(make(), fail)

    def train(run):
        assert not run.folder.fail.exists()

    experiment = make(retry_failed=True)
    assert work(experiment, train) == [1]
    assert any("trying again" in message for message in messages)
    assert experiment.folder(1).done.exists()
    assert not left(experiment)


def test_failed_runs_are_tried_again_only_once(make):
    with pytest.raises(ValueError):
        work(make(), fail)
    experiment = make(retry_failed=True)
    tries = 0
    for run in experiment:
        with pytest.raises(ValueError), run:
            fail(run)
        tries += 1
    assert tries == 1
    assert "00001: it failed" in left(experiment)


def test_what_others_fail_at_meanwhile_is_not_tried(make):
    """Workers do not hand a broken run to each other forever."""
    with pytest.raises(ValueError):
        work(make(), fail)
    folder = make().folder(1)
    claim = hold(folder)

    def fail_again():
        claim.refresh()
        folder.fail.write_text("Again.")
        claim.release()

    experiment = make(retry_failed=True, wait=Waiter(fail_again))
    assert work(experiment) == []
    assert "00001: it failed" in left(experiment)


def test_without_resuming_only_new_runs_start(make, messages):
    experiment = make(resume_runs=False, num_runs=2)
    experiment.folder(1).create()
    assert work(experiment) == [2]
    assert "Run 00001 was started before" in messages[0]


def test_living_workers_keep_their_runs(make, messages):
    claim = hold(make().folder(1))
    experiment = make(
        num_runs=2, wait=Waiter(claim.refresh), wait_for_others=False
    )
    assert work(experiment) == [2]
    assert claim.holds()
    assert "worker other" in messages[-1]
    assert "left out" in messages[-1]
    assert re.search("00001: worker other .*held$", left(experiment))
    claim.release()


def test_waits_until_others_are_through(make, messages):
    folder = make().folder(1)
    claim = hold(folder)
    looks = []

    def finish():
        looks.append(1)
        claim.refresh()
        if len(looks) == 100:
            folder.done.touch()
            claim.release()

    experiment = make(num_runs=2, wait=Waiter(finish))
    assert work(experiment) == [2]
    assert len(looks) == 100
    assert not left(experiment)
    assert "already done" in messages[-1] and not folder.ping.exists()
    waiting = [m for m in messages if "Others work on run 00001" in m]
    assert len(waiting) == 1 and "worker other" in waiting[0]


def test_takes_over_from_one_who_dies_later(make):
    """It was seen alive, and that does not count forever."""
    claim = hold(make().folder(1))
    waiter = Waiter(lambda: waiter.seconds < 300 and claim.refresh())
    assert work(make(wait=waiter)) == [1]
    assert waiter.seconds == pytest.approx(300 - 3 + 60, abs=4)
    assert not claim.holds()


def test_many_are_watched_at_once_and_free_runs_come_first(make, messages):
    claims = [hold(make().folder(n)) for n in range(1, 6)]
    waiter = Waiter()
    assert work(make(num_runs=6, wait=waiter)) == [6, 1, 2, 3, 4, 5]
    assert waiter.seconds == pytest.approx(60)
    assert not any(claim.holds() for claim in claims)
    assert any("taken over from worker other" in m for m in messages)


def test_stop_ends_the_waiting(make):
    claim = hold(make().folder(1))
    wait = Waiter(claim.refresh)
    with pytest.raises(Stopped, match="waiting"):
        work(make(wait=wait, should_stop=stop_after(3)))
    assert claim.holds()
    claim.release()


def rob(make, then):
    """Works on two runs; the first is taken over while it is worked on.

    Args:
      make: Makes experiments.
      then: What the taker does while it is watched.
    """
    takers = []

    def train(run):
        if not takers:
            takers.append(Claim(run.folder.ping, "taker", 30))
            assert takers[0].acquire(see(run.folder.ping))
            run.check()

    experiment = make(num_runs=2, wait=Waiter(lambda: then(takers[0])))
    numbers = work(experiment, train)
    assert not left(experiment)
    return numbers, takers[0]


def test_a_run_that_was_lost_is_left_to_the_taker(make):
    def finish(taker):
        taker.path.with_name("DONE").touch()
        taker.release()

    assert rob(make, finish)[0] == [1, 2]


def test_a_run_that_was_lost_is_taken_back_from_the_dead(make):
    numbers, taker = rob(make, lambda taker: None)
    assert numbers == [1, 2, 1] and not taker.holds()


def test_workers_that_end_while_watched_are_followed(make):
    claim = hold(make().folder(1))
    assert work(make(wait=Waiter(claim.release))) == [1]


def test_processes_that_are_gone_need_no_watching(make, monkeypatch):
    experiment = make(wait=Waiter(lambda: pytest.fail("No need to wait.")))
    hold(experiment.folder(1))
    monkeypatch.setattr(
        "planet_tf2.experiment.watching.owner_is_gone", lambda content: True
    )
    assert work(experiment) == [1]


def test_no_run_starts_after_a_stop(make):
    experiment = make(num_runs=3, should_stop=stop_after(2))
    numbers = []
    with pytest.raises(Stopped, match="before run 00003"):
        work(experiment, lambda run: numbers.append(run.number))
    assert numbers == [1, 2]
    assert not experiment.folder(3).path.exists()


@pytest.mark.parametrize(
    "arguments", [{"num_runs": 0}, {"num_runs": -1}, {"ping_every": -1}]
)
def test_bad_numbers_are_refused(make, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        make(**arguments)


def test_settings_are_compared_when_they_are_seen(make):
    """And again once the length of the run is settled."""
    seen = []
    experiment = make(
        num_runs=2,
        check=lambda folder, final: seen.append((folder.path.name, final)),
        wait=Waiter(lambda: claim.refresh() and len(seen) > 1 and end()),
    )
    first = experiment.folder(1)
    claim = hold(first)

    def end():
        first.done.write_text("{}")
        claim.release()

    assert not seen
    first.write_config({})
    assert work(experiment) == [2]
    assert seen == [("00001", False), ("00001", True)]
