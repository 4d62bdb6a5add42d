"""What is drawn from streams of rows, and how they are brought back."""

import collections

import ml_dtypes
import numpy as np
import pytest

from planet_tf2.data import row_store
from planet_tf2.data import streams as streams_lib
from planet_tf2.data.conversion import StepType
from planet_tf2.data.streams import LOADED, Streams

TYPES = {"reward": StepType(np.float32), "is_first": StepType(np.bool_)}
LATENTS = {
    "deter": StepType(ml_dtypes.bfloat16, (2,)),
    "stoch": StepType(np.uint8, (3,)),
}
LENGTH = 5


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for module in (row_store, streams_lib):
        monkeypatch.setattr(module, "BLOCK", 8)


def make(**kwargs):
    return Streams(TYPES, LENGTH, latents=LATENTS, **kwargs)


class World:
    """Environments that go on side by side, a row per round each.

    Rewards tell where they are from: 1000 * environment + row ever played.
    """

    def __init__(self, *held, envs=2, longest=7, breaks=0.0, seed=0):
        self.held, self.envs, self.longest = list(held), envs, longest
        self._random, self._breaks = np.random.default_rng(seed), breaks
        self.left, self.rows = [0] * envs, [0] * envs
        self.running = [[] for _ in range(envs)]
        self.files = []

    def play(self, rounds):
        for _ in range(rounds):
            for number in range(self.envs):
                self._step(number)

    def _step(self, number):
        begins = not self.running[number]
        if not begins and self._random.random() < self._breaks:
            self.running[number] = []
            for streams in self.held:
                streams.drop(number)
            return
        if begins:
            self.left[number] = self._random.integers(1, self.longest + 1)
        else:
            self.left[number] -= 1
        reward = 1000 * number + self.rows[number]
        row = {"reward": reward, "is_first": begins}
        self.rows[number] += 1
        self.running[number].append(row)
        latents = self._latents(1)
        for streams in self.held:
            (streams.begin if begins else streams.append)(number, row)
            streams.remember([number], latents)
        if not self.left[number]:
            self.files.append((number, as_episode(self.running[number])))
            self.running[number] = []
            for streams in self.held:
                streams.finish(number)

    def _latents(self, *shape):
        return {
            "deter": self._random.normal(size=(*shape, 2)),
            "stoch": self._random.integers(0, 256, (*shape, 3)),
        }

    def learn(self, size=3):
        """Draws from all of them, and stores the same latents."""
        new, seed = self._latents(size, LENGTH - 1), self._random.integers(9**9)
        drawn = []
        for streams in self.held:
            batch, places = streams.sample((seed,), size)
            streams.overwrite(places, new)
            drawn.append(batch)
        return drawn


def as_episode(rows):
    return {
        "reward": np.array([row["reward"] for row in rows], np.float32),
        "is_first": np.arange(len(rows)) == 0,
    }


def starts(streams, seed=9, draws=400):
    """Rewards of the first rows of what is drawn."""
    batch, _ = streams.sample((seed,), draws)
    return collections.Counter(batch["reward"][:, 0].astype(int).tolist())


def test_sequences_go_on_across_episodes():
    streams = make()
    world = World(streams)
    world.play(40)
    batch, _ = streams.sample((1,), 100)
    rewards = batch["reward"]
    assert (np.diff(rewards, axis=1) == 1).all()
    ends, begins = set(), set()
    for _, episode in world.files:
        begins.add(episode["reward"][0])
        ends.add(episode["reward"][-1])
    begins |= {rows[0]["reward"] for rows in world.running if rows}
    first, last = np.isin(rewards, [*begins]), np.isin(rewards, [*ends])
    first[:, 0] = True
    np.testing.assert_array_equal(batch["is_first"], first)
    np.testing.assert_array_equal(batch["is_last"], last)
    assert batch["context/deter"].shape == (100, 2)
    assert batch["context/deter"].dtype == ml_dtypes.bfloat16


def test_all_items_are_drawn_alike():
    streams = make()
    World(streams).play(10)
    found = starts(streams, draws=12000)
    expected = [1000 * env + row for env in range(2) for row in range(6)]
    assert sorted(found) == expected and streams.decisions == 12
    assert all(abs(count - 1000) < 150 for count in found.values())


def test_the_oldest_leave_and_their_memory():
    streams = make(capacity=7)
    world = World(streams)
    for _ in range(6):
        world.play(50)
        last = world.rows[0] - LENGTH
        # In turn: of the first environment three, of the other four.
        assert sorted(starts(streams)) == [
            *range(last - 2, last + 1),
            *range(1000 + last - 3, 1000 + last + 1),
        ]
        for store in streams._stores.values():
            assert len(store._blocks) <= 3 and store.end - store.begin < 16


def test_limit_of_bytes():
    row = 4 + 1 + 1 + 8 + 2 * 2 + 3
    streams = make(max_bytes=6 * row)
    World(streams).play(30)
    assert streams.decisions == 6


class TestQueue:
    def test_first_and_once(self):
        streams = make(online=True)
        world = World(streams)
        world.play(12)
        first = streams.sample((1,), 5)[0]["reward"][:, 0]
        assert first[:4].tolist() == [0, 1000, 5, 1005]
        world.play(3)
        first = streams.sample((2,), 2)[0]["reward"][:, 0]
        assert first.tolist() == [10, 1010]
        assert len(starts(streams)) > 6

    def test_what_has_left_is_passed_over(self):
        streams = make(online=True, capacity=4)
        World(streams).play(100)
        first = streams.sample((1,), 20)[0]["reward"][:, 0]
        assert first.min() >= 80 and not streams._queue

    def test_what_is_dropped_is_not_drawn(self):
        streams = make(online=True)
        world = World(streams, envs=1, longest=1)
        world.play(6)
        for time in range(6):
            step = {"reward": -1, "is_first": not time}
            (streams.append if time else streams.begin)(0, step)
        streams.drop(0)
        assert streams.sample((1,), 50)[0]["reward"].min() == 0


def test_latents_of_rows_that_changed_meanwhile_are_not_stored():
    streams = make()
    World(streams, envs=1, longest=3).play(9)
    streams.begin(0, {"reward": 50, "is_first": True})
    batch, places = streams.sample((3,), 40)
    assert (batch["reward"] == 50).any()
    streams.begin(0, {"reward": 60, "is_first": True})
    ones = {k: np.ones((40, 4, *t.shape)) for k, t in LATENTS.items()}
    streams.overwrite(places, ones)
    assert streams.pack()["context/deter"][-1].tolist() == [0, 0]
    intact = batch["reward"].max(1) < 50
    row = int(batch["reward"][intact][0, 1])
    assert streams.pack()["context/deter"][row].tolist() == [1, 1]


def test_short_streams_start_anew():
    streams = make(online=True)
    with pytest.raises(IndexError):
        streams.sample((0,), 1)
    streams.begin(0, {"reward": 0, "is_first": True})
    with pytest.raises(IndexError):
        streams.sample((0,), 1)
    streams.append(0, {"reward": 1, "is_first": False})
    batch, places = streams.sample((0,), 2)
    assert batch["reward"].tolist() == 2 * [[0, 1, 0, 1, 0]]
    assert batch["is_first"].tolist() == 2 * [[True, False, True, False, True]]
    assert streams.decisions == 1
    new = {k: np.ones((2, 4, *t.shape)) for k, t in LATENTS.items()}
    streams.overwrite(places, new)
    assert not streams.pack()["context/deter"].any()


def bring_back(world, packed, **kwargs):
    """Makes streams of files and of running episodes."""
    streams = make(**kwargs)
    streams.unpack(packed)
    for number, episode in world.files:
        if not streams.skip(number, len(episode["reward"])):
            streams.add(episode, number)
    for number in reversed(range(world.envs)):
        for time, row in enumerate(world.running[number]):
            (streams.append if time else streams.begin)(number, row)
    streams.resume()
    return streams


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("longest", [3, 60])
def test_brought_back(seed, longest):
    """All is as it was, whenever that is, and goes on alike."""
    kwargs = {"online": seed % 2 == 0, "capacity": (9, 40, 500)[seed % 3]}
    streams = make(**kwargs)
    breaks = 0.02 * (seed > 2)
    world = World(
        streams, envs=1 + seed % 4, longest=longest, breaks=breaks, seed=seed
    )
    world.play(20)
    for _ in range(8):
        for _ in range(5):
            world.play(3)
            world.learn()
        packed = streams.pack()
        again = bring_back(world, packed, **kwargs)
        np.testing.assert_equal(again.pack(), packed)
        world.held = [streams, again]
        for _ in range(5):
            world.play(2)
            np.testing.assert_equal(*world.learn())
        np.testing.assert_equal(again.pack(), streams.pack())
        world.held = [streams]


def test_a_file_that_is_missing():
    """What is left has its latents, and can be learned from."""
    streams = make()
    world = World(streams, longest=3)
    world.play(30)
    packed = streams.pack()
    again = make()
    again.unpack(packed)
    missing = 3
    for index, (number, episode) in enumerate(world.files):
        if index == missing:
            again.lose(number, len(episode["reward"]))
        else:
            again.add(episode, number)
    again.resume()
    stored, held = (dict(rows_of(x)) for x in (packed, again.pack()))
    for number in range(world.envs):
        rewards = np.concatenate(
            [
                episode["reward"]
                for i, (n, episode) in enumerate(world.files)
                if n == number and i != missing
            ]
        )
        expected = stored[number][rewards.astype(int) % 1000]
        np.testing.assert_array_equal(held[number], expected)
    again.sample((1,), 20)


def rows_of(packed):
    """Yields streams, and `deter` of their rows."""
    start = 0
    for number, begin, end, _ in packed["streams"]:
        part = slice(start, start := start + end - begin)
        yield int(number), packed["context/deter"][part]


def test_of_testing():
    """Only what will not have left is read."""
    random = np.random.default_rng(0)
    files, row = [], 0
    for length in random.integers(2, 9, 40):
        rewards = np.arange(row, row := row + length)
        is_first = np.arange(length) == 0
        files.append({"reward": rewards, "is_first": is_first})
    whole, part = make(capacity=20), make(capacity=20)
    for episode in files:
        whole.add(episode)
    part.expect(int(row))
    read = 0
    for episode in files:
        if not part.skip(LOADED, len(episode["reward"])):
            part.add(episode)
            read += 1
    assert read < 10
    for _ in range(3):
        np.testing.assert_equal(
            whole.sample((5,), 30)[0], part.sample((5,), 30)[0]
        )
        for streams in (whole, part):
            streams.add(files[0])


def test_other_episodes_of_a_user():
    """They are in the same stream, so what was known of it is of no use."""
    streams = make()
    episode = {"reward": np.arange(12), "is_first": np.arange(12) == 0}
    streams.add(episode)
    batch, places = streams.sample((1,), 3)
    new = {k: np.ones((3, 4, *t.shape)) for k, t in LATENTS.items()}
    streams.overwrite(places, new)
    packed = streams.pack()
    again = make()
    again.unpack(packed, changed=True)
    again.add(episode)
    again.add(episode)
    again.resume()
    assert again.decisions == 20 and not again.pack()["context/deter"].any()
