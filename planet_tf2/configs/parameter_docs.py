"""Writes the documentation of the parameters from their declarations."""

import types

import jinja2

from planet_tf2.configs import kinds
from planet_tf2.configs.validation import describe


def write_docs(agent: types.ModuleType) -> str:
    """Returns `docs/parameters.md` for the package of an agent."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planet_tf2.configs"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = kinds.as_yaml
    environment.filters["expected"] = kinds.expected
    environment.filters["help"] = _help
    return environment.get_template("parameters.md").render(
        parameters=agent.Parameters,
        schemas=describe(agent.Parameters),
        presets=agent.PRESETS,
        preset_help=agent.PRESET_HELP,
    )


def _help(schema: kinds.Schema) -> str:
    return " ".join(schema["description"].split())
