"""Reads DreamerV3's golden numbers, as `golden_files` does PlaNet's.

They are in `tests/golden_dreamer` (2023) and `tests/golden_dreamer_2025`, or in
the folders that the environment variables PLANET_GOLDEN_DREAMER and
PLANET_GOLDEN_DREAMER_2025 name.
"""

import ast
import os
import pathlib
from typing import Any

import golden_files
import numpy as np
import tensorflow as tf

_HERE = pathlib.Path(__file__).parent
OURS = _HERE / "golden_dreamer"
FOLDER = pathlib.Path(os.environ.get("PLANET_GOLDEN_DREAMER") or OURS)
OURS_2025 = _HERE / "golden_dreamer_2025"
FOLDER_2025 = pathlib.Path(
    os.environ.get("PLANET_GOLDEN_DREAMER_2025") or OURS_2025
)


class Golden(golden_files.Golden):
    """One file of DreamerV3's golden numbers.

    Variables and inputs are made anew where the file does not hold them.

    Args:
      name: file name without its ending.
      folder: where it is.
    """

    def __init__(self, name: str, folder: pathlib.Path = FOLDER):
        super().__init__(name, folder)
        for line in self._lines("variable_shapes"):
            # What comes before a colon only groups the lines.
            group, _, line = line.rpartition(": ")
            name, shape, std, mean = line.split()
            key = f"{group}:var/{name}" if group else f"var/{name}"
            numbers = float(mean), float(std)
            made = self.make(name, "normal", *numbers, _sizes(shape))
            self._arrays.setdefault(key, made)
        for line in self._lines("made_inputs"):
            name, shape, kind, *args = line.split()
            self._arrays[name] = self._input(name, _sizes(shape), kind, args)

    def variables(
        self, scope: str = "", group: str = ""
    ) -> dict[str, np.ndarray]:
        """Returns the variables below a scope, by the rest of their names.

        Args:
          scope: such as `a/encoder/cnn`.
          group: `dynamics` or `reinforce` in files that have such groups.
        """
        prefix = f"{group}:var" if group else "var"
        return self.group(f"{prefix}/{scope}" if scope else prefix)

    def meta(self, name: str) -> Any:
        value = super().meta(name)
        is_literal = isinstance(value, str) and value.startswith("{")
        return ast.literal_eval(value) if is_literal else value

    def tags(self) -> list[str]:
        """Returns the variants in the file, as the outputs are named."""
        return sorted({key.split("/")[0] for key in self.group("out")})

    def table(self, name: str) -> dict[str, np.ndarray]:
        """Returns the rows of a table `out/name` of 2025 by their names.

        `meta` lists them once for all that is called alike below its scope.
        """
        scope, _, last = name.rpartition("/")
        rows = f"{scope}/{last}_rows" if scope else f"{last}_rows"
        rows = rows if f"meta/{rows}" in self._arrays else f"{last}_rows"
        return dict(zip(self.meta(rows), self[f"out/{name}"], strict=True))

    def _lines(self, name: str) -> list[str]:
        return self.group("meta").get(name, np.array([], str)).tolist()

    def _input(
        self, name: str, shape: list[int], kind: str, args: list[str]
    ) -> np.ndarray:
        if kind == "image":
            return self.make(name, "randint", 0, 256, shape).astype(np.uint8)
        if kind == "onehot":
            drawn = self.make(name, "normal", 0, 1, shape)
            return np.eye(shape[-1], dtype=np.float32)[drawn.argmax(-1)]
        numbers = [float(arg) for arg in args]
        numbers = [0.0, *numbers] if kind == "normal" else numbers
        return self.make(name, kind, *numbers, shape)


def names(folder: pathlib.Path = FOLDER) -> list[str]:
    """Returns the names of the files."""
    return sorted(path.stem for path in folder.glob("*.npz"))


def assert_summary(actual, expected, atol=None):
    """Compares sum, norm and first entries, filled up with zeros or not.

    Up to a part of the largest entry, unless something else is given.
    """
    array = np.asarray(actual).astype(np.float64)
    total, norm, *entries = expected
    entries = entries[: array.size]
    atol = 1e-4 * abs(array).max() + 1e-9 if atol is None else atol
    golden_files.assert_close(array.sum(), total, 0, atol * array.size)
    golden_files.assert_close(np.sqrt((array**2).sum()), norm, 1e-6, atol)
    first = array.ravel()[: len(entries)]
    golden_files.assert_close(first, entries, 1e-6, atol)


def eager(function):
    return function()


def graph(function):
    return tf.function(function, autograph=False)()


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split("x")]
