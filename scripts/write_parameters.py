"""Writes docs/parameters.md from the declarations of the parameters."""

import pathlib

import jinja2

from planet_tf2 import agents
from planet_tf2.configs import kinds
from planet_tf2.configs.resolve import describe
from planet_tf2.tools import command

_PATH = pathlib.Path(__file__).parents[1] / "docs" / "parameters.md"
_OUTPUT = command.define_path("output", str(_PATH), "File to write.")


def work() -> None:
    pathlib.Path(_OUTPUT.value).write_text(render())
    print(f"Wrote {_OUTPUT.value}.")


def render() -> str:
    """Returns the page on the parameters of PlaNet."""
    agent = agents.find()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planet_tf2.configs"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = kinds.as_yaml
    environment.filters["expected"] = kinds.expected
    environment.filters["help"] = lambda s: " ".join(s["description"].split())
    return environment.get_template("parameters.md").render(
        parameters=agent.Parameters,
        schemas=describe(agent.Parameters),
        presets=agent.PRESETS,
        preset_help=agent.PRESET_HELP,
    )


if __name__ == "__main__":
    command.start(work)
