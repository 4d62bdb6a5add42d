import collections
import itertools
import logging

import numpy as np
import pytest

from planet_tf2.data.episodes import save_episode
from planet_tf2.data.loaders import (
    LOADERS,
    EpisodeCache,
    EpisodesError,
    cache,
    recent,
)


class FakeStore:
    """A folder in which every episode is its own name."""

    def __init__(self, *names):
        self.names = list(names)
        self.looks = 0

    def look(self):
        self.looks += 1
        return sorted(self.names)

    def __getitem__(self, name):
        return name


def named(prefix, amount):
    return [f"{prefix}{number:02}" for number in range(amount)]


def take(stream, amount):
    return list(itertools.islice(stream, amount))


def start(loader, store, every, seed=0):
    return loader(store, every, np.random.default_rng(seed))


def assert_cycles(drawn):
    """Every episode comes once before any comes again."""
    amount = len(set(drawn))
    for first in range(0, len(drawn), amount):
        cycle = drawn[first : first + amount]
        assert len(set(cycle)) == len(cycle)


@pytest.mark.parametrize("loader", [cache, recent])
class TestBoth:
    def test_looks_after_every_so_many(self, loader):
        store = FakeStore(*named("a", 3))
        stream = start(loader, store, 8)
        for round_ in range(1, 4):
            drawn = take(stream, 8)
            assert store.looks == round_
            assert set(drawn) == set(store.names)
            assert_cycles(drawn)

    def test_order_is_random(self, loader):
        drawn = take(start(loader, FakeStore(*named("a", 8)), 160), 160)
        cycles = {tuple(drawn[i : i + 8]) for i in range(0, 160, 8)}
        assert len(cycles) == 20

    def test_seed_determines_the_order(self, loader):
        def draw(seed):
            store = FakeStore(*named("a", 9))
            stream = start(loader, store, 10, seed)
            drawn = take(stream, 10)
            store.names += named("b", 9)
            return drawn + take(stream, 30)

        assert draw(0) == draw(0)
        assert draw(0) != draw(1)

    def test_a_single_episode(self, loader):
        drawn = take(start(loader, FakeStore("a"), 4), 9)
        assert drawn == ["a"] * 9


class TestCache:
    def test_all_alike(self):
        store = FakeStore(*named("a", 10))
        drawn = take(start(cache, store, 500), 500)
        assert set(collections.Counter(drawn).values()) == {50}

    def test_new_ones_join_at_the_next_look(self):
        store = FakeStore("a0", "a1")
        stream = start(cache, store, 4)
        first = take(stream, 1)
        store.names.append("b0")
        assert set(first + take(stream, 3)) == {"a0", "a1"}
        assert set(take(stream, 4)) == {"a0", "a1", "b0"}

    def test_more_than_fit_between_two_looks(self):
        store = FakeStore(*named("a", 50))
        drawn = take(start(cache, store, 10), 10)
        assert len(set(drawn)) == 10


class TestRecent:
    def test_half_of_the_new_ones(self):
        """At first all are new, and only half of a round is drawn."""
        store = FakeStore(*named("a", 50))
        drawn = take(start(recent, store, 10), 10)
        assert set(collections.Counter(drawn).values()) == {2}
        assert len(set(drawn)) == 5
        assert_cycles(drawn)

    def test_few_new_ones_among_many_old_ones(self):
        store = FakeStore(*named("a", 40))
        stream = start(recent, store, 10)
        take(stream, 10)
        store.names += named("b", 2)
        drawn = take(stream, 10)
        counts = collections.Counter(name[0] for name in drawn)
        # Seven are drawn, two new and five old; three of them come twice.
        assert len(set(drawn)) == 7
        assert 2 <= counts["b"] <= 4
        assert {"b00", "b01"} < set(drawn)
        assert_cycles(drawn)

    def test_many_new_ones(self):
        store = FakeStore(*named("a", 3))
        stream = start(recent, store, 20)
        assert set(take(stream, 20)) == set(named("a", 3))
        store.names += named("b", 30)
        drawn = take(stream, 20)
        # Ten new ones and the three old ones, and then from the start.
        assert len({name for name in drawn if name[0] == "b"}) == 10
        assert {name for name in drawn if name[0] == "a"} == set(named("a", 3))
        assert_cycles(drawn)

    def test_recent_for_one_round_only(self):
        store = FakeStore(*named("a", 100))
        stream = start(recent, store, 10)
        take(stream, 10)
        store.names.append("b00")
        assert "b00" in take(stream, 10)
        rounds = [take(stream, 10) for _ in range(100)]
        counts = [drawn.count("b00") for drawn in rounds]
        # Now it is one of 101 old ones, of which five are drawn each round.
        assert 0 < sum(counts) < 40
        assert all(len(set(drawn)) == 5 for drawn in rounds)

    def test_odd_rounds(self):
        store = FakeStore(*named("a", 50))
        drawn = take(start(recent, store, 7), 7)
        assert len(drawn) == 7 and len(set(drawn)) == 3

    def test_removed_files_are_forgotten(self):
        store = FakeStore("a", "b")
        stream = start(recent, store, 4)
        take(stream, 4)
        store.names.remove("a")
        assert set(take(stream, 4)) == {"b"}


def test_names():
    assert LOADERS == {"cache": cache, "recent": recent}


def save(directory, name, length):
    """An episode of so many time steps, one more than decisions."""
    return save_episode(
        directory,
        {
            "image": np.full((length, 2, 2, 3), length, np.uint8),
            "action": np.zeros((length, 1), np.float32),
            "reward": np.ones(length, np.float32),
        },
        name,
    )


class TestEpisodeCache:
    def test_reads_what_is_new(self, tmp_path):
        save(tmp_path, "b", 5)
        store = EpisodeCache(tmp_path, 5)
        assert store.look() == ["b.npz"]
        save(tmp_path, "a", 6)
        assert store.look() == ["a.npz", "b.npz"]
        assert len(store["a.npz"]["reward"]) == 6
        np.testing.assert_array_equal(store["b.npz"]["return"], [1, 2, 3, 4, 5])

    def test_decodes_once(self, tmp_path):
        path = save(tmp_path, "a", 5)
        store = EpisodeCache(tmp_path, 5)
        store.look()
        episode = store["a.npz"]
        path.write_bytes(b"changed")
        assert store.look() == ["a.npz"]
        assert store["a.npz"] is episode

    def test_skips_what_cannot_be_used(self, tmp_path, caplog):
        save(tmp_path, "good", 5)
        save(tmp_path, "short", 4)
        (tmp_path / "broken.npz").write_bytes(b"no archive")
        (tmp_path / "other.txt").write_text("no episode")
        save(tmp_path, "x", 9).rename(tmp_path / "x.npz.staged")
        store = EpisodeCache(tmp_path, 5)
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                assert store.look() == ["good.npz"]
        # Each of them is told once.
        messages = [record.getMessage() for record in caplog.records]
        assert len(messages) == 2
        assert any("broken.npz" in message for message in messages)
        (short,) = [message for message in messages if "short.npz" in message]
        assert "4 time steps, fewer than the 5" in short

    def test_nothing_there(self, tmp_path):
        store = EpisodeCache(tmp_path / "nowhere", 5)
        with pytest.raises(EpisodesError, match="nowhere: it is empty"):
            store.look()

    def test_nothing_that_can_be_used(self, tmp_path):
        save(tmp_path, "short", 4)
        (tmp_path / "broken.npz").write_bytes(b"no archive")
        store = EpisodeCache(tmp_path, 5)
        with pytest.raises(EpisodesError) as info:
            store.look()
        message = str(info.value)
        assert "short.npz has 4 time steps, fewer than the 5" in message
        assert "batch_shape" in message
        assert "broken.npz" in message
        assert isinstance(info.value, ValueError)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"action": np.zeros((7, 3), np.float32)}, "another task"),
        ({"image": None}, "no 'image'"),
    ],
)
def test_episodes_of_another_kind_are_left_out(
    tmp_path, caplog, change, reason
):
    episode = {
        "image": np.zeros((7, 4, 4, 3), np.uint8),
        "action": np.zeros((7, 2), np.float32),
        "reward": np.zeros(7, np.float32),
    }
    first = save_episode(tmp_path, episode)
    other = {k: v for k, v in (episode | change).items() if v is not None}
    save_episode(tmp_path, other)
    store = EpisodeCache(tmp_path, 5, ("image", "action", "reward"))
    assert store.look() == [first.name]
    assert reason in caplog.text


KEYS = ("image", "action", "reward")


def an_episode(steps):
    return {
        "image": np.zeros((steps, 2, 2, 3), np.uint8),
        "action": np.zeros((steps, 1), np.float32),
        "reward": np.zeros(steps, np.float32),
    }


class TestBounds:
    """The latest episodes are kept, in any order of arrival."""

    def fill(self, folder, *names, steps=9):
        for name in names:
            save_episode(folder, an_episode(steps), name)

    def names(self, *names):
        return [f"{name}.npz" for name in names]

    def test_latest_episodes(self, tmp_path):
        store = EpisodeCache(tmp_path, 1, KEYS, max_episodes=2)
        self.fill(tmp_path, "a", "b", "c")
        assert store.look() == self.names("b", "c")
        self.fill(tmp_path, "d")
        assert store.look() == self.names("c", "d")
        with pytest.raises(KeyError):
            store["b.npz"]
        assert len(list(tmp_path.iterdir())) == 4

    def test_bytes(self, tmp_path):
        self.fill(tmp_path, "a", "b", "c", "d")
        size = sum(x.nbytes for x in an_episode(9).values())
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=2 * size)
        assert store.look() == self.names("c", "d")
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=3 * size - 1)
        assert store.look() == self.names("c", "d")

    def test_a_long_new_episode_takes_the_room_of_several(self, tmp_path):
        self.fill(tmp_path, "a", "b", "c", "d")
        size = sum(x.nbytes for x in an_episode(9).values())
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=4 * size)
        assert len(store.look()) == 4
        self.fill(tmp_path, "e", steps=27)
        assert store.look() == self.names("d", "e")
        # A gap would need those that were dropped to be read again.
        assert store.look() == self.names("d", "e")

    def test_one_episode_is_kept_however_large(self, tmp_path):
        self.fill(tmp_path, "a", "b")
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=1)
        assert store.look() == self.names("b")

    def test_unusable_episodes_do_not_count(self, tmp_path):
        self.fill(tmp_path, "a", "b")
        self.fill(tmp_path, "c", steps=3)
        store = EpisodeCache(tmp_path, 8, KEYS, max_episodes=1)
        assert store.look() == self.names("b")

    def test_never_more_in_memory_than_allowed(self, tmp_path, monkeypatch):
        size = sum(x.nbytes for x in an_episode(9).values())
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=3 * size)
        largest = 0
        check = store._check

        def watched(name, episode):
            nonlocal largest
            largest = max(largest, len(store._episodes))
            check(name, episode)

        monkeypatch.setattr(store, "_check", watched)
        for start in range(0, 40, 8):
            self.fill(tmp_path, *(f"{n:02}" for n in range(start, start + 8)))
            assert len(store.look()) == 3
        assert largest == 3

    def test_files_are_read_once(self, tmp_path, monkeypatch):
        self.fill(tmp_path, *(f"{n:02}" for n in range(9)))
        store = EpisodeCache(tmp_path, 1, KEYS, max_episodes=3)
        store.look()
        monkeypatch.setattr(store, "_check", None)
        assert len(store.look()) == 3

    def test_only_needed_arrays_are_kept(self, tmp_path):
        self.fill(tmp_path, "a")
        store = EpisodeCache(tmp_path, 1, ["action"])
        store.look()
        assert set(store["a.npz"]) == {"action", "reward"}
