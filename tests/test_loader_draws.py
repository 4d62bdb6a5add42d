"""Which episode comes next."""

import collections
import functools
import itertools

import numpy as np
import pytest

from planet_tf2.data.loader import draws, made_up

equally = draws
recent = functools.partial(draws, recent=True)


class Folder:
    """A folder of names to look at."""

    def __init__(self, *names):
        self.names = list(names)
        self.looks = 0

    def look(self, draw):
        self.looks += 1
        return sorted(self.names)


def named(prefix, amount):
    return [f"{prefix}{number:02}" for number in range(amount)]


def take(stream, amount):
    return list(itertools.islice(stream, amount))


def start(loader, folder, every, seed=0):
    return loader(folder.look, every, (seed,))


def assert_cycles(drawn):
    """Every episode comes once before any comes again."""
    amount = len(set(drawn))
    for first in range(0, len(drawn), amount):
        cycle = drawn[first : first + amount]
        assert len(set(cycle)) == len(cycle)


@pytest.mark.parametrize("loader", [equally, recent])
class TestAll:
    def test_looks_after_every_so_many(self, loader):
        folder = Folder(*named("a", 3))
        stream = start(loader, folder, 8)
        for round_ in range(1, 4):
            drawn = take(stream, 8)
            assert folder.looks == round_
            assert set(drawn) == set(folder.names)
            assert_cycles(drawn)


class TestEqually:
    def test_all_alike(self):
        folder = Folder(*named("a", 10))
        drawn = take(start(equally, folder, 500), 500)
        assert set(collections.Counter(drawn).values()) == {50}

    def test_new_ones_join_at_the_next_look(self):
        folder = Folder("a0", "a1")
        stream = start(equally, folder, 4)
        first = take(stream, 1)
        folder.names.append("b0")
        assert set(first + take(stream, 3)) == {"a0", "a1"}
        assert set(take(stream, 4)) == {"a0", "a1", "b0"}


class TestRecent:
    def test_half_of_the_new_ones(self):
        """At first all are new, and only half of a round is drawn."""
        folder = Folder(*named("a", 50))
        drawn = take(start(recent, folder, 10), 10)
        assert set(collections.Counter(drawn).values()) == {2}
        assert len(set(drawn)) == 5
        assert_cycles(drawn)

    def test_few_new_ones_among_many_old_ones(self):
        folder = Folder(*named("a", 40))
        stream = start(recent, folder, 10)
        take(stream, 10)
        folder.names += named("b", 2)
        drawn = take(stream, 10)
        counts = collections.Counter(name[0] for name in drawn)
        # Seven are drawn, two new and five old; three of them come twice.
        assert len(set(drawn)) == 7
        assert 2 <= counts["b"] <= 4
        assert {"b00", "b01"} < set(drawn)
        assert_cycles(drawn)

    def test_many_new_ones(self):
        folder = Folder(*named("a", 3))
        stream = start(recent, folder, 20)
        assert set(take(stream, 20)) == set(named("a", 3))
        folder.names += named("b", 30)
        drawn = take(stream, 20)
        # Ten new ones and the three old ones, and then from the start.
        assert len({name for name in drawn if name[0] == "b"}) == 10
        assert {name for name in drawn if name[0] == "a"} == set(named("a", 3))
        assert_cycles(drawn)


EXAMPLE = {
    "image": np.zeros((9, 4, 6, 3), np.uint8),
    "action": np.zeros((9, 2), np.float32),
    "reward": np.zeros(9, np.float32),
    "position": np.zeros((9, 3), np.float64),
    "count": np.zeros((9, 1), np.int32),
    "terminal": np.zeros(9, bool),
}


class TestMadeUp:
    def draw(self, amount=50, seed=0, first=0):
        return take(made_up(EXAMPLE, 5, (seed,), first), amount)

    def test_names_types_and_sizes_are_those_of_the_example(self):
        for episode in self.draw():
            assert set(episode) == set(EXAMPLE)
            for key, array in episode.items():
                assert array.shape == (5, *EXAMPLE[key].shape[1:])
                assert array.dtype == EXAMPLE[key].dtype

    def test_numbers_cover_their_range(self):
        drawn = self.draw()
        stacked = {k: np.stack([e[k] for e in drawn]) for k in EXAMPLE}
        image = stacked["image"]
        assert image.min() == 0 and image.max() == 255
        assert image.mean() == pytest.approx(127.5, abs=3)
        action = stacked["action"]
        assert -1 <= action.min() < -0.95 and 0.95 < action.max() < 1
        count = stacked["count"]
        assert count.min() < -(2**30) and count.max() > 2**30
        assert 0.3 < stacked["terminal"].mean() < 0.7
        # No episode comes twice.
        assert len(np.unique(stacked["reward"])) == 50 * 5
