import logging

import numpy as np
import pytest

from planet_tf2.data.episode_cache import EpisodeCache, EpisodesError
from planet_tf2.data.episodes import BrokenEpisode, save_episode


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

    def test_sets_aside_what_is_no_episode(self, tmp_path):
        save(tmp_path, "good", 5)
        save(tmp_path, "short", 4)
        whole = save(tmp_path, "whole", 5).read_bytes()
        (tmp_path / "truncated.npz").write_bytes(whole[:-50])
        (tmp_path / "empty.npz").write_bytes(b"")
        (tmp_path / "foreign.npz").write_bytes(b"no archive")
        np.savez(tmp_path / "other.npz", something=np.zeros(3))
        np.savez(tmp_path / "pickle.npz", reward=np.array([{}]))
        asked = []
        store = EpisodeCache(
            tmp_path, 5, set_aside=lambda path: asked.append(path.name)
        )
        for _ in range(2):
            assert store.look() == ["good.npz", "whole.npz"]
        names = ("empty", "foreign", "other", "pickle", "truncated")
        assert sorted(asked) == [f"{name}.npz" for name in names]

    def test_leaves_what_cannot_be_read_at_the_moment(
        self, tmp_path, monkeypatch
    ):
        save(tmp_path, "good", 5)
        save(tmp_path, "unreadable", 5)

        def load(path, **kwargs):
            if path.name == "unreadable.npz":
                raise PermissionError(13, "Permission denied", str(path))
            return original(path, **kwargs)

        original = np.load
        monkeypatch.setattr(np, "load", load)
        asked = []
        store = EpisodeCache(tmp_path, 5, set_aside=asked.append)
        assert store.look() == ["good.npz"]
        assert asked == []

    def test_goes_on_without_a_file_that_is_gone(self, tmp_path, caplog):
        save(tmp_path, "a", 5)
        store = EpisodeCache(
            tmp_path, 5, names=lambda draw: ["a.npz", "gone.npz"]
        )
        with caplog.at_level(logging.WARNING):
            assert store.look(0) == store.look(7) == ["a.npz"]
        assert len(caplog.records) == 1 and "gone.npz" in caplog.text

    def test_memory_is_freed_in_the_order_of_the_names(self, tmp_path):
        """Not of the alphabet, if somebody else tells the names."""
        names = ["c.npz", "a.npz", "b.npz"]
        for name in names:
            save(tmp_path, name.removesuffix(".npz"), 5)
        size = EpisodeCache(tmp_path, 5, ("image", "action", "reward"))
        size.look()
        (bytes_each,) = set(size._bytes.values())
        store = EpisodeCache(
            tmp_path,
            5,
            ("image", "action", "reward"),
            max_bytes=2 * bytes_each,
            names=lambda draw: names[: draw + 1],
        )
        assert store.look(1) == ["c.npz", "a.npz"]
        assert store.look(2) == ["a.npz", "b.npz"]

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


def test_the_run_decides_what_episodes_look_like(tmp_path, caplog):
    """And not the oldest of them, which may be a copy from another run."""
    other, own = (
        save_episode(
            tmp_path,
            {
                "action": np.zeros((7, size), np.float32),
                "reward": np.zeros(7, np.float32),
            },
        )
        for size in (1, 6)
    )
    sizes = {"reward": (), "action": (6,)}
    store = EpisodeCache(tmp_path, 5, ("action", "reward"), sizes=sizes)
    assert store.look() == [own.name]
    assert other.name in caplog.text and "are needed" in caplog.text


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

    def test_the_bound_does_not_depend_on_what_was_read_before(self, tmp_path):
        """An old small episode does not fill the gap of one too large."""
        self.fill(tmp_path, "a", steps=9)
        self.fill(tmp_path, "b", steps=27)
        self.fill(tmp_path, "c", "d", steps=9)
        size = sum(x.nbytes for x in an_episode(9).values())
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=4 * size)
        for _ in range(2):
            assert store.look() == self.names("c", "d")


class TestWithoutMemory:
    """Files are read again whenever their episode is asked for."""

    def test_reads_anew(self, tmp_path):
        save(tmp_path, "a", 5)
        store = EpisodeCache(tmp_path, 5, keep=False)
        assert store.look() == ["a.npz"]
        assert len(store["a.npz"]["reward"]) == 5
        save(tmp_path, "a", 6)
        assert store.look() == ["a.npz"]
        assert len(store["a.npz"]["reward"]) == 6

    def test_checks_files_once(self, tmp_path, caplog, monkeypatch):
        save(tmp_path, "a", 5)
        save(tmp_path, "short", 4)
        (tmp_path / "broken.npz").write_bytes(b"no archive")
        store = EpisodeCache(tmp_path, 5, KEYS, keep=False)
        with caplog.at_level(logging.WARNING):
            assert store.look() == ["a.npz"]
            monkeypatch.setattr(store, "_load", None)
            assert store.look() == ["a.npz"]
        assert len(caplog.records) == 2

    def test_keeps_none_and_uses_all(self, tmp_path):
        for name in "abc":
            save(tmp_path, name, 5)
        store = EpisodeCache(tmp_path, 5, KEYS, max_bytes=1, keep=False)
        assert store.look() == ["a.npz", "b.npz", "c.npz"]
        assert not store._episodes
        assert set(store["b.npz"]) == set(KEYS)

    def test_latest_episodes(self, tmp_path):
        for name in "abc":
            save(tmp_path, name, 5)
        store = EpisodeCache(tmp_path, 5, KEYS, max_episodes=2, keep=False)
        assert store.look() == ["b.npz", "c.npz"]

    def test_says_what_has_become_unusable(self, tmp_path):
        save(tmp_path, "a", 5)
        save(tmp_path, "b", 5)
        store = EpisodeCache(tmp_path, 5, KEYS, keep=False)
        store.look()
        (tmp_path / "a.npz").unlink()
        with pytest.raises(FileNotFoundError):
            store["a.npz"]
        (tmp_path / "b.npz").write_bytes(b"no archive")
        with pytest.raises(BrokenEpisode, match="b.npz"):
            store["b.npz"]


def test_names_of_the_past(tmp_path):
    """Only what there was at a draw is used, whatever there is now."""
    for name in "abcd":
        save(tmp_path, name, 5)

    def names(draw):
        return ["a.npz", "b.npz", "c.npz", "d.npz"][: draw // 10 + 1]

    store = EpisodeCache(tmp_path, 5, KEYS, names=names)
    assert store.look(0) == ["a.npz"]
    assert store.look(25) == ["a.npz", "b.npz", "c.npz"]
    assert store.look(10) == ["a.npz", "b.npz"]
    assert len(store["b.npz"]["reward"]) == 5
