"""Is there a file of an episode that does harm, or is read as what it is not?

    python tests/fuzz_episodes.py --files 10000 --seed 0

Makes files from valid episodes: flips bits, cuts, inserts, overwrites and
repeats bytes, swaps and renames entries, writes other headers, types, shapes
and values, and reads each of them. Prints figures as JSON, and ends with status
1 if a file

- raised what it should not, or was refused without a line that names it;
- took over two seconds, or 64 MB more memory than those before;
- was read as something else than what was written: bytes that were changed
  after writing must be noticed, or make no difference.

A file that was made anew, with sums that are right, may be read if it is an
episode then: arrays of the types that were asked for, and finite.
"""

import argparse
import collections
import io
import json
import pathlib
import resource
import sys
import tempfile
import time
import warnings
import zipfile

import numpy as np
from numpy.lib import format as npy

from planet_tf2.data.conversion import StepType
from planet_tf2.data.episodes import BrokenEpisode, load_episode

STEPS, SIZE = 9, 8
TYPES = {
    "image": StepType(np.uint8, (SIZE, SIZE, 3)),
    "action": StepType(np.float32, (2,)),
    "reward": StepType(np.float32),
    "terminal": StepType(np.bool_),
}
SECONDS, MEGABYTES = 2.0, 64
METHODS = (
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_STORED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
)
VALUES = (np.nan, np.inf, -1, 0.5, 2, 255, 256, 1e300)
NAMES = ("", "rewards", "../x", "a\nb", "\x1b[31m", "é" * 99, "image.npy")
DTYPES = "b1 u1 i1 >i2 u4 i8 f2 >f4 f8 g c8 U3 S2 M8[s] O".split()
SHAPES = [
    (),
    (0,),
    (1,),
    (STEPS,),
    (STEPS, 1),
    (1, STEPS),
    (STEPS + 1, 2),
    (STEPS, 3, SIZE, SIZE),
    (STEPS, SIZE, SIZE),
    (10**11,),
    (2**62, 2**62),
    (-STEPS,),
    (10**5, 10**3, 10**3),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    figures, problems = fuzz(args.files, args.seed)
    print(json.dumps({**figures, "problems": problems[:20]}, indent=1))
    return 1 if problems else 0


def fuzz(files, seed):
    """Returns figures, and the problems that were found."""
    counts, problems = collections.Counter(), []
    slowest = largest = 0.0
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "an episode.npz"
        for number in range(files):
            random = np.random.default_rng((seed, number))
            how, content, expected = make_file(random)
            path.write_bytes(content)
            types = TYPES if random.integers(2) else None
            start, before = time.monotonic(), megabytes()
            outcome, problem = look(path, types, expected)
            seconds, more = time.monotonic() - start, megabytes() - before
            slowest, largest = max(slowest, seconds), max(largest, more)
            if seconds > SECONDS or more > MEGABYTES:
                problem += f" {seconds:.1f} seconds, {more:.0f} MB"
            counts[f"{how}: {outcome}"] += 1
            if problem:
                problems.append(f"{seed}, {number}, {how}: {problem}")
    figures = {
        "files": files,
        "slowest_seconds": round(slowest, 3),
        "most_megabytes": round(largest, 1),
        **dict(sorted(counts.items())),
    }
    return figures, problems


def megabytes():
    """The most memory that this process ever had."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)


def look(path, types, expected):
    """Reads a file; returns what came of it, and what is wrong with that."""
    try:
        # What Python warns of would be another line.
        with warnings.catch_warnings(action="error"):
            found = load_episode(path, types)
    except BrokenEpisode as error:
        text = str(error)
        is_line = path.name in text and len(text) < 500 and text.isprintable()
        return type(error).__name__, "" if is_line else f"no line: {text!r}"
    except Exception as error:
        return type(error).__name__, repr(error)[:300]
    return "read", differences(found, types, expected)


def differences(found, types, expected):
    """Says what is wrong with an episode that was read."""
    for key, array in found.items():
        if len(array) != len(found["reward"]) or not np.isfinite(array).all():
            return f"{key} is {array.shape}, or not finite"
        if types and StepType(array.dtype, array.shape[1:]) != TYPES[key]:
            return f"{key} is {array.dtype} {array.shape}"
    for key in expected or ():
        if not np.array_equal(found.get(key), expected[key]):
            return f"{key} is not what was written"
    return ""


def make_file(random):
    """Returns how it was made, its bytes, and the episode if it is known."""
    episode = {
        "image": random.integers(0, 256, (STEPS, SIZE, SIZE, 3), np.uint8),
        "action": random.uniform(-1, 1, (STEPS, 2)).astype(np.float32),
        "reward": random.normal(size=STEPS).astype(np.float32),
        "terminal": np.arange(STEPS) == STEPS - 1,
    }
    method = METHODS[random.integers(len(METHODS))]
    how = list(HOWS)[random.integers(len(HOWS))]
    if how in DAMAGES:
        content = bytearray(pack(npy_files(episode), method))
        for _ in range(random.integers(1, 4)):
            DAMAGES[how](random, content)
        return how, content, episode
    entries = npy_files(episode)
    place = random.integers(len(entries))
    FORGERIES[how](random, entries, place, episode[entries[place][0]])
    return how, pack(entries, method), None


def npy_files(episode):
    return [(key, npy_file(array)) for key, array in episode.items()]


def npy_file(array, **changes):
    """Returns an array as a file, whose header may tell something else."""
    file = io.BytesIO()
    if array.dtype.hasobject:
        np.save(file, array, allow_pickle=True)
        return file.getvalue()
    header = npy.header_data_from_array_1_0(array)
    npy.write_array_header_1_0(file, {**header, **changes})
    return file.getvalue() + array.tobytes(order="A")


def pack(entries, method):
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # Of names that come twice.
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in entries:
                archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def part(random, content):
    start, end = sorted(random.integers(0, len(content) + 1, 2).tolist())
    return slice(start, min(end, start + int(2 ** random.integers(0, 12))))


def flip(random, content):
    if content:
        content[random.integers(len(content))] ^= 1 << random.integers(8)


def flip_at_the_end(random, content):
    """Where the names and sizes of the entries are."""
    if content:
        place = -random.integers(1, min(len(content), 320) + 1)
        content[place] ^= 1 << random.integers(8)


def cut(random, content):
    del content[random.integers(len(content) + 1) :]


def remove(random, content):
    del content[part(random, content)]


def insert(random, content):
    place = part(random, content)
    content[place.start : place.start] = random.bytes(place.stop - place.start)


def overwrite(random, content):
    place = part(random, content)
    content[place] = random.bytes(place.stop - place.start)


def repeat(random, content):
    place = part(random, content)
    content[place.start : place.start] = content[place]


def move(random, content):
    place = part(random, content)
    moved = content[place]
    del content[place]
    to = random.integers(len(content) + 1)
    content[to:to] = moved


def retype(random, entries, place, array):
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        other = array.astype(DTYPES[random.integers(len(DTYPES))])
    if random.integers(2):
        other = np.asfortranarray(other)
    entries[place] = entries[place][0], npy_file(other)


def claim(random, entries, place, array):
    """A header that says something else."""
    shape = SHAPES[random.integers(len(SHAPES))]
    changes = {"shape": shape}
    if random.integers(2):
        changes["descr"] = DTYPES[random.integers(len(DTYPES) - 1)]
    entries[place] = entries[place][0], npy_file(array, **changes)


def reshape(random, entries, place, array):
    shapes = [
        shape for shape in SHAPES if 0 <= np.prod(shape, dtype=float) < 1e4
    ]
    shape = shapes[random.integers(len(shapes))]
    entries[place] = entries[place][0], npy_file(np.resize(array, shape))


def garble(random, entries, place, array):
    """Other letters in the header."""
    name, content = entries[place]
    content = bytearray(content)
    for _ in range(random.integers(1, 5)):
        content[random.integers(128)] = random.integers(256)
    entries[place] = name, bytes(content)


def set_value(random, entries, place, array):
    dtype = np.float64 if random.integers(2) else array.dtype
    other = array.astype(dtype)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        value = np.float64(VALUES[random.integers(len(VALUES))]).astype(dtype)
    other.reshape(-1)[random.integers(other.size)] = value
    entries[place] = entries[place][0], npy_file(other)


def rename(random, entries, place, array):
    name = NAMES[random.integers(len(NAMES))]
    entries[place] = name, entries[place][1]


def swap(random, entries, place, array):
    other = random.integers(len(entries))
    names = entries[place][0], entries[other][0]
    contents = entries[other][1], entries[place][1]
    entries[place], entries[other] = zip(names, contents, strict=True)


def twice(random, entries, place, array):
    entries.append((entries[place][0], entries[place][1]))


def drop(random, entries, place, array):
    del entries[place]


def shorten(random, entries, place, array):
    entries[place] = (
        entries[place][0],
        npy_file(array[: random.integers(STEPS)]),
    )


def truncate(random, entries, place, array):
    name, content = entries[place]
    entries[place] = name, content[: random.integers(len(content))]


def bomb(random, entries, place, array):
    size = 2 ** int(random.integers(20, 24))
    entries[place] = entries[place][0], npy_file(array) + bytes(size)


def _by_name(*functions):
    return {function.__name__: function for function in functions}


DAMAGES = _by_name(
    flip, flip_at_the_end, cut, remove, insert, overwrite, repeat, move
)
FORGERIES = _by_name(
    retype,
    claim,
    reshape,
    garble,
    set_value,
    rename,
    swap,
    twice,
    drop,
    shorten,
    truncate,
    bomb,
)
HOWS = {**DAMAGES, **FORGERIES}


if __name__ == "__main__":
    sys.exit(main())
