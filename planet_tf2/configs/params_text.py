"""Parameters that were written as text: `--params` and flags."""

from typing import Any

import yaml

from planet_tf2.configs import kinds
from planet_tf2.configs.config_error import ConfigError


def parse_params(text: str) -> dict[str, Any]:
    """Reads a YAML mapping.

    Angle brackets can stand for the braces, since many shells and launchers
    give meaning to braces: in a text that starts with `<`, every `<` and `>` is
    a brace.

    Raises:
      ConfigError: The text is broken, with where and why in one line, or it
        is not a mapping.
    """
    text = text.strip()
    if text.startswith("<"):
        text = _replace_angles(text)
    params = _load(text, f"the parameters {text!r}")
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise ConfigError(
            f"The parameters must be a YAML mapping like '{{num_layers: 2}}', "
            f"not {kinds.shown(params)}."
        )
    return params


def parse_flag(name: str, value: Any) -> Any:
    """Reads the value of a flag, which is YAML unless it is a switch.

    Raises:
      ConfigError: It is broken; the message names the flag.
    """
    if not isinstance(value, str):
        return value
    # As in --train_collects='[<every: 10>]'.
    text = _replace_angles(value) if value.startswith(("<", "[<")) else value
    return _load(text, f"--{name}={value!r}")


def _replace_angles(text: str) -> str:
    return text.replace("<", "{").replace(">", "}")


def _load(text: str, what: str) -> Any:
    """Reads YAML, or says in one line what is wrong with it, and where."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark
            place = f"line {mark.line + 1}, column {mark.column + 1}"
            problem = f"{error.problem} at {place}"
        raise ConfigError(f"Cannot read {what} as YAML: {problem}.") from None
