"""Reads the golden numbers: what the original program computes.

They are in `tests/golden`, or in the folder that the environment variable
PLANET_GOLDEN names. `docs/original.md` tells how they were made.
"""

import ast
import os
import pathlib
import zlib
from typing import Any

import numpy as np

_OURS = pathlib.Path(__file__).parent / "golden"
FOLDER = pathlib.Path(os.environ.get("PLANET_GOLDEN") or _OURS)


class Golden:
    """One file of golden numbers.

    Args:
      name: file name without its ending.
      folder: where it is.
    """

    def __init__(self, name: str, folder: pathlib.Path = FOLDER):
        with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
            self._arrays = {key: file[key] for key in file.files}

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """Returns the arrays below `prefix/`, by the rest of their names."""
        prefix = f"{prefix}/"
        return {
            key.removeprefix(prefix): value
            for key, value in self._arrays.items()
            if key.startswith(prefix)
        }

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def meta(self, name: str) -> Any:
        """Returns an entry of `meta/` as a Python value."""
        value = self._arrays[f"meta/{name}"].tolist()
        return ast.literal_eval(value) if name == "params" else value

    def metas(self) -> dict[str, Any]:
        """Returns all entries of `meta/`."""
        return {name: self.meta(name) for name in self.group("meta")}

    def make(self, name: str, method: str, *args: Any) -> np.ndarray:
        """Makes an array that is not stored, from its name and the seed."""
        seed = (zlib.crc32(name.encode()) + self.meta("seed")) % 2**32
        random = np.random.RandomState(seed)
        return getattr(random, method)(*args).astype(np.float32)

    def made_variables(self) -> dict[str, np.ndarray]:
        """Makes all variables that `meta/variable_shapes` lists."""
        variables = {}
        for line in self.meta("variable_shapes"):
            name, shape, scale = line.split()
            shape = [int(size) for size in shape.split("x")]
            variables[name] = self.make(name, "normal", 0, float(scale), shape)
        return variables


def names(pattern: str) -> list[str]:
    """Returns the names of the files that match a pattern.

    Our own folder has to have them all; a test whose files are not in another
    folder is skipped.
    """
    found = sorted(path.stem for path in FOLDER.glob(f"{pattern}.npz"))
    assert found or FOLDER != _OURS, f"There is no {pattern}.npz in {FOLDER}."
    return found


def assert_close(actual, desired, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual, desired, rtol, atol)


def assert_close_states(state, golden, prefix, mask=...):
    """Compares all entries; `rnn_state` is the belief a second time."""
    expected = golden.group(prefix)
    assert set(state) == set(expected) - {"rnn_state"}
    for name in state:
        assert_close(state[name].numpy()[mask], expected[name][mask])
