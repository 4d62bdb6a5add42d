import errno
import json
import os
import pathlib
import subprocess
import sys

import pytest

from planet_tf2.experiment import claims, watching
from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.watching import describe, see


@pytest.fixture
def path(tmp_path):
    return tmp_path / "PING"


@pytest.fixture(params=["links", "copies"])
def make(path, request, monkeypatch):
    """Makes claims, also where files can only have one name."""
    made = []

    def refuse(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "copies":
        monkeypatch.setattr(os, "link", refuse)

    def make(worker="a", ping_every=30):
        made.append(Claim(path, worker, ping_every))
        return made[-1]

    yield make
    for claim in made:
        claim.release()


def names(path):
    return os.listdir(path.parent)


def test_only_one_gets_it(make, path):
    first, second = make("a", ping_every=12), make("b")
    assert first.acquire()
    assert not second.acquire()
    assert first.holds() and not second.holds()
    first.details["step"] = 40
    assert first.refresh() and not second.refresh()
    about = describe(path.read_bytes())
    assert (about["worker"], about["process"]) == ("a", os.getpid())
    assert (about["step"], about["ping_every"]) == (40, 12)
    assert about["host"] and about["time"].endswith("Z")


def test_release_lets_others_in(make, path):
    first, second = make(), make()
    first.acquire()
    first.release()
    assert names(path) == []
    assert not first.holds()
    assert not first.refresh()
    assert second.acquire()
    first.release()
    assert second.holds()


def test_takeover_ends_the_old_claim(make, path):
    old, new = make("old"), make("new")
    old.acquire()
    assert new.acquire(see(path))
    assert new.holds()
    assert not old.holds()
    assert not old.refresh()
    old.release()
    assert new.holds()
    assert describe(path.read_bytes())["worker"] == "new"
    assert names(path) == ["PING"]


@pytest.mark.parametrize("end", ["refresh", "release"])
def test_takeover_of_a_claim_that_woke_up(make, path, end):
    old, new = make(), make()
    old.acquire()
    watched = see(path)
    getattr(old, end)()
    assert not new.acquire(watched)
    assert old.holds() == (end == "refresh")
    assert names(path) == ["PING"] * old.holds()


@pytest.mark.parametrize("strange", [False, True])
def test_only_one_takes_over(make, path, strange):
    old, first, second = make(), make(), make()
    old.acquire()
    if strange:
        path.write_bytes(b"")
    watched = see(path)
    assert not first.acquire()
    assert first.acquire(watched)
    assert not second.acquire(watched)
    assert first.holds()


def test_sleeper_cannot_overwrite_the_new_claim(make, path, monkeypatch):
    """The old owner looks, is replaced, and only then writes."""
    old, new = make("old"), make("new")
    old.acquire()
    look = old.holds

    def look_then_sleep():
        result = look()
        assert new.acquire(see(path))
        return result

    monkeypatch.setattr(old, "holds", look_then_sleep)
    old.refresh()
    monkeypatch.undo()
    assert new.holds()
    assert not old.holds()


def test_sleeper_cannot_remove_the_new_claim(make, path, monkeypatch):
    old, new = make(), make()
    old.acquire()
    look = old._is_there

    def look_while_another_tries():
        new.acquire(see(path))
        return look()

    monkeypatch.setattr(old, "_is_there", look_while_another_tries)
    old.release()
    # Either of them has ended the claim, and not both.
    assert new.holds() == path.exists()
    if new.holds():
        assert describe(path.read_bytes())["id"] == new.id
    else:
        assert make().acquire()


class Killed(BaseException):
    """Where it is raised, nothing is put in order any more."""


def _kill_at(monkeypatch, owner, name):
    """Stops at a call, and leaves everything as it is at that moment."""

    def kill(*args, **kwargs):
        raise Killed

    monkeypatch.setattr(owner, name, kill)
    monkeypatch.setattr(os, "unlink", kill)
    monkeypatch.setattr(type(pathlib.Path()), "unlink", kill)


def test_takeover_from_one_who_died_while_taking_over(make, path, monkeypatch):
    old, dead, new, late = make("old"), make("dead"), make("new"), make("late")
    old.acquire()
    with monkeypatch.context() as patch:
        _kill_at(patch, os, "replace")
        with pytest.raises(Killed):
            dead.acquire(see(path))
    assert old.holds()
    sight = see(path)
    workers = [describe(c)["worker"] for c in sight.values()]
    assert workers == ["old", "dead"]
    assert not late.acquire({path.name: sight[path.name]})
    assert new.acquire(sight)
    assert new.holds() and not old.holds() and not dead.holds()
    assert names(path) == ["PING"]
    assert not late.acquire(sight)


def test_one_who_slept_while_taking_over_comes_too_late(
    make, path, monkeypatch
):
    old, slow, new = make("old"), make("slow"), make("new")
    old.acquire()
    replace = os.replace

    def sleep_then_replace(*args):
        monkeypatch.setattr(os, "replace", replace)
        assert new.acquire(see(path))
        return replace(*args)

    monkeypatch.setattr(os, "replace", sleep_then_replace)
    assert not slow.acquire(see(path))
    assert new.holds() and not slow.holds()
    assert names(path) == ["PING"]


def test_takeover_from_one_who_died_while_releasing(make, path, monkeypatch):
    old, new = make("old"), make("new")
    old.acquire()
    with monkeypatch.context() as patch:
        _kill_at(patch, os, "remove")
        with pytest.raises(Killed):
            old.release()
    sight = see(path)
    assert len(sight) == 2
    assert new.acquire(sight)
    assert new.holds()
    assert names(path) == ["PING"]


def test_release_during_a_takeover_leaves_it_alone(make, path, monkeypatch):
    old, new = make("old"), make("new")
    old.acquire()
    replace = os.replace

    def release_then_replace(*args):
        old.release()
        return replace(*args)

    monkeypatch.setattr(os, "replace", release_then_replace)
    assert new.acquire(see(path))
    assert new.holds()
    assert names(path) == ["PING"]


def test_folder_that_was_removed(make, path):
    claim = make()
    claim.acquire()
    path.unlink()
    path.parent.rmdir()
    assert not claim.holds()
    assert not claim.refresh()
    claim.release()
    assert not path.parent.exists()


def start(path, end):
    """Starts a program that claims a folder and ends."""
    code = (
        "import os, sys; from planet_tf2.experiment.claims import Claim; "
        f"claim = Claim(sys.argv[1], 'b', 30); claim.acquire(); {end}"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(path)])


def test_owner_is_gone_when_its_process_is(path):
    with start(path, "os._exit(9)") as process:
        # As long as nobody took note of its end, it still has a number.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        content = path.read_bytes()
        if watching.machine_id() is None:
            pytest.skip("Processes are only told apart on Linux.")
        assert watching.owner_is_gone(content)
    assert watching.owner_is_gone(content)
    watch = watching.Watch(path, 30)
    assert watch.look() and watch.is_dead()
    for change in {"machine": "another"}, {"process": os.getpid()}:
        other = json.dumps({**describe(content), **change}).encode()
        assert not watching.owner_is_gone(other)


def test_files_of_the_killed_are_removed(make, path):
    """But none of a claimer that may be alive."""
    with start(path, "os._exit(9)") as process:
        process.wait()
    if watching.machine_id() is None:
        pytest.skip("Processes are only told apart on Linux.")
    gone = describe(path.read_bytes())
    path.unlink()
    living = {**gone, "process": os.getpid()}
    elsewhere = {**gone, "machine": "another"}
    for about, *left in (
        (gone, "PING.1", "PING.1.next", "PINGPONG"),
        (living, "PING.2", "PING.2.next"),
        (elsewhere, "PING.3", "PING.4"),
    ):
        for name in left:
            path.with_name(name).write_text(json.dumps(about))
    path.with_name("PING.5").write_bytes(b"")  # Killed while it wrote.
    for name in ("PING.4", "PING.2"):
        os.utime(path.with_name(name), (1e9, 1e9))
    path.with_name("PING.6").mkdir()
    assert make().acquire()
    kept = ["PING", "PING.2", "PING.2.next", "PING.3", "PING.5", "PING.6"]
    assert sorted(names(path)) == [*kept, "PINGPONG"]


@pytest.mark.parametrize("dead", [False, True])
def test_one_whose_file_was_removed_has_no_claim(make, path, monkeypatch, dead):
    """It slept for a day, between preparing the claim and making it."""
    if dead:
        make("old").acquire()
    link, claim = claims._link, make()

    def sleep_then_link(prepared, target):
        prepared.unlink()
        return link(prepared, target)

    monkeypatch.setattr(claims, "_link", sleep_then_link)
    assert not claim.acquire(see(path) if dead else None)
    assert not claim.holds() and names(path) == ["PING"] * dead


def test_claims_are_released_at_exit(path):
    with start(path, "sys.exit(3 if claim.holds() else 4)") as process:
        assert process.wait() == 3
    assert not path.exists()


class Paces:
    """Stands in for an event that is set after so many waits."""

    def __init__(self, amount):
        self.waits = []
        self._amount = amount

    def wait(self, seconds):
        self.waits.append(seconds)
        return len(self.waits) > self._amount

    def set(self):
        pass


class TestPinger:
    def keep_alive(self, claim, amount):
        claim.acquire()
        claim._released = Paces(amount)
        claim.keep_alive()
        claim._pinger.join()
        return claim._released.waits

    def test_refreshes_until_released(self, make, path):
        claim = make(ping_every=7)
        assert self.keep_alive(claim, 3) == [7] * 4
        assert describe(path.read_bytes())["pings"] == 3

    def test_ends_when_the_claim_is_lost(self, make, path, monkeypatch):
        claim = make()
        monkeypatch.setattr(claim, "_is_there", lambda: False)
        assert self.keep_alive(claim, 10**9) == [30]
        assert claim.lost

    def test_survives_failing_writes(self, make, monkeypatch, caplog):
        claim = make()

        def refuse():
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(claim, "refresh", refuse)
        assert len(self.keep_alive(claim, 2)) == 3
        assert caplog.text.count("No space left on device") == 2
        assert claim.holds()
