"""Checks parameters, and says in one line what is wrong with them."""

import logging
from collections.abc import Mapping
from typing import Any

import pydantic

from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import Schema, choices, expected, shown
from planet_tf2.tools.nearest import did_you_mean

_LOGGER = logging.getLogger(__name__)


def validate(
    parameters: type[BaseParameters], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns all parameters, in their proper types.

    Args:
      parameters: What can be set.
      given: What is set. The others have their defaults, and those that have
        no effect are left out.

    Raises:
      ConfigError: Names the parameter, the value and what is expected.
    """
    used = {}
    for name, value in given.items():
        if name in parameters.DEPRECATED:
            _LOGGER.warning("Parameter %r has no effect: ignored.", name)
        elif parameters.field(name) is None:
            raise ConfigError(_unknown(parameters, name))
        else:
            used[name] = value
    try:
        return dict(parameters.model_validate(used))
    except pydantic.ValidationError as error:
        raise ConfigError(_explanation(parameters, given, error)) from None


def describe(parameters: type[BaseParameters]) -> dict[str, Schema]:
    """Returns the JSON schema of every parameter, without references."""
    whole = parameters.model_json_schema()
    for schema in whole["properties"].values():
        reference = schema.get("items", {}).get("$ref")
        if reference:
            name = reference.removeprefix("#/$defs/")
            schema["items"] = whole["$defs"][name]
    return whole["properties"]


def _explanation(
    parameters: type[BaseParameters],
    given: Mapping[str, Any],
    error: pydantic.ValidationError,
) -> str:
    problem = error.errors(include_url=False)[0]
    place = problem["loc"]
    if not place:  # It was found by comparing several parameters.
        return str(problem["ctx"]["error"])
    name, value = place[0], given[place[0]]
    # Those that depend on the task are numbers like this one.
    others = parameters.model_json_schema()["additionalProperties"]
    schema = describe(parameters).get(name, others)
    if len(place) > 2 and isinstance(value[place[1]], Mapping):
        setting = _explain_setting(schema["items"], value[place[1]], place[2])
        return f"Parameter {name!r}: {setting}"
    return (
        f"Parameter {name!r} must be {expected(schema)}, not {shown(value)}."
        f"{_hint(schema, value)}"
    )


def _explain_setting(
    schema: Schema, entry: Mapping[str, Any], name: Any
) -> str:
    """Says what is wrong with a setting inside of an entry of a list."""
    known = schema["properties"]
    if name not in known:
        return (
            f"Unknown setting {name!r} in {dict(entry)!r}."
            f"{did_you_mean(name, known)} Known are {', '.join(known)}."
        )
    return (
        f"Setting {name!r} in {dict(entry)!r} must be "
        f"{expected(known[name])}, not {shown(entry[name])}."
    )


def _hint(schema: Schema, value: Any) -> str:
    if not isinstance(value, str):
        return ""
    if "items" in schema:
        return f" Write [{value}] for a list."
    return did_you_mean(value, map(str, choices(schema)))


def _unknown(parameters: type[BaseParameters], name: Any) -> str:
    if ":" in str(name):
        return f"Unknown parameter {name!r}. YAML wants a space after ':'."
    hint = did_you_mean(name, parameters.known())
    return f"Unknown parameter {name!r}.{hint} See docs/parameters.md."
