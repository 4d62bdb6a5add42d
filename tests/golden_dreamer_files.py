"""Reads DreamerV3's golden numbers, as `golden_files` does PlaNet's.

They are in `tests/golden_dreamer`, or in the folder that the environment
variable PLANET_GOLDEN_DREAMER names.
"""

import ast
import os
import pathlib
from typing import Any

import golden_files
import numpy as np

OURS = pathlib.Path(__file__).parent / "golden_dreamer"
FOLDER = pathlib.Path(os.environ.get("PLANET_GOLDEN_DREAMER") or OURS)


class Golden(golden_files.Golden):
    """One file of DreamerV3's golden numbers.

    Variables and inputs are made anew where the file does not hold them.

    Args:
      name: file name without its ending.
    """

    def __init__(self, name: str):
        super().__init__(name, FOLDER)
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
        return ast.literal_eval(value) if name.endswith("/params") else value

    def tags(self) -> list[str]:
        """Returns the variants in the file, as the outputs are named."""
        return sorted({key.split("/")[0] for key in self.group("out")})

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


def names() -> list[str]:
    """Returns the names of the files."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split("x")]
