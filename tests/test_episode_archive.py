"""Files that are damaged, made to do harm, or no files at all."""

import os
import socket
import zipfile

import fuzz_episodes
import numpy as np
import pytest
from fuzz_episodes import npy_file

from planet_tf2.data import episode_archive
from planet_tf2.data.episode_archive import BrokenEpisode, DamagedEpisode
from planet_tf2.data.episodes import load_episode

ARRAYS = {
    "image": np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3),
    "action": np.ones((4, 2), np.float32),
    "reward": np.arange(4, dtype=np.float32),
}
DIRECTORY = b"PK\x01\x02"


def pack(*more, method=zipfile.ZIP_DEFLATED, **contents):
    """An archive; some of its entries have the bytes that are told."""
    entries = {name: npy_file(array) for name, array in ARRAYS.items()}
    entries = [*(entries | contents).items(), *more]
    return fuzz_episodes.pack(entries, method)


def changed(offset, value, entry=0):
    """One byte of what the list at the end says of an entry is another."""
    content = bytearray(pack())
    place = -1
    for _ in range(entry + 1):
        place = content.index(DIRECTORY, place + 1)
    content[place + offset] = value
    return bytes(content)


def with_header(**changes):
    return pack(image=npy_file(ARRAYS["image"], **changes))


DAMAGED = {
    "empty": b"",
    "text": b"no archive",
    "begins well": b"PK\x03\x04" + bytes(99),
    "an array alone": npy_file(ARRAYS["image"]),
    "cut": pack()[:-30],
    "longer": pack() + b"x",
    "encrypted": changed(8, 1),
    "method": changed(10, 97),
    "lzma": changed(10, 14),
    "size": changed(24, 1),
    "large": changed(27, 255),
    "name": changed(46, 7),
    "sum": changed(16, 7),
    # The comment of an entry swallows the next one.
    "comment": changed(32, 55, entry=1),
    "twice": pack(("reward", npy_file(ARRAYS["reward"] + 1))),
    "100 GB": with_header(shape=(10**11,)),
    "overflow": with_header(shape=(2**62, 2**62, 3)),
    "negative": with_header(shape=(-4, -8, 8, 3)),
    "longer type": with_header(descr="<f8"),
    "no type": with_header(descr="<q9"),
    "python": with_header(descr="((((((((("),
    "no header": pack(image=bytes(1000)),
    "a bomb": pack(image=npy_file(ARRAYS["image"]) + bytes(2**25)),
    "entries": pack(*[(str(n), b"x") for n in range(1001)]),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage(tmp_path, content):
    path = tmp_path / "some.npz"
    path.write_bytes(content)
    with pytest.raises(DamagedEpisode, match="cannot be read") as caught:
        load_episode(path)
    text = str(caught.value)
    assert str(path) in text and text.isprintable() and len(text) < 400


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_any_compression(tmp_path, method):
    path = tmp_path / "some.npz"
    content = bytearray(pack(method=method))
    path.write_bytes(content)
    np.testing.assert_array_equal(load_episode(path)["image"], ARRAYS["image"])
    content[300] ^= 1  # Where it is stored, nothing else tells but the sum.
    path.write_bytes(content)
    with pytest.raises(DamagedEpisode):
        load_episode(path)


def make_socket(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


SPECIAL = {
    "pipe": lambda path, patch: os.mkfifo(path),
    "folder": lambda path, patch: path.mkdir(),
    "device": lambda path, patch: path.symlink_to("/dev/zero"),
    "loop": lambda path, patch: path.symlink_to(path),
    "socket": make_socket,
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
def test_what_is_no_file(tmp_path, monkeypatch, make):
    path = tmp_path / "some.npz"
    make(path, monkeypatch)
    with pytest.raises(BrokenEpisode, match=r"some\.npz.* cannot be") as caught:
        load_episode(path)
    assert not isinstance(caught.value, DamagedEpisode)


def test_nowhere(tmp_path):
    (tmp_path / "link.npz").symlink_to("nowhere")
    for name in ("link.npz", "other.npz"):
        with pytest.raises(FileNotFoundError):
            load_episode(tmp_path / name)


def test_arrays_that_are_too_large(tmp_path, monkeypatch):
    path = tmp_path / "some.npz"
    path.write_bytes(pack())
    with monkeypatch.context() as patch:
        patch.setattr(episode_archive, "LARGEST", 700)
        with pytest.raises(BrokenEpisode, match="GB in 'image.npy'") as caught:
            load_episode(path)
        assert not isinstance(caught.value, DamagedEpisode)

    def empty(*args):
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(OSError, match="allocate memory.*some"):
        load_episode(path)


def test_python_objects_are_never_made(tmp_path):
    path = tmp_path / "some.npz"
    arrays = {**ARRAYS, "action": np.array([[], {}, 3, None], object)}
    np.savez(path, **arrays)
    with pytest.raises(BrokenEpisode, match="'action', object of shape"):
        load_episode(path)
