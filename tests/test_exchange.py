"""Episodes of other programs in, ours out, and what is said of them."""

import contextlib
import pathlib
import sys

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from bad_folders import run_script
from gymnasium import spaces
from minari_sets import BOX, IMAGE, make_minari, store

from planet_tf2.data import episodes
from planet_tf2.data.stored_spaces import read_spaces
from planet_tf2.exchange import sources
from planet_tf2.exchange.export_episodes import export_minari
from planet_tf2.exchange.import_episodes import import_episodes

__all__ = ["store"]

MIXED = spaces.Dict(
    {
        "image": spaces.Box(0, 255, (3, 20, 40), np.uint8),
        "place": spaces.Box(-np.inf, np.inf, (2,), np.float64),
        "room": spaces.Discrete(3),
    }
)


def load(folder):
    names = episodes.list_episodes(folder)
    return [episodes.load_episode(pathlib.Path(folder) / n) for n in names]


def take_in(place, out, **settings):
    import_episodes(sources.open_source(str(place)), out, **settings)
    return load(out)


def assert_equal(ones, others):
    for one, other in zip(ones, others, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])


def test_minari_becomes_ours(tmp_path):
    """Actions and rewards move beside what they lead to; ends stay ends."""
    acted = spaces.Box(np.float32([-2, 0]), np.float32([2, 10]))
    theirs = make_minari("aa/b-v0", MIXED, acted)
    ours = take_in("aa/b-v0", tmp_path / "ours")
    for one, other in zip(ours, theirs, strict=True):
        scaled = (other.actions - [-2, 0]) / [4, 10] * 2 - 1
        np.testing.assert_allclose(one["action"][1:], scaled, atol=1e-6)
        assert not one["action"][0].any() and one["action"].dtype == np.float32
        np.testing.assert_array_equal(one["reward"][1:], other.rewards)
        assert one["reward"][0] == 0
        np.testing.assert_array_equal(one["terminal"][1:], other.terminations)
        assert not one["terminal"][0]
        assert one["is_first"].tolist() == [True] + [False] * len(scaled)
        place = np.float32(other.observations["place"])
        np.testing.assert_array_equal(one["place"], place)
        room = np.eye(3, dtype=np.float32)[other.observations["room"]]
        np.testing.assert_array_equal(one["room"], room)
        assert one["image"].shape[1:] == (64, 64, 3)


@pytest.mark.parametrize(
    "acted, vectors, stored",
    [
        (spaces.Discrete(4, start=1), False, spaces.Discrete(4)),
        (spaces.MultiDiscrete([3, 2]), False, spaces.MultiDiscrete([3, 2])),
        (spaces.MultiDiscrete([3, 2]), True, spaces.Box(-1, 1, (5,))),
        (spaces.Box(-1, 1, (2, 2)), False, spaces.Box(-1, 1, (4,))),
    ],
)
def test_actions(acted, vectors, stored, tmp_path):
    theirs = make_minari("aa/b-v0", spaces.Box(-1, 1, (2,)), acted)
    ours = take_in("aa/b-v0", tmp_path / "ours", vector_actions=vectors)
    assert read_spaces(tmp_path / "ours")[1] == stored
    for one, other in zip(ours, theirs, strict=True):
        found = one["action"][1:]
        if isinstance(acted, spaces.Discrete):
            found = found.argmax(-1) + 1
        elif vectors:
            found = np.stack([found[:, :3].argmax(-1), found[:, 4]], -1)
        actions = other.actions.reshape(found.shape)
        np.testing.assert_array_equal(found, actions)


@pytest.mark.parametrize(
    "observed, acted",
    [(MIXED, BOX), (IMAGE, BOX), (spaces.Box(-1, 1, (3,)), spaces.Discrete(3))],
)
def test_round_trips(observed, acted, tmp_path):
    make_minari("aa/b-v0", observed, acted)
    first = take_in("aa/b-v0", tmp_path / "first")
    source = sources.open_source(str(tmp_path / "first"))
    export_minari(source, "mine/first-v2")
    found = minari.load_dataset("mine/first-v2")
    assert found.total_episodes == 3 and found.total_steps == 27
    assert [e.terminations[-1] for e in found] == [True, False, True]
    assert [e.truncations[-1] for e in found] == [False, True, False]
    assert_equal(first, take_in("mine/first-v2", tmp_path / "second"))
    for out in ("first.hdf5", "folder"):  # By its path, too.
        form = "hdf5" if "hdf5" in out else "minari"
        arguments = "--format", form, "--out", str(tmp_path / out)
        assert run_script("episodes", "export", source.place, *arguments) == 0
        copy = take_in(tmp_path / out, tmp_path / f"of_{out}")
        assert_equal(first, copy)
    with h5py.File(tmp_path / "first.hdf5") as file:
        kept = file["episode_000001"]["reward"][()]
    np.testing.assert_array_equal(kept, first[1]["reward"])


def test_ends_on_the_way_stay(tmp_path):
    """As of lives that are lost in games."""
    terminal = np.array([False, False, True, False, True])
    arrays = {"action": np.zeros((5, 2)), "reward": np.arange(5.0)}
    arrays |= {"terminal": terminal, "state": np.ones((5, 3))}
    (tmp_path / "one").mkdir()
    episodes.save_episode(tmp_path / "one", arrays)
    export_minari(sources.open_source(str(tmp_path / "one")), "aa/b-v0")
    (found,) = take_in("aa/b-v0", tmp_path / "two")
    np.testing.assert_array_equal(found["terminal"], terminal)


def test_dreamer_of_version_1(tmp_path):
    """It has no flags but `discount`."""
    np.savez(
        tmp_path / "20200101T000000-abc-4.npz",
        image=np.zeros((4, 64, 64, 3), np.uint8),
        action=np.zeros((4, 2), np.float16),
        reward=np.float16([0, 1, 2, 3]),
        discount=np.float16([1, 1, 1, 0]),
    )
    (found,) = take_in(tmp_path, tmp_path / "ours")
    assert found["terminal"].tolist() == [False, False, False, True]
    assert found["reward"].tolist() == [0, 1, 2, 3]


def test_replay_of_version_3(tmp_path):
    """Streams across files; actions stand beside what they follow."""
    first = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1, 0], bool)
    last = np.array([1, 0, 0, 1, 0, 0, 0, 1, 0, 0], bool)
    rows = {
        "is_first": first,
        "is_last": last,
        "is_terminal": last & (np.arange(10) < 7),
        "reward": np.where(first, 0, np.arange(10)).astype(np.float32),
        "action": np.where(last, 0, np.arange(10) % 3).astype(np.int32),
        "place": np.arange(20, dtype=np.float32).reshape(10, 2),
        "dyn/stoch": np.zeros((10, 4)),
        "stepid": np.zeros((10, 20), np.uint8),
    }
    files = [("a", "b", 0, 3), ("b", "c", 3, 6), ("c", "0", 6, 10)]
    for name, following, begin, end in files:
        path = tmp_path / f"20240101T00000{begin}F000-{name}-{following}-3.npz"
        np.savez(path, **{k: v[begin:end] for k, v in rows.items()})
    found = take_in(tmp_path, tmp_path / "ours")
    # What begins before the first file is gone; what goes on is cut off.
    assert [e["reward"].tolist() for e in found] == [
        [0, 2, 3],
        [0, 5, 6, 7],
        [0, 9],
    ]
    chosen = [e["action"][1:].argmax(-1).tolist() for e in found]
    assert chosen == [[1, 2], [1, 2, 0], [2]]
    assert [e["terminal"][-1] for e in found] == [True, False, False]
    assert found[1]["place"].tolist() == rows["place"][4:8].tolist()
    assert set(found[0]) == {
        *("action", "reward", "return", "is_first", "terminal", "place")
    }


def test_breaks_in_the_middle(tmp_path):
    make_minari("aa/b-v0", MIXED, BOX, break_at=2)
    with pytest.raises(ValueError, match="Episode 2 of .aa/b-v0.: .*nan"):
        take_in("aa/b-v0", tmp_path / "ours")
    assert {path.name for path in tmp_path.iterdir()} == {"minari"}
    # Nor does what a killed program left disturb.
    (tmp_path / "ours.partial" / "rest").mkdir(parents=True)
    make_minari("aa/c-v0", MIXED, BOX)
    assert len(take_in("aa/c-v0", tmp_path / "ours")) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"minari", "ours"}
    with pytest.raises(ValueError, match="there already"):
        take_in("aa/c-v0", tmp_path / "ours")


def test_a_share_is_held_out(tmp_path):
    make_minari("aa/b-v0", spaces.Box(-1, 1, (2,)), BOX, (5,) * 8)
    place = str(tmp_path / "ours")
    arguments = "--out", place, "--held_out=0.25"
    assert run_script("episodes", "import", "aa/b-v0", *arguments) == 0
    counts = [len(load(folder)) for folder in sources.find_folders(place)]
    assert counts == [6, 2]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Say import, export or show"),
        (["show", "nowhere"], "neither a folder of episodes nor"),
        (["show", "no/such-v0"], "minari download no/such-v0"),
        (["show", "."], "No usable episodes in"),
        (["import", "."], "name one place, and --out"),
        (["export", "aa/b-v0", "--out=x-v0"], "Only folders"),
        (["export", "ours", "--out=x"], "no id of a Minari data set"),
        (["export", "ours", "--out=x.hdf5", "--format=hdf5"], None),
    ],
)
def test_program(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_minari("aa/b-v0", spaces.Box(-1, 1, (2,)), BOX)
    import_episodes(sources.open_source("aa/b-v0"), "ours")
    assert run_script("episodes", *arguments) == (0 if message is None else 1)
    error = capsys.readouterr().err
    assert (message or "") in error and error.count("\n") <= 1


def test_without_minari(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari.storage.datasets_root_dir", None)
    with pytest.raises(ValueError, match=r"'planet_tf2\[minari\]'"):
        sources.open_source("aa/b-v0")


def test_show(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    make_minari("aa/b-v0", MIXED, BOX)
    take_in("aa/b-v0", tmp_path / "ours")
    assert (
        run_script("episodes", "show", "aa/b-v0", str(tmp_path / "ours")) == 0
    )
    said = capsys.readouterr().out
    assert said.count("2, 1") == 2 and said.count("6 to 12, mean 9") == 2
    assert "image: uint8 [64, 64, 3]" in said and "Discrete(3)" in said


def test_environment_of_a_run_can_be_recovered(trained, tmp_path):
    source = sources.open_source(str(trained.folder.train_episodes))
    export_minari(source, "mine/dummy-v0")
    found = minari.load_dataset("mine/dummy-v0")
    with contextlib.closing(found.recover_environment()) as env:
        observed, _ = env.reset(seed=0)
        assert found.observation_space.contains(observed)
        assert env.action_space == found.action_space
        assert isinstance(env, gymnasium.Env)
