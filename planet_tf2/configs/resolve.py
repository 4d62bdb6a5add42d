"""From preset, `--params` and flags to the parameters of a run.

Flags win over `--params`, which wins over the preset, which wins over the
defaults. Everything is checked before anything is started or written.
"""

import logging
import re
import types
from collections.abc import Mapping
from typing import Any

import pydantic

from planet_tf2.configs.common_parameters import CommonParameters
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import (
    LARGEST,
    Schema,
    choices,
    expected,
    shown,
    too_large,
)
from planet_tf2.configs.params_text import parse_params
from planet_tf2.tools import attr_dict
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.nearest import did_you_mean
from planet_tf2.tools.plain_text import one_line, short_repr

_LOGGER = logging.getLogger(__name__)
_LONGEST = 20_000  # So that `config.yaml`, with more in it, can be read.


def resolve(
    agent: types.ModuleType,
    config: str = "default",
    params_text: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> AttrDict:
    """Puts the parameters of a run together and checks them.

    Args:
      agent: Package of the agent, which has `Parameters` and `PRESETS`.
      config: Name of a preset, or several, separated by commas: later ones win
        over those before. All of them win over the preset `default`.
      params_text: YAML mapping, see `parse_params`.
      overrides: Parameters by name, from flags. They win over all others.

    Returns:
      A locked dictionary with a value for every parameter.

    Raises:
      ConfigError: One line that names the parameter, the value and the fix.
    """
    given = merge(
        agent.Parameters,
        find_presets(agent, config),
        parse_params(params_text),
        overrides or {},
    )
    return AttrDict(validate(agent.Parameters, given))


def find_presets(agent: types.ModuleType, config: str) -> dict[str, Any]:
    """Returns the parameters that presets set, see `resolve`.

    Raises:
      ConfigError: There is no such preset.
    """
    presets = agent.PRESETS
    chosen = []
    for name in config.split(","):
        if name.strip() not in presets:
            raise ConfigError(
                f"Unknown preset {name!r}.{did_you_mean(name, presets)} "
                f"Known are {', '.join(presets)}."
            )
        chosen.append(presets[name.strip()])
    return merge(agent.Parameters, presets.get("default", {}), *chosen)


def known_presets(agent: types.ModuleType, config: Any) -> str:
    """Returns the presets of an earlier run, or `default` if one is gone."""
    names = str(config).split(",")
    gone = any(name.strip() not in agent.PRESETS for name in names)
    return "default" if gone else str(config)


def merge(
    parameters: type[CommonParameters], *parts: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what is set by several, of which the last wins.

    Nested settings are merged one by one. `actor.entropy` is one of `actor`.
    """
    merged: dict[str, Any] = {}
    for name, value in (item for part in parts for item in part.items()):
        outer, _, inner = str(name).partition(".")
        is_nested = parameters.settings(outer) is not None
        if is_nested and inner:
            name, value = outer, {inner: value}
        if is_nested and isinstance(value, Mapping):
            before = merged.get(name)
            before = before if isinstance(before, Mapping) else {}
            value = {**before, **value}
        merged[name] = value
    return merged


def validate(
    parameters: type[CommonParameters], given: Mapping[str, Any]
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
    for name, value in merge(parameters, given).items():
        if name in parameters.DEPRECATED:
            _LOGGER.warning("Parameter %r has no effect: ignored.", name)
        elif name in parameters.DERIVED:
            continue
        elif parameters.field(name) is None:
            raise ConfigError(_unknown(parameters, name))
        elif parameters.settings(name) and isinstance(value, Mapping):
            used[name] = _used_settings(parameters, name, value)
        else:
            used[name] = value
    try:
        model = parameters.model_validate(used)
    except pydantic.ValidationError as error:
        raise ConfigError(_explanation(parameters, given, error)) from None
    found = {**model.model_dump(), **model.derive()}
    for name in parameters.DERIVED:
        if name in given and given[name] != found[name]:
            raise ConfigError(
                f"Parameter {name!r} follows from others, which make it "
                f"{found[name]}, not {shown(given[name])}. Leave it out."
            )
    if len(ascii(found)) > _LONGEST:
        longest = max(found, key=lambda name: len(ascii(found[name])))
        raise ConfigError(
            f"Parameter {longest!r} is too long: all of them together have "
            f"{_LONGEST} characters at most."
        )
    return found


def _used_settings(
    parameters: type[CommonParameters], name: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns those of nested settings that have an effect."""
    used = {}
    for key, value in given.items():
        full = f"{name}.{key}"
        if full in parameters.DEPRECATED:
            _LOGGER.warning("Parameter %r has no effect: ignored.", full)
        elif parameters.field(full) is None:
            raise ConfigError(_unknown(parameters, full))
        else:
            used[key] = value
    return used


def describe(parameters: type[CommonParameters]) -> dict[str, Schema]:
    """Returns the JSON schema of every parameter, without references.

    Nested ones are called `actor.entropy`.
    """
    whole = parameters.model_json_schema()
    found = {}
    for name, schema in whole["properties"].items():
        reference = schema.get("items", {}).get("$ref")
        if reference:
            part = reference.removeprefix("#/$defs/")
            schema["items"] = whole["$defs"][part]
        inside = parameters.settings(name)
        if inside is None:
            found[name] = schema
        else:
            parts = inside.model_json_schema()["properties"].items()
            found |= {f"{name}.{key}": part for key, part in parts}
    return found


def differences(
    agent: types.ModuleType, saved: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """Lists the parameters that differ, as `'name: old -> new'`.

    A parameter that did not exist yet when the others were saved counts as
    having had its default.
    """
    saved, new = flat(agent.Parameters, saved), flat(agent.Parameters, new)
    fields = {name: agent.Parameters.field(name) for name in {*saved, *new}}
    defaults = {name: f.default for name, f in fields.items() if f is not None}
    return attr_dict.differences(saved, new, defaults)


def flat(
    parameters: type[CommonParameters], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns parameters, nested ones as `actor.entropy`, none derived."""
    found = {}
    for name, value in params.items():
        if name in parameters.DERIVED:
            continue
        if parameters.settings(name) is None:
            found[name] = value
        else:
            found |= {f"{name}.{key}": part for key, part in value.items()}
    return found


def lasting_differences(
    agent: types.ModuleType,
    saved: Mapping[str, Any],
    new: Mapping[str, Any],
    done: bool = False,
) -> list[str]:
    """Lists the differences that a run cannot go on with.

    Those are of all parameters but `CHANGEABLE`, and but `LENGTH` while the run
    is not done: until then it makes no difference how long it is to be.
    """
    parameters = agent.Parameters
    free = parameters.CHANGEABLE | (set() if done else {parameters.LENGTH})
    saved, new = (
        {name: params[name] for name in params if name not in free}
        for params in (saved, new)
    )
    return differences(agent, saved, new)


def _explanation(
    parameters: type[CommonParameters],
    given: Mapping[str, Any],
    error: pydantic.ValidationError,
) -> str:
    problem = error.errors(include_url=False)[0]
    place = problem["loc"]
    if not place:  # It was found by comparing several parameters.
        return str(problem["ctx"]["error"])
    name, value = place[0], given[place[0]]
    inside = parameters.settings(name)
    if inside is not None:
        if len(place) == 1:
            known = ", ".join(inside.model_fields)
            return (
                f"Parameter {name!r} must be a mapping of {known}, not "
                f"{shown(value)}."
            )
        value, name = value[place[1]], f"{name}.{place[1]}"
        place = place[1:]
    schema = describe(parameters).get(name)
    if schema is None:  # Those that depend on the task are alike.
        schema = parameters.model_json_schema()["additionalProperties"]
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
            f"Unknown setting {short_repr(name)} in {short_repr(entry)}."
            f"{did_you_mean(name, known)} Known are {', '.join(known)}."
        )
    return (
        f"Setting {name!r} in {short_repr(entry)} must be "
        f"{expected(known[name])}, not {shown(entry[name])}."
    )


def _hint(schema: Schema, value: Any) -> str:
    """Guesses how to write what was meant."""
    if "integer" in expected(schema) and too_large(value):
        return f" The largest is {LARGEST}."
    if not isinstance(value, str):
        return ""
    if "items" in schema:
        return f" Write [{one_line(value.strip('()'), 100)}] for a list."
    if value.lower() == "none" and {"type": "null"} in schema.get("anyOf", ()):
        return " Write null."
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", value):
        return f" Write {value.replace(',', '')}, without commas."
    return did_you_mean(value, map(str, choices(schema)))


def _unknown(parameters: type[CommonParameters], name: Any) -> str:
    known = parameters.known()
    outer, _, last = str(name).rpartition(".")
    names = [*parameters.model_fields, *known]
    places = [full for full in known if full.rpartition(".")[2] == last]
    outer = parameters.MEANT.get(outer, outer)
    if f"{outer}.{last}" in known:
        places = [f"{outer}.{last}"]
    meant = parameters.MEANT.get(name) or next(iter(places), None)
    hint = f" Did you mean {meant!r}?" if meant else did_you_mean(name, names)
    return f"Unknown parameter {short_repr(name)}.{hint} See {parameters.PAGE}."
