"""The programs, each also a command: `planet-train` is `train.py`.

Installed, this folder is the package `planet_tf2.programs`, see `setup.py`.
"""

import pathlib
import runpy
from collections.abc import Callable


def __getattr__(name: str) -> Callable[[], None]:
    """Returns what runs a program, as `python scripts/NAME.py` does."""
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    if name.startswith("_") or not path.exists():
        raise AttributeError(name)

    def main() -> None:
        runpy.run_path(str(path), run_name="__main__")

    return main
