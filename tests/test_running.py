import json
import shutil

import pytest

from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.experiment.claims import Claim, describe, see
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.tools.signals import Stopped


class Waiter:
    """Stands in for `time.sleep`. Does something in place of waiting."""

    def __init__(self, action=lambda: None):
        self.seconds = 0.0
        self._action = action

    def __call__(self, seconds):
        self.seconds += seconds
        self._action()


class StopAfter:
    """Asks to stop from the n-th question on."""

    def __init__(self, questions):
        self._questions = questions

    @property
    def requested(self):
        self._questions -= 1
        return self._questions < 0


@pytest.fixture(name="messages")
def _messages():
    return []


@pytest.fixture(name="make")
def _make(tmp_path, messages):
    def make(process_fn=None, **kwargs):
        kwargs = {"report": messages.append, "wait": Waiter(), **kwargs}
        return Experiment(
            tmp_path / "logdir",
            process_fn or (lambda folder, run: [1.0]),
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


def test_scores_come_in_order(make):
    def process(folder, run):
        yield from (run.number * 10 + value for value in range(3))

    scores = [list(run) for run in make(process, num_runs=2)]
    assert scores == [[10, 11, 12], [20, 21, 22]]


def test_runs_have_folders_of_their_own(make, tmp_path):
    folders = []

    def process(folder, run):
        folders.append(folder.path.name)
        assert folder is run.folder
        assert folder.path.is_dir()
        yield 0

    assert _numbers(make(process, num_runs=3)) == [1, 2, 3]
    assert folders == ["00001", "00002", "00003"]
    logdir = tmp_path / "logdir"
    assert sorted(path.name for path in logdir.iterdir()) == folders


def test_ping_is_there_while_working(make):
    def process(folder, run):
        about = describe(folder.ping.read_bytes())
        assert about["worker"] == "me"
        assert not folder.done.exists()
        yield 0

    experiment = make(process, worker_name="me")
    assert _numbers(experiment) == [1]
    assert not experiment.folder(1).ping.exists()


def test_done_runs_are_reported_and_left_out(make, messages):
    _numbers(make())

    def process(folder, run):
        raise AssertionError("It is done.")

    assert _numbers(make(process)) == []
    assert "Run 00001 is already done" in messages[-1]


def fail(folder, run):
    raise ValueError("on purpose")
    yield


def test_failed_runs_are_left_alone(make, messages):
    with pytest.raises(ValueError):
        _numbers(make(fail))
    experiment = make(num_runs=2)
    before = experiment.folder(1).fail.read_bytes()
    assert _numbers(experiment) == [2]
    assert "Run 00001 failed before and is left alone" in messages[1]
    assert list(experiment.left) == [1]
    assert str(experiment.folder(1).fail) in experiment.left[1]
    assert experiment.folder(1).fail.read_bytes() == before
    assert not experiment.folder(1).ping.exists()


def test_failed_runs_go_on_when_asked_to(make, messages):
    with pytest.raises(ValueError):
        _numbers(make(fail))

    def process(folder, run):
        assert run.resumed
        assert not folder.fail.exists()
        yield 0

    experiment = make(process, retry_failed=True)
    assert _numbers(experiment) == [1]
    assert any("trying again" in message for message in messages)
    assert experiment.folder(1).done.exists()
    assert experiment.left == {}


def test_failed_runs_are_tried_again_only_once(make):
    with pytest.raises(ValueError):
        _numbers(make(fail))
    experiment = make(fail, retry_failed=True)
    tries = 0
    for run in experiment:
        with pytest.raises(ValueError):
            list(run)
        tries += 1
    assert tries == 1
    assert list(experiment.left) == [1]


def test_what_others_fail_at_meanwhile_is_not_tried(make, tmp_path):
    """Workers do not hand a broken run to each other forever."""
    folder = make().folder(1)
    with pytest.raises(ValueError):
        _numbers(make(fail))
    claim = _ping(folder)

    def fail_again():
        claim.refresh()
        folder.fail.write_text("Again.")
        claim.release()

    experiment = make(retry_failed=True, wait=Waiter(fail_again))
    assert _numbers(experiment) == []
    assert list(experiment.left) == [1]


def test_runs_that_nobody_works_on_are_released(make):
    experiment = make(num_runs=2)
    for run in experiment:
        assert run.folder.ping.exists()
    assert not experiment.folder(1).ping.exists()
    assert not experiment.folder(2).ping.exists()
    assert _numbers(make(num_runs=2)) == [1, 2]


def test_resumed_tells_whether_there_was_something(make):
    resumed = []

    def process(folder, run):
        resumed.append(run.resumed)
        (folder.path / "config.yaml").touch()
        raise Stopped
        yield

    for _ in range(2):
        with pytest.raises(Stopped):
            _numbers(make(process))
    assert resumed == [False, True]


def test_without_resuming_only_new_runs_start(make, messages):
    experiment = make(resume_runs=False, num_runs=2)
    experiment.folder(1).create()
    assert _numbers(experiment) == [2]
    assert "Run 00001 was started before" in messages[0]


def test_living_workers_keep_their_runs(make, messages):
    claim = _ping(make().folder(1))
    experiment = make(
        num_runs=2, wait=Waiter(claim.refresh), wait_for_others=False
    )
    assert _numbers(experiment) == [2]
    assert claim.holds()
    assert "worker other" in messages[-1]
    assert "left out" in messages[-1]
    assert "worker other" in experiment.left[1]
    assert experiment.held == {1}
    claim.release()


def test_waits_until_others_are_through(make, messages):
    folder = make().folder(1)
    claim = _ping(folder)
    looks = []

    def work():
        looks.append(1)
        claim.refresh()
        if len(looks) == 100:
            folder.done.touch()
            claim.release()

    experiment = make(num_runs=2, wait=Waiter(work))
    assert _numbers(experiment) == [2]
    assert len(looks) == 100
    assert experiment.left == {} and experiment.held == set()
    waiting = [m for m in messages if "Others work on run 00001" in m]
    assert len(waiting) == 1 and "worker other" in waiting[0]


def test_takes_over_from_one_who_dies_later(make):
    """It was seen alive, and that does not count forever."""
    claim = _ping(make().folder(1))
    waiter = Waiter(lambda: waiter.seconds < 300 and claim.refresh())
    assert _numbers(make(wait=waiter)) == [1]
    assert waiter.seconds == pytest.approx(300 - 3 + 60, abs=4)
    assert not claim.holds()


def test_many_are_watched_at_once(make):
    claims = [_ping(make().folder(n)) for n in range(1, 6)]
    waiter = Waiter()
    assert _numbers(make(num_runs=5, wait=waiter)) == [1, 2, 3, 4, 5]
    assert waiter.seconds == pytest.approx(60)
    assert not any(claim.holds() for claim in claims)


def test_stop_ends_the_waiting(make):
    claim = _ping(make().folder(1))
    experiment = make(wait=Waiter(claim.refresh), stop=StopAfter(3))
    with pytest.raises(Stopped, match="waiting"):
        _numbers(experiment)
    assert claim.holds()
    claim.release()


class Robbed:
    """An experiment whose first run is taken over while it is worked on.

    Args:
      make: Makes experiments.
      then: What the taker does while it is watched.
    """

    def __init__(self, make, then, **kwargs):
        def process(folder, run):
            if not robbed:
                robbed.append(run.number)
                assert self.taker.take_over(see(folder.ping))
                run.check()
            yield 0

        robbed = []
        wait = Waiter(lambda: then(self))
        self.experiment = make(process, num_runs=2, wait=wait, **kwargs)
        self.folder = self.experiment.folder(1)
        self.taker = Claim(self.folder.ping, "taker", 30)


def test_a_run_that_was_lost_is_left_to_the_taker(make):
    def finish(robbed):
        robbed.folder.done.touch()
        robbed.taker.release()

    robbed = Robbed(make, finish)
    assert _numbers(robbed.experiment) == [1, 2]
    assert robbed.experiment.left == {}


def test_a_run_that_was_lost_is_taken_back_from_the_dead(make):
    robbed = Robbed(make, lambda robbed: None)
    assert _numbers(robbed.experiment) == [1, 2, 1]
    assert not robbed.taker.holds()
    assert robbed.experiment.left == {}


def test_a_run_that_was_lost_may_be_left_without_waiting(make):
    robbed = Robbed(
        make, lambda robbed: robbed.taker.refresh(), wait_for_others=False
    )
    assert _numbers(robbed.experiment) == [1, 2]
    assert "worker taker" in robbed.experiment.left[1]
    assert robbed.experiment.held == {1}
    assert robbed.taker.holds()
    robbed.taker.release()


@pytest.mark.parametrize("what", ["ping", "path"])
def test_a_run_whose_files_are_removed_is_not_begun_again(make, messages, what):
    def process(folder, run):
        if what == "path":
            shutil.rmtree(folder.path)
        else:
            folder.ping.unlink()
        run.check()
        yield

    experiment = make(process)
    assert _numbers(experiment) == [1]
    assert list(experiment.left) == [1]
    words = {"ping": "removed the claim", "path": "folder of run 00001 is gone"}
    assert words[what] in messages[-1]
    assert experiment.folder(1).path.exists() == (what == "ping")


def test_runs_that_look_free_come_first(make):
    claim = _ping(make().folder(1))
    assert _numbers(make(num_runs=3)) == [2, 3, 1]
    assert not claim.holds()


@pytest.mark.parametrize(("theirs", "seconds"), [(30, 60), (1, 60), (50, 100)])
def test_dead_workers_are_replaced_after_watching(
    make, messages, theirs, seconds
):
    waiter = Waiter()
    experiment = make(wait=waiter)
    claim = _ping(experiment.folder(1), ping_every=theirs)
    assert _numbers(experiment) == [1]
    assert waiter.seconds == pytest.approx(seconds)
    assert not claim.holds()
    assert any("taken over from worker other" in m for m in messages)
    assert experiment.folder(1).done.exists()


def test_workers_that_end_while_watched_are_followed(make):
    claim = _ping(make().folder(1))
    experiment = make(wait=Waiter(claim.release))
    assert _numbers(experiment) == [1]


def test_workers_that_finish_while_watched_are_left_alone(make, messages):
    folder = make().folder(1)
    claim = _ping(folder)

    def finish():
        folder.done.touch()
        claim.release()

    assert _numbers(make(wait=Waiter(finish))) == []
    assert "already done" in messages[-1]
    assert not folder.ping.exists()


def test_processes_that_are_gone_need_no_watching(make, monkeypatch):
    experiment = make(wait=Waiter(lambda: pytest.fail("No need to wait.")))
    _ping(experiment.folder(1))
    monkeypatch.setattr(
        "planet_tf2.experiment.claims.owner_is_gone", lambda content: True
    )
    assert _numbers(experiment) == [1]


def test_without_pinging_there_are_no_claims(make):
    def process(folder, run):
        assert not folder.ping.exists()
        run.step = 3
        run.check()
        yield 0

    experiment = make(process, ping_every=0)
    assert _numbers(experiment) == [1]
    assert json.loads(experiment.folder(1).done.read_text())["step"] == 3


def test_stop_is_passed_on(make):
    # Asked by the experiment, then in the process.
    def process(folder, run):
        assert not run.stop_requested
        assert run.stop_requested
        raise Stopped
        yield

    with pytest.raises(Stopped):
        _numbers(make(process, stop=StopAfter(2)))


def test_no_run_starts_after_a_stop(make):
    experiment = make(num_runs=3, stop=StopAfter(2))
    numbers = []
    with pytest.raises(Stopped, match="before run 00003"):
        for run in experiment:
            numbers.append(run.number)
            list(run)
    assert numbers == [1, 2]
    assert not experiment.folder(3).path.exists()


@pytest.mark.parametrize(
    "arguments", [{"num_runs": 0}, {"num_runs": -1}, {"ping_every": -1}]
)
def test_bad_numbers_are_refused(make, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        make(**arguments)


def test_bad_logdir_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="not a folder"):
        Experiment(tmp_path / "file" / "logdir", None)


def test_existing_folders_can_be_checked_first(make, tmp_path):
    experiment = make(num_runs=3)
    assert experiment.existing_folders() == []
    assert not (tmp_path / "logdir").exists()
    experiment.folder(2).create()
    experiment.folder(9).create()
    names = [folder.path.name for folder in experiment.existing_folders()]
    assert names == ["00002"]
