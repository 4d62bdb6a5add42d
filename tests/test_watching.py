import pytest

from planet_tf2.experiment.claims import Claim, see
from planet_tf2.experiment.watching import Watcher, owner


@pytest.fixture(name="ping")
def _ping(tmp_path):
    return tmp_path / "PING"


@pytest.fixture(name="make")
def _make(ping):
    made = []

    def make(worker="other", ping_every=30, path=ping):
        claim = Claim(path, worker, ping_every)
        made.append(claim)
        return claim

    yield make
    for claim in made:
        claim.release()


def watch(watcher, path, seconds):
    """Looks again and again; returns the time until the claim is dead."""
    watcher.look(path)
    watched = 0.0
    while not watcher.is_dead(path):
        wait = watcher.wait_seconds([path])
        assert 0 < wait <= 3
        watched += wait
        if watched > seconds:
            return None
        watcher.look(path, wait)
    return watched


@pytest.mark.parametrize(("theirs", "seconds"), [(30, 60), (1, 60), (50, 100)])
def test_dead_after_twice_the_longer_time(make, ping, theirs, seconds):
    make(ping_every=theirs).acquire()
    assert watch(Watcher(30), ping, 200) == pytest.approx(seconds)


def test_alive_while_it_changes(make, ping):
    claim = make()
    claim.acquire()
    watcher = Watcher(30)
    watcher.look(ping)
    assert not watcher.is_alive(ping)
    for _ in range(50):
        watcher.look(ping, 59)
        assert not watcher.is_dead(ping)
        claim.refresh()
        watcher.look(ping, 59)
        assert watcher.is_alive(ping)


def test_another_owner_is_no_sign_of_life(make, ping):
    claim, other = make(), make()
    claim.acquire()
    watcher = Watcher(30)
    watcher.look(ping)
    claim.refresh()
    watcher.look(ping, 40)
    assert watcher.is_alive(ping)
    claim.release()
    other.acquire()
    watcher.look(ping, 40)
    assert not watcher.is_alive(ping)
    assert not watcher.is_dead(ping)


def test_a_watcher_that_sleeps_sees_one_wait_only(make, ping):
    """However long it slept: the owner may have slept as well."""
    make().acquire()
    watcher = Watcher(30)
    watcher.look(ping)
    for _ in range(15):
        watcher.look(ping, 3)
        watcher.look(ping)  # Hours later.
        assert not watcher.is_dead(ping)


def test_claims_are_watched_apart(make, ping, tmp_path):
    living, dead = make(), make(path=tmp_path / "PONG")
    living.acquire()
    dead.acquire()
    watcher = Watcher(30)
    for _ in range(21):
        watcher.look(living.path, 3)
        watcher.look(dead.path, 3)
        living.refresh()
    assert not watcher.is_dead(living.path)
    assert watcher.is_dead(dead.path)
    # Those that are not asked for do not make the others wait less.
    assert watcher.wait_seconds([living.path]) == 3


def test_nothing_there(ping):
    watcher = Watcher(30)
    assert watcher.look(ping) == {}
    watcher.forget(ping)
    assert watcher.wait_seconds([ping]) == 3


@pytest.mark.parametrize(
    "content", [b"", b'{"ping_every": 1e999}', b'{"ping_every": "long"}']
)
def test_strange_files_are_watched_like_others(ping, content):
    ping.write_bytes(content)
    assert watch(Watcher(30), ping, 200) == pytest.approx(60)


def test_owner(make, ping):
    assert owner({}) == "another worker"
    make("miller").acquire()
    assert owner(see(ping)).startswith("worker miller (process ")
    ping.write_bytes(b"[]")
    assert owner(see(ping)) == "another worker"
