import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.data.episode_cache import EpisodesError
from planet_tf2.data.episodes import save_episode
from planet_tf2.data.numpy_episodes import numpy_episodes, sequences

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


def take(dataset, amount):
    return list(itertools.islice(dataset, amount))


def test_shapes_and_types(directory):
    dataset = numpy_episodes(directory, [3, 5])
    spec = {
        "image": tf.TensorSpec((3, 5, 2, 2, 3), tf.uint8),
        "action": tf.TensorSpec((3, 5, 2), tf.float32),
        "reward": tf.TensorSpec((3, 5), tf.float32),
    }
    assert dataset.element_spec == spec
    (batch,) = take(dataset, 1)
    for name, tensor in batch.items():
        assert tensor.shape == spec[name].shape
        assert tensor.dtype == spec[name].dtype


def test_original_files_with_rewards_in_double_precision(tmp_path):
    save(tmp_path, 1, dtype=np.float64)
    (batch,) = take(numpy_episodes(tmp_path, [1, 5]), 1)
    assert batch["reward"].dtype == tf.float32


def test_sequences_stay_aligned(directory):
    for batch in take(numpy_episodes(directory, [3, 5], loader_every=6), 10):
        reward = batch["reward"].numpy()
        # Time steps that follow each other, of one episode.
        assert (np.diff(reward, axis=1) == 1).all()
        assert (reward // 10 == reward[:, :1] // 10).all()
        np.testing.assert_array_equal(batch["action"][..., 0], reward)
        np.testing.assert_array_equal(batch["action"][..., 1], reward)
        np.testing.assert_array_equal(batch["image"][:, :, 1, 0, 2], reward)


def test_every_offset_is_equally_likely(directory):
    batches = take(numpy_episodes(directory, [50, 5], "cache"), 20)
    first = np.concatenate([batch["reward"][:, 0] for batch in batches])
    counts = collections.Counter(first % 10)
    assert set(counts) == {0, 1, 2, 3}
    np.testing.assert_allclose(list(counts.values()), 250, rtol=0.2)


def test_episodes_of_just_the_right_length(directory):
    for batch in take(numpy_episodes(directory, [3, LENGTH]), 3):
        assert (batch["reward"][:, 0].numpy() % 10 == 0).all()


def test_seed_determines_the_batches(directory):
    def draw(seed):
        dataset = numpy_episodes(directory, [3, 5], loader_every=4, seed=seed)
        return np.stack([batch["reward"] for batch in take(dataset, 8)])

    np.testing.assert_array_equal(draw((0, 1, 2)), draw((0, 1, 2)))
    assert (draw((0, 1, 2)) != draw((0, 1, 3))).any()
    assert (draw(0) != draw(1)).any()


def test_every_iterator_starts_anew(directory):
    dataset = numpy_episodes(directory, [3, 5], loader_every=4)
    first, second = (
        np.stack([batch["reward"] for batch in take(dataset, 4)])
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_finds_new_episodes_while_iterating(directory):
    batches = iter(numpy_episodes(directory, [2, 5], "cache", loader_every=4))
    found = set(np.unique(next(batches)["reward"].numpy() // 10))
    save(directory, 9)
    for batch in take(batches, 10):
        found |= set(np.unique(batch["reward"].numpy() // 10))
    assert found == {0, 1, 2, 3, 9}


def test_chosen_keys(tmp_path):
    save(tmp_path, 1, position=np.zeros((LENGTH, 3), np.float32))
    dataset = numpy_episodes(
        tmp_path, [2, 5], keys=["position", "reward", "return"]
    )
    (batch,) = take(dataset, 1)
    assert set(batch) == {"position", "reward", "return"}
    assert batch["position"].shape == (2, 5, 3)


def test_problems_show_at_once(directory, tmp_path):
    with pytest.raises(EpisodesError, match="8 time steps, fewer than the 9"):
        numpy_episodes(directory, [3, 9])
    with pytest.raises(EpisodesError, match="empty"):
        numpy_episodes(tmp_path / "empty", [3, 5])


def test_short_episodes_are_left_out(directory):
    save(directory, 7, length=4)
    for batch in take(numpy_episodes(directory, [4, 5]), 5):
        assert (batch["reward"].numpy() < 70).all()


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
    """A dataset that starts later yields what the first would have."""

    def batches(self, directory, start, **kwargs):
        kwargs = {"loader_every": 6, "seed": (1, 2), "start": start, **kwargs}
        dataset = numpy_episodes(directory, [3, 3], **kwargs)
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

    def test_only_named_episodes_are_used(self, directory):
        rewards = self.batches(
            directory, 0, loader="cache", names=lambda batch: ["002.npz"]
        )
        assert (rewards // 10 == 2).all()

    def test_offsets_of_many_draws(self):
        """Also behind the first block of random numbers."""
        episodes = [{"reward": np.arange(100)}] * 2100
        whole = [c["reward"][0] for c in sequences(episodes, 3, 1, (5,))]
        for start in (1, 1023, 1024, 2050):
            rest = sequences(episodes[start:], 3, 1, (5,), start)
            assert [c["reward"][0] for c in rest] == whole[start:]
        assert len(set(whole[:1024])) > 90


@pytest.mark.parametrize("loader", ["reload", "dummy", "cache", "recent"])
def test_loaders_by_name(directory, loader):
    save(directory, 5, position=np.zeros((LENGTH, 3), np.float32))
    dataset = numpy_episodes(
        directory, [3, 5], loader, loader_every=4, max_episodes=2, max_bytes=500
    )
    rewards = set()
    for batch in take(dataset, 10):
        assert {k: v.shape for k, v in batch.items()} == {
            "image": (3, 5, 2, 2, 3),
            "action": (3, 5, 2),
            "reward": (3, 5),
        }
        rewards |= set(np.unique(batch["reward"]))
    if loader == "dummy":
        assert len(rewards) == 150
    else:
        # An episode has 224 bytes, so that the bounds let two of them be.
        assert {reward // 10 for reward in rewards} == {3, 5}


def test_reload_sees_a_changed_file(directory):
    batches = iter(numpy_episodes(directory, [2, 5], "reload", max_episodes=1))
    assert (next(batches)["reward"].numpy() // 10 == 3).all()
    (directory / "003.npz").unlink()
    save(directory, 7)
    (directory / "007.npz").rename(directory / "003.npz")
    # One batch may have been prepared before.
    later = [batch["reward"].numpy() // 10 for batch in take(batches, 4)]
    assert (later[-1] == 7).all()
