"""Batches of sequences: what is in them, and what decides it."""

import collections
import itertools

import numpy as np
import pytest

from planet_tf2.data.episode_cache import EpisodeCache, EpisodesError
from planet_tf2.data.episodes import save_episode
from planet_tf2.data.loader import sequence_batches, sequences

LENGTH = 8


def save(directory, number, length=LENGTH, dtype=np.float32, **extra):
    """Everything of time step t of episode n is `10 * n + t`."""
    values = 10 * number + np.arange(length)
    episode = {
        "image": np.tile(values[:, None, None, None], (1, 2, 2, 3)),
        "action": np.tile(values[:, None], (1, 2)).astype(np.float32),
        "reward": values.astype(dtype),
        **extra,
    }
    episode["image"] = episode["image"].astype(np.uint8)
    save_episode(directory, episode, f"{number:03}")


@pytest.fixture
def directory(tmp_path):
    for number in range(4):
        save(tmp_path, number)
    return tmp_path


def batches_of(
    directory,
    shape,
    loader="recent",
    loader_every=1000,
    num_chunks=1,
    *,
    keys=("image", "action", "reward"),
    seed=0,
    start=0,
    **options,
):
    options["keep"] = loader != "reload"
    cache = EpisodeCache(directory, shape[1], keys, **options)
    numbers = {"seed": seed, "start": start}
    return sequence_batches(
        cache, shape, loader, loader_every, num_chunks, **numbers
    )


def take(dataset, amount):
    return list(itertools.islice(dataset, amount))


def test_numbers_stay_the_same(tmp_path):
    """Runs that go on with a later version must see the same batches."""
    for number in range(9):
        save(tmp_path, number, length=20 + number)

    def first(loader, num_chunks):
        batches = batches_of(
            tmp_path, [2, 6], loader, 4, num_chunks, seed=(3, 1)
        )
        return [batch["reward"][:, 0].tolist() for batch in take(batches, 6)]

    assert first("recent", 1) == [
        [21, 65],
        [56, 11],
        [47, 61],
        [55, 41],
        [85, 81],
        [78, 98],
    ]
    assert (
        first("cache", 2)
        == first("reload", 2)
        == [[60, 66], [17, 23], [23, 29], [40, 46], [63, 69], [36, 42]]
    )


def test_sequences_stay_aligned(directory):
    for batch in take(batches_of(directory, [3, 5], loader_every=6), 10):
        assert batch["image"].shape == (3, 5, 2, 2, 3)
        assert batch["image"].dtype == np.uint8
        reward = batch["reward"]
        # Time steps that follow each other, of one episode.
        assert (np.diff(reward, axis=1) == 1).all()
        assert (reward // 10 == reward[:, :1] // 10).all()
        np.testing.assert_array_equal(batch["action"][..., 0], reward)
        np.testing.assert_array_equal(batch["action"][..., 1], reward)
        np.testing.assert_array_equal(batch["image"][:, :, 1, 0, 2], reward)


def test_seed_determines_the_batches(directory):
    def draw(seed):
        batches = batches_of(directory, [3, 5], loader_every=4, seed=seed)
        return np.stack([batch["reward"] for batch in take(batches, 8)])

    first = draw((0, 1, 2))
    np.testing.assert_array_equal(first, draw((0, 1, 2)))
    assert (first != draw((0, 1, 3))).any()


def test_finds_new_episodes_while_iterating(directory):
    batches = batches_of(directory, [2, 5], "cache", loader_every=4)
    found = set(np.unique(next(batches)["reward"] // 10))
    save(directory, 9)
    for batch in take(batches, 10):
        found |= set(np.unique(batch["reward"] // 10))
    assert found == {0, 1, 2, 3, 9}


def test_reload_sees_a_changed_file(directory):
    batches = iter(batches_of(directory, [2, 5], "reload", max_episodes=1))
    assert (next(batches)["reward"] // 10 == 3).all()
    (directory / "003.npz").unlink()
    save(directory, 7)
    (directory / "007.npz").rename(directory / "003.npz")
    assert (next(batches)["reward"] // 10 == 7).all()


def test_chosen_keys(tmp_path):
    save(tmp_path, 1, position=np.zeros((LENGTH, 3), np.float32))
    keys = ["position", "reward", "return", "is_first", "terminal"]
    (batch,) = take(batches_of(tmp_path, [4, LENGTH], keys=keys), 1)
    assert set(batch) == set(keys)
    assert batch["position"].shape == (4, LENGTH, 3)
    # The file has no flags, as those of the original.
    assert batch["is_first"].dtype == batch["terminal"].dtype == bool
    assert (batch["is_first"] == [[True] + [False] * (LENGTH - 1)]).all()
    assert not batch["terminal"].any()


def test_flags_and_whole_numbers_as_actions(tmp_path):
    terminal = np.arange(LENGTH) == LENGTH - 1
    save(tmp_path, 1, action=np.arange(LENGTH), terminal=terminal)
    keys = ["action", "is_first", "terminal"]
    for batch in take(batches_of(tmp_path, [4, 5], keys=keys), 5):
        action = batch["action"]
        assert action.shape == (4, 5) and action.dtype == np.int64
        np.testing.assert_array_equal(batch["is_first"], action == 0)
        np.testing.assert_array_equal(batch["terminal"], action == LENGTH - 1)


def test_problems_show_at_once(directory, tmp_path):
    with pytest.raises(EpisodesError, match="8 time steps, fewer than the 9"):
        batches_of(directory, [3, 9])
    with pytest.raises(EpisodesError, match="empty"):
        batches_of(tmp_path / "empty", [3, 5])


class TestSequences:
    def cut(self, length, num_chunks, amount, available=LENGTH):
        episode = {"reward": np.arange(available), "other": np.zeros(available)}
        stream = sequences(
            itertools.repeat(episode),
            length,
            num_chunks,
            (0,),
        )
        return [chunk["reward"].tolist() for chunk in take(stream, amount)]

    def test_one_per_episode(self):
        chunks = self.cut(3, 1, 600)
        offsets = collections.Counter(chunk[0] for chunk in chunks)
        assert set(offsets) == set(range(6))
        np.testing.assert_allclose(list(offsets.values()), 100, rtol=0.3)
        assert all(
            chunk == [*range(chunk[0], chunk[0] + 3)] for chunk in chunks
        )

    def test_several_follow_each_other(self):
        chunks = self.cut(3, 2, 300)
        firsts, seconds = chunks[::2], chunks[1::2]
        for first, second in zip(firsts, seconds, strict=True):
            assert first + second == [*range(first[0], first[0] + 6)]
        assert {first[0] for first in firsts} == {0, 1, 2}

    def test_overlap_where_they_do_not_fit(self):
        chunks = self.cut(3, 4, 400)
        assert all(
            chunk == [*range(chunk[0], chunk[0] + 3)] for chunk in chunks
        )
        offsets = np.reshape([chunk[0] for chunk in chunks], (100, 4))
        counts = np.unique(offsets, return_counts=True)
        np.testing.assert_array_equal(counts[0], range(6))
        np.testing.assert_allclose(counts[1], 400 / 6, rtol=0.3)
        # Four out of six places: spread, so that none comes twice.
        assert all(len(set(row)) == 4 for row in offsets)
        assert self.cut(8, 5, 7) == [[*range(8)]] * 7


class TestStart:
    """A stream that starts later yields what the first would have."""

    def batches(self, directory, start, **kwargs):
        kwargs = {"loader_every": 6, "seed": (1, 2), "start": start, **kwargs}
        dataset = batches_of(directory, [3, 3], **kwargs)
        return np.stack([batch["reward"] for batch in take(dataset, 8)])

    @pytest.mark.parametrize("num_chunks", [1, 2, 4])
    @pytest.mark.parametrize("loader", ["recent", "cache", "reload", "dummy"])
    def test_any_batch_can_be_the_first(self, directory, loader, num_chunks):
        for number in range(4, 9):
            save(directory, number)
        asked = []

        def names(batch):
            """Every batch has one more to choose from."""
            asked.append(batch)
            return [f"{number:03}.npz" for number in range(2 + batch)][:9]

        kwargs = {"loader": loader, "num_chunks": num_chunks, "names": names}
        whole = self.batches(directory, 0, **kwargs)
        assert asked[0] == 0
        for start in (1, 2, 5):
            rest = self.batches(directory, start, **kwargs)[: 8 - start]
            np.testing.assert_array_equal(rest, whole[start:])
        assert len(np.unique(whole, axis=0)) > 4

    def test_offsets_of_many_draws(self):
        """Also behind the first block of random numbers."""
        episodes = [{"reward": np.arange(100)}] * 2100
        whole = [c["reward"][0] for c in sequences(episodes, 3, 1, (5,))]
        for start in (1, 1023, 1024, 2050):
            rest = sequences(episodes[start:], 3, 1, (5,), start)
            assert [c["reward"][0] for c in rest] == whole[start:]
        assert len(set(whole[:1024])) > 90
