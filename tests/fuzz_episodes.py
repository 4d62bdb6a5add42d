"""Is there a file of an episode that does harm, or is read as what it is not?

    python tests/fuzz_episodes.py --cases 10000 --seed 0

Makes files from valid episodes: flips bits, cuts, and puts other bytes in the
place of some; swaps and renames entries, writes other headers, types, shapes
and values, and reads each of them. Prints figures as JSON, and ends with status
1 if a file

- raised what it should not, or was refused without a line that names it;
- took too long, or too much memory;
- was read as something else than what was written: bytes that were changed
  after writing must be noticed, or make no difference.

A file that was made anew, with sums that are right, may be read if it is an
episode then: arrays of the types that were asked for, and finite.
"""

import io
import pathlib
import sys
import tempfile
import warnings
import zipfile

import fuzzing
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
    *[(), (0,), (1,), (STEPS,), (STEPS, 1), (1, STEPS), (STEPS + 1, 2)],
    *[(STEPS, 3, SIZE, SIZE), (STEPS, SIZE, SIZE), (STEPS - 2,)],
]
CLAIMS = [*SHAPES, (10**11,), (2**62,) * 2, (-STEPS,), (10**5, 10**3, 10**3)]


def fuzz(cases, seed=0):
    """Returns figures, and the problems that were found."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "an episode.npz"

        def attempt(random):
            how, content, expected = make_file(random)
            path.write_bytes(content)
            types = random.choice([TYPES, None])
            end, problem = look(path, types, expected)
            return f"{how}: {end}", problem and f"{how}, {problem}"

        return fuzzing.fuzz(attempt, cases, seed)


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
    draw = np.random.default_rng(random.getrandbits(64))
    episode = {
        "image": draw.integers(0, 256, (STEPS, SIZE, SIZE, 3), np.uint8),
        "action": draw.uniform(-1, 1, (STEPS, 2)).astype(np.float32),
        "reward": draw.normal(size=STEPS).astype(np.float32),
        "terminal": np.arange(STEPS) == STEPS - 1,
    }
    entries = [(key, npy_file(array)) for key, array in episode.items()]
    method, how = random.choice(METHODS), random.choice(list(HOWS))
    if how in DAMAGES:
        content = bytearray(pack(entries, method))
        for _ in range(random.randrange(1, 4)):
            DAMAGES[how](random, content)
        return how, content, episode
    place = random.randrange(len(entries))
    name, content = entries[place]
    if how in CONTENTS:
        content = CONTENTS[how](random, episode[name], content)
        entries[place] = name, content
    else:
        ENTRIES[how](random, entries, place)
    return how, pack(entries, method), None


def npy_file(array, **changes):
    """Returns an array as a file, whose header may tell something else."""
    file = io.BytesIO()
    if array.dtype.hasobject:
        np.save(file, array, allow_pickle=True)
        return file.getvalue()
    header = npy.header_data_from_array_1_0(array)
    npy.write_array_header_1_0(file, {**header, **changes})
    return file.getvalue() + array.tobytes(order="A")


def pack(entries, method=zipfile.ZIP_DEFLATED):
    """Returns an archive of names and contents."""
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # Of names that come twice.
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in entries:
                archive.writestr(f"{name}.npy", content)
    return file.getvalue()


# What can happen to a file after it was written.


def flip(random, content):
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def flip_at_the_end(random, content):
    """Where the names and sizes of the entries are."""
    if content:
        place = -random.randrange(1, min(len(content), 320) + 1)
        content[place] ^= 1 << random.randrange(8)


def cut(random, content):
    del content[random.randrange(len(content) + 1) :]


def splice(random, content):
    """A part is lost, overwritten, moved, or there twice."""

    def part():
        start = random.randrange(len(content) + 1)
        return slice(start, start + 2 ** random.randrange(12))

    old = content[part()]
    where = part()
    new = random.choice([b"", old, random.randbytes(len(content[where]))])
    if random.randrange(2):
        content[where] = new
    else:
        content[where.start : where.start] = new


# What a program can write into an entry.


def other_array(random, array, content):
    """Another type, shape or value."""
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        if random.randrange(2):
            array = array.astype(random.choice(DTYPES))
        if random.randrange(2):
            array = np.resize(array, random.choice(SHAPES))
        elif array.dtype.kind in "fiu":
            value = np.float64(random.choice(VALUES)).astype(array.dtype)
            array = array.copy()
            array.reshape(-1)[random.randrange(array.size)] = value
    return npy_file(np.asfortranarray(array) if random.randrange(2) else array)


def claim(random, array, content):
    """A header that says something else."""
    changes = {"shape": random.choice(CLAIMS)}
    if random.randrange(2):
        changes["descr"] = random.choice(DTYPES[:-1])
    return npy_file(array, **changes)


def garble(random, array, content):
    """Other letters in the header."""
    content = bytearray(content)
    for _ in range(random.randrange(1, 5)):
        content[random.randrange(128)] = random.randrange(256)
    return bytes(content)


def resize(random, array, content):
    """Fewer bytes than there should be, or many more."""
    more = content + bytes(2 ** random.randrange(20, 24))
    return random.choice([content[: random.randrange(len(content))], more])


# What a program can do with entries.


def rename(random, entries, place):
    entries[place] = random.choice(NAMES), entries[place][1]


def swap(random, entries, place):
    names, contents = zip(*entries, strict=True)
    names = random.sample(names, len(names))
    entries[:] = zip(names, contents, strict=True)


def twice(random, entries, place):
    entries.append(entries[place])


def drop(random, entries, place):
    del entries[place]


def _by_name(*functions):
    return {function.__name__: function for function in functions}


DAMAGES = _by_name(flip, flip_at_the_end, cut, splice)
CONTENTS = _by_name(other_array, claim, garble, resize)
ENTRIES = _by_name(rename, swap, twice, drop)
HOWS = {**DAMAGES, **CONTENTS, **ENTRIES}


if __name__ == "__main__":
    sys.exit(fuzzing.main(fuzz, __doc__))
