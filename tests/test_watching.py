import pytest

from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.watching import Watch, owner, see


@pytest.fixture
def ping(tmp_path):
    return tmp_path / "PING"


@pytest.fixture
def make(ping):
    return lambda ping_every=30: Claim(ping, "miller", ping_every)


def seconds_to_death(watch):
    """Looks again and again until the claim is dead."""
    watch.look()
    watched = 0.0
    while not watch.is_dead():
        watched += 3
        watch.look(3)
        assert watched <= 200
    return watched


@pytest.mark.parametrize(("theirs", "seconds"), [(30, 60), (1, 60), (48, 96)])
def test_dead_after_twice_the_longer_time(make, ping, theirs, seconds):
    make(ping_every=theirs).acquire()
    assert seconds_to_death(Watch(ping, 30)) == seconds


def test_alive_while_it_changes(make, ping):
    claim = make()
    claim.acquire()
    watch = Watch(ping, 30)
    watch.look()
    assert not watch.alive
    for _ in range(50):
        watch.look(59)
        assert not watch.is_dead()
        claim.refresh()
        watch.look(59)
        assert watch.alive


def test_another_owner_is_no_sign_of_life(make, ping):
    claim, other = make(), make()
    claim.acquire()
    watch = Watch(ping, 30)
    watch.look()
    claim.refresh()
    watch.look(40)
    assert watch.alive
    claim.release()
    other.acquire()
    watch.look(40)
    assert not watch.alive
    assert not watch.is_dead()


def test_a_watcher_that_sleeps_sees_one_wait_only(make, ping):
    """However long it slept: the owner may have slept as well."""
    make().acquire()
    watch = Watch(ping, 30)
    watch.look()
    for _ in range(15):
        watch.look(3)
        watch.look()  # Hours later.
        assert not watch.is_dead()


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b"\x80", b'{"ping_every": 1e999}', b'{"ping_every": "long"}'],
)
def test_strange_files_are_watched_like_others(ping, content):
    ping.write_bytes(content)
    assert seconds_to_death(Watch(ping, 30)) == 60


def test_owner(make, ping):
    assert owner({}) == "another worker"
    make().acquire()
    assert owner(see(ping)).startswith("worker miller (process ")
    ping.write_bytes(b"[]")
    assert owner(see(ping)) == "another worker"
