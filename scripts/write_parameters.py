"""Writes docs/parameters.md from the declarations of the parameters."""

import pathlib

from absl import app, flags

from planet_tf2 import agents
from planet_tf2.configs import parameter_docs

_PATH = pathlib.Path(__file__).parents[1] / "docs" / "parameters.md"
_OUTPUT = flags.DEFINE_string("output", str(_PATH), "File to write.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    pathlib.Path(_OUTPUT.value).write_text(
        parameter_docs.write_docs(agents.find())
    )
    print(f"Wrote {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main)
