"""A flag for every parameter."""

from typing import Any

from absl import flags

from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.params_text import parse_flag


def define_flags(
    parameters: type[BaseParameters],
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
    parameters: type[BaseParameters],
    flag_values: flags.FlagValues = flags.FLAGS,
) -> dict[str, Any]:
    """Returns the parameters that were given as flags.

    Raises:
      ConfigError: The value of a flag is not valid YAML.
    """
    given = {name: flag_values[name].value for name in parameters.known()}
    return {
        name: parse_flag(name, value)
        for name, value in given.items()
        if value is not None
    }
