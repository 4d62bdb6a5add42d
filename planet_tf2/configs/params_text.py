"""Parameters that are written as text: `--params`, and a flag for each."""

import contextlib
import re
from typing import Any

from absl import flags
from pydantic.fields import FieldInfo

from planet_tf2.configs import kinds
from planet_tf2.configs.common_parameters import CommonParameters
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.tools import plain_yaml
from planet_tf2.tools.plain_text import short_repr

# A quote inside of a word, as in "cart's", is no quote in YAML.
_QUOTED = r"""(?<!\w)"(?:\\.|[^"\\])*" | (?<!\w)'[^']*' | \\["']"""
_QUOTED_OR_ANGLE = re.compile(rf"{_QUOTED} | [<>]", re.VERBOSE | re.DOTALL)
# In brackets PyYAML does not take gym:CarRacing-v3?continuous=false for a word.
_QUOTED_OR_QUERY = re.compile(
    rf"""{_QUOTED} |
    (?<![\w:./-])(?P<query>[\w:./-]+\?[^\s,\[\]{{}}"'\\]+)""",
    re.VERBOSE | re.DOTALL,
)


def parse_params(text: str) -> dict[str, Any]:
    """Reads a YAML mapping.

    Angle brackets can stand for the braces, since many shells and launchers
    give meaning to braces: in a text that starts with `<`, every `<` and `>`
    outside of quotes is a brace.

    Raises:
      ConfigError: The text is broken, with where and why in one line, or it
        is not a mapping.
    """
    text = text.strip()
    if text.startswith("<"):
        text = _replace_angles(text)
    try:
        params = _load(text)
    except ValueError as error:
        raise ConfigError(
            f"Cannot read the parameters {short_repr(text)} as YAML: {error}. "
            "Write them like '{action_repeat: 2, tasks: [cheetah_run]}'."
        ) from None
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise ConfigError(
            f"The parameters must be a YAML mapping like '{{units: 2}}', "
            f"not {kinds.shown(params)}."
        )
    return params


def define_flags(
    parameters: type[CommonParameters],
    flag_values: flags.FlagValues = flags.FLAGS,
) -> list[str]:
    """Defines a flag for every parameter and returns their names.

    All of them default to None, which means not given. To have them shown
    by `--help`, declare them as key flags of the program.
    """
    for name, field in parameters.known().items():
        text = f"{parameters.explain(name)} Default: {field.default}."
        if field.annotation is bool:
            flags.DEFINE_boolean(name, None, text, flag_values=flag_values)
        else:
            flags.DEFINE_string(name, None, text, flag_values=flag_values)
    return list(parameters.known())


def flag_overrides(
    parameters: type[CommonParameters],
    flag_values: flags.FlagValues = flags.FLAGS,
) -> dict[str, Any]:
    """Returns the parameters that were given as flags.

    Raises:
      ConfigError: The value of a flag is not valid YAML.
    """
    known = parameters.known()
    given = {name: flag_values[name].value for name in known}
    return {
        name: parse_value(name, value, known[name])
        for name, value in given.items()
        if value is not None
    }


def parse_value(name: str, value: Any, field: FieldInfo | None = None) -> Any:
    """Reads the value of a flag, which is YAML unless it is a switch.

    For a parameter that is a text, such as a regular expression, what YAML does
    not take for a text is it as it stands.
    """
    if not isinstance(value, str):
        return value
    if field is not None and field.annotation is str:
        with contextlib.suppress(ValueError):
            found = plain_yaml.read(value)
            return found if isinstance(found, str) else value
        return value
    # As in --train_collects='[<every: 10>]'.
    text = _replace_angles(value) if value.startswith(("<", "[<")) else value
    problem = "" if text.strip() else "write null for none"
    try:
        found = _load(text)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ConfigError(
            f"Cannot read --{name}={short_repr(value)} as YAML: {problem}."
        )
    return found


def _load(text: str) -> Any:
    return plain_yaml.read(
        _QUOTED_OR_QUERY.sub(
            lambda match: f'"{match[0]}"' if match["query"] else match[0], text
        )
    )


def _replace_angles(text: str) -> str:
    """Turns angle brackets outside of quotes into braces."""
    return _QUOTED_OR_ANGLE.sub(
        lambda match: {"<": "{", ">": "}"}.get(match[0], match[0]), text
    )
