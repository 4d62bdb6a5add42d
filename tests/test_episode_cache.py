"""Which episodes of a folder are used, and which are in memory."""

import logging
import os

import numpy as np
import pytest

from planet_tf2.data import episode_archive
from planet_tf2.data.conversion import StepType
from planet_tf2.data.episode_cache import EpisodeCache, EpisodesError
from planet_tf2.data.episodes import save_episode

KEYS = ("image", "action", "reward")


def an_episode(length, action_size=1):
    """An episode of so many time steps, one more than decisions."""
    return {
        "image": np.full((length, 2, 2, 3), length, np.uint8),
        "action": np.zeros((length, action_size), np.float32),
        "reward": np.ones(length, np.float32),
    }


SIZE = sum(array.nbytes for array in an_episode(9).values())


def save(directory, *names, length=9):
    for name in names:
        path = save_episode(directory, an_episode(length), name)
    return path


def files(*names):
    return [f"{name}.npz" for name in names]


def test_skips_what_cannot_be_used(tmp_path, caplog):
    save(tmp_path, "good", length=5)
    save(tmp_path, "short", length=4)
    (tmp_path / "other.txt").write_text("no episode")
    save(tmp_path, "x").rename(tmp_path / "x.npz.staged")
    whole = save(tmp_path, "whole").read_bytes()
    (tmp_path / "truncated.npz").write_bytes(whole[:-50])
    (tmp_path / "foreign.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    asked = []
    store = EpisodeCache(
        tmp_path, 5, KEYS, set_aside=lambda path: asked.append(path.name)
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert store.look() == files("good", "whole")
    # Only what is damaged is set aside; each is told once.
    assert sorted(asked) == files("foreign", "truncated")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 6
    (short,) = [message for message in messages if "short.npz" in message]
    assert "4 time steps, fewer than the 5" in short


def test_leaves_what_cannot_be_read_at_the_moment(tmp_path, monkeypatch):
    save(tmp_path, "good", "unreadable")

    def open_or_not(path, *args):
        if path.endswith("unreadable.npz"):
            raise PermissionError(13, "Permission denied", path)
        return open(path, *args)

    monkeypatch.setattr(episode_archive, "open", open_or_not, raising=False)
    asked = []
    store = EpisodeCache(tmp_path, 5, KEYS, set_aside=asked.append)
    assert store.look() == files("good")
    assert asked == []


def test_goes_on_without_a_file_that_is_gone(tmp_path, caplog):
    save(tmp_path, "a")
    store = EpisodeCache(
        tmp_path, 5, KEYS, names=lambda draw: files("a", "gone")
    )
    with caplog.at_level(logging.WARNING):
        assert store.look(0) == store.look(7) == files("a")
    assert len(caplog.records) == 1 and "gone.npz" in caplog.text


def test_nothing_that_can_be_used(tmp_path):
    with pytest.raises(EpisodesError, match="nowhere: it is empty"):
        EpisodeCache(tmp_path / "nowhere", 5, KEYS).look()
    save(tmp_path, "short", length=4)
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(EpisodesError) as info:
        EpisodeCache(tmp_path, 5, KEYS).look()
    message = str(info.value)
    assert "short.npz has 4 time steps, fewer than the 5" in message
    assert "batch_shape" in message
    assert "broken.npz" in message


@pytest.mark.parametrize(
    "change,message",
    [
        ({"action": np.zeros((7, 3), np.float32)}, "another task"),
        ({"image": None}, "has no 'image'"),
    ],
)
def test_episodes_of_another_kind_are_left_out(
    tmp_path, caplog, change, message
):
    changed = an_episode(7) | change
    save_episode(tmp_path, {k: v for k, v in changed.items() if v is not None})
    usual = save_episode(tmp_path, an_episode(7))
    store = EpisodeCache(tmp_path, 5, KEYS)
    assert store.look() == [usual.name]
    assert message in caplog.text


def test_the_run_decides_what_episodes_look_like(tmp_path, caplog):
    """And not the oldest of them, which may be a copy from another run."""
    other, own = (save_episode(tmp_path, an_episode(7, n)) for n in (1, 6))
    types = {
        "reward": StepType(np.float32),
        "action": StepType(np.float32, (6,)),
    }
    store = EpisodeCache(tmp_path, 5, ("action", "reward"), types=types)
    assert store.look() == [own.name]
    assert other.name in caplog.text and "is needed" in caplog.text


def test_names_of_the_past(tmp_path):
    """Only what there was at a draw is used, whatever there is now."""
    save(tmp_path, *"abcd")
    store = EpisodeCache(
        tmp_path, 5, KEYS, names=lambda draw: files(*"abcd"[: draw // 10 + 1])
    )
    assert store.look(0) == files("a")
    assert store.look(25) == files("a", "b", "c")
    assert store.look(10) == files("a", "b")
    assert len(store["b.npz"]["reward"]) == 9


class TestBounds:
    """The latest episodes are kept, in any order of arrival."""

    @pytest.mark.parametrize("keep", [True, False])
    def test_latest_episodes(self, tmp_path, keep):
        store = EpisodeCache(tmp_path, 5, KEYS, max_episodes=2, keep=keep)
        save(tmp_path, "a", "b", "c")
        save(tmp_path, "short", length=3)  # Does not count.
        assert store.look() == files("b", "c")
        save(tmp_path, "d")
        assert store.look() == files("c", "d")
        assert len(list(tmp_path.iterdir())) == 5
        if keep:
            with pytest.raises(KeyError):
                store["b.npz"]

    def test_bytes(self, tmp_path):
        save(tmp_path, *"abcd")
        for max_bytes, expected in [
            (2 * SIZE, "cd"),
            (3 * SIZE - 1, "cd"),
            (1, "d"),  # One is kept, however large it is.
        ]:
            store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=max_bytes)
            assert store.look() == files(*expected)

    def test_a_long_new_episode_takes_the_room_of_several(self, tmp_path):
        save(tmp_path, *"abcd")
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=4 * SIZE)
        assert len(store.look()) == 4
        save(tmp_path, "e", length=27)
        for _ in range(2):
            # A gap would need those that were dropped to be read again.
            assert store.look() == files("d", "e")

    def test_the_bound_does_not_depend_on_what_was_read_before(self, tmp_path):
        """An old small episode does not fill the gap of one too large."""
        save(tmp_path, "a", "c", "d")
        save(tmp_path, "b", length=27)
        store = EpisodeCache(tmp_path, 1, KEYS, max_bytes=4 * SIZE)
        for _ in range(2):
            assert store.look() == files("c", "d")

    def test_memory_is_freed_in_the_order_of_the_names(self, tmp_path):
        """Not of the alphabet, if somebody else tells the names."""
        save(tmp_path, *"abc")
        store = EpisodeCache(
            tmp_path,
            5,
            KEYS,
            max_bytes=2 * SIZE,
            names=lambda draw: files(*"cab"[: draw + 1]),
        )
        assert store.look(1) == files("c", "a")
        assert store.look(2) == files("a", "b")


class TestWithoutMemory:
    """Files are read again whenever their episode is asked for."""

    def test_reads_anew(self, tmp_path):
        save(tmp_path, "a", length=5)
        store = EpisodeCache(tmp_path, 5, KEYS, keep=False)
        for length in (5, 6):
            save(tmp_path, "a", length=length)
            assert store.look() == files("a")
            assert len(store["a.npz"]["reward"]) == length

    def test_keeps_none_and_uses_all(self, tmp_path):
        save(tmp_path, *"abc")
        store = EpisodeCache(tmp_path, 5, KEYS, max_bytes=1, keep=False)
        assert store.look() == files("a", "b", "c")
        assert not store._episodes
        assert set(store["b.npz"]) == set(KEYS)
