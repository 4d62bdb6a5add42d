"""Episode files: complete or absent, and checked when read."""

import errno
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from planet_tf2.data import episodes
from planet_tf2.data.conversion import StepType
from planet_tf2.envs import child_process


def _episode(length=4):
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (length, 8, 8, 3), dtype=np.uint8),
        "position": rng.normal(size=(length, 2)).astype(np.float32),
        "action": rng.uniform(-1, 1, (length, 3)).astype(np.float32),
        "reward": np.array([0, 0.5, -1, 2][:length], np.float32),
        "is_first": np.array([True, False, False, False][:length]),
        "terminal": np.array([False, False, False, True][:length]),
    }


def test_what_is_saved_can_be_loaded(tmp_path):
    saved = _episode()
    path = episodes.save_episode(tmp_path, saved, "name")
    assert path == tmp_path / "name.npz"
    with np.load(path, allow_pickle=False) as archive:
        assert archive.files == list(saved)
        assert all(info.compress_type for info in archive.zip.infolist())
    loaded = episodes.load_episode(path)
    np.testing.assert_array_equal(loaded.pop("return"), [0, 0.5, -0.5, 1.5])
    assert loaded.keys() == saved.keys()
    for key, array in saved.items():
        np.testing.assert_array_equal(loaded[key], array)
        assert loaded[key].dtype == array.dtype


def test_files_of_the_original_have_no_flags(tmp_path):
    old = {k: _episode()[k] for k in ("image", "action", "reward")}
    loaded = episodes.load_episode(episodes.save_episode(tmp_path, old))
    assert loaded["is_first"].dtype == loaded["terminal"].dtype == bool
    assert loaded["is_first"].tolist() == [True, False, False, False]
    assert loaded["terminal"].tolist() == [False] * 4


def test_wide_rewards_are_read_as_32_bit(tmp_path):
    episode = {**_episode(), "reward": np.array([0, 1, 2, 3], np.float64)}
    loaded = episodes.load_episode(episodes.save_episode(tmp_path, episode))
    assert loaded["reward"].dtype == loaded["return"].dtype == np.float32
    np.testing.assert_array_equal(loaded["return"], [0, 1, 3, 6])


def test_names_within_one_second_sort_by_time(monkeypatch):
    start = 1_700_000_000_123_456_000
    times = iter(range(start, start + 100_000, 1_000))
    monkeypatch.setattr(episodes.time, "time_ns", lambda: next(times))
    names = [episodes.episode_name() for _ in range(100)]
    assert names == sorted(set(names))
    assert re.fullmatch(f"20231114T221320-{start:016x}[0-9a-f]{{16}}", names[0])


def test_list_holds_published_episodes_only(tmp_path):
    assert episodes.list_episodes(tmp_path / "missing") == []
    for name in ("b", "a"):
        episodes.save_episode(tmp_path, _episode(), name)
    episodes.save_episode(tmp_path, _episode(), "c", staged=True)
    (tmp_path / "notes.txt").write_text("no episode")
    (tmp_path / ".hidden.npz").write_text("no episode")
    assert episodes.list_episodes(tmp_path) == ["a.npz", "b.npz"]


def test_publish(tmp_path):
    folder = tmp_path / "test"
    folder.mkdir()
    staged = episodes.save_episode(tmp_path, _episode(), "one", staged=True)
    assert staged.name == "one.npz.staged"
    path = episodes.publish(str(staged), folder)
    assert path == folder / "one.npz"
    assert not staged.exists()
    # Once more does no harm.
    assert episodes.publish(staged, folder) == path
    with pytest.raises(FileNotFoundError):
        episodes.publish(tmp_path / "two.npz.staged", folder)
    assert len(episodes.load_episode(path)["reward"]) == 4


def test_publish_to_another_disk(tmp_path, monkeypatch):
    """As a link to a folder makes it happen."""
    folder = tmp_path / "disk"
    folder.mkdir()
    staged = episodes.save_episode(tmp_path, _episode(), "one", staged=True)
    content = staged.read_bytes()
    rename = os.replace

    def replace(source, target):
        if pathlib.Path(source).parent != pathlib.Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    path = episodes.publish(staged, folder)
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["disk"]
    assert [p.name for p in folder.iterdir()] == ["one.npz"]
    assert episodes.publish(staged, folder) == path


def test_clean_staged(tmp_path):
    episodes.clean_staged(tmp_path / "missing")
    own = episodes.episode_name()
    episodes.save_episode(tmp_path, _episode(), own)
    for end in (".staged", ".partial", ".staged.partial"):
        (tmp_path / f"{own}.npz{end}").write_bytes(b"half")
    # Nobody but their owner removes what others have there.
    others = [
        "a.npz.partial",
        "b.npz.staged",
        "c.partial",
        f"{own}.npz.damaged",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    episodes.clean_staged(tmp_path)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == sorted([f"{own}.npz", *others])


def test_killed_before_the_rename(tmp_path):
    name = episodes.episode_name()
    program = textwrap.dedent(
        f"""
        import os, signal
        import numpy as np
        from planet_tf2.data import episodes

        os.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        arrays = {{"action": np.zeros((3, 1)), "reward": np.zeros(3)}}
        episodes.save_episode({str(tmp_path)!r}, arrays, {name!r})
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env=child_process.child_environ({})
    )
    assert result.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.npz.partial"]
    assert episodes.list_episodes(tmp_path) == []
    assert list(tmp_path.glob("*.npz")) == []
    episodes.clean_staged(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change,message",
    [
        ({"reward": None}, "has no 'reward'"),
        ({"action": None}, "has no 'action'"),
        (
            {"image": np.zeros((3, 2, 2, 3), np.uint8)},
            r"'image', uint8 of shape \[3, 2, 2, 3\], but uint8 of shape \[4,",
        ),
        ({name: array[:1] for name, array in _episode().items()}, "no step"),
        ({"reward": np.zeros(())}, "no step"),
        ({"reward": np.zeros((4, 2))}, r"float64 of shape \[4, 2\].*\[4\] is"),
        ({"reward": np.array([*"1234"])}, "<U1.*finite float32"),
        ({"terminal": np.array([*"1234"])}, "<U1 of shape .* but bool"),
    ],
)
def test_arrays_that_are_no_episode(tmp_path, change, message):
    arrays = {**_episode(), **change}
    arrays = {key: value for key, value in arrays.items() if value is not None}
    with pytest.raises(episodes.BrokenEpisode, match=message):
        episodes.save_episode(tmp_path, arrays, "name")
    assert list(tmp_path.iterdir()) == []
    np.savez_compressed(tmp_path / "foreign.npz", **arrays)
    with pytest.raises(episodes.BrokenEpisode, match=message) as caught:
        episodes.load_episode(tmp_path / "foreign.npz")
    assert "foreign.npz" in str(caught.value)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"reward": np.array([0, 1, np.nan, 2])}, "finite at time step 2"),
        ({"terminal": np.arange(4)}, "int64.* with values from 0 to 3, but"),
    ],
)
def test_values_that_are_no_episode(tmp_path, change, message):
    """Those of an environment are judged by who collects them."""
    path = episodes.save_episode(tmp_path, {**_episode(), **change})
    with pytest.raises(episodes.BrokenEpisode, match=message):
        episodes.load_episode(path)


def test_what_is_not_asked_for_does_not_matter(tmp_path):
    """Such as notes, objects and numbers of other programs."""
    others = {
        "task": np.array("walk"),
        "seed": np.array(3),
        "info": np.array([{}] * 4, object),
        "names": np.array([*"abcd"]),
    }
    path = tmp_path / "other.npz"
    np.savez(path, **_episode(), **others, lidar=np.full((4, 9), np.inf))
    types = {
        "action": StepType(np.float32, (3,)),
        "terminal": StepType(np.bool_),
        "return": StepType(np.float32),
    }
    loaded = episodes.load_episode(path, types)
    assert loaded.keys() == {*types, "reward"}
    assert np.isinf(episodes.load_episode(path)["lidar"]).all()
    np.savez(path, **_episode(), **others)
    assert others.keys().isdisjoint(episodes.load_episode(path))


def test_flags_of_dreamer(tmp_path):
    arrays = {k: v for k, v in _episode().items() if k != "terminal"}
    path = tmp_path / "dreamer.npz"
    np.savez(path, **arrays, is_terminal=np.array([0, 0, 0, 1], np.uint8))
    assert episodes.load_episode(path)["terminal"].tolist() == [0, 0, 0, 1]
