"""From preset, `--params` and flags to the parameters of a run.

Flags win over `--params`, which wins over the preset, which wins over the
defaults. Everything is checked before anything is started or written.
"""

import types
from collections.abc import Mapping
from typing import Any

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.params_text import parse_params
from planet_tf2.configs.validation import validate
from planet_tf2.tools import attr_dict
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.nearest import did_you_mean


def resolve(
    agent: types.ModuleType,
    config: str = "default",
    params_text: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> AttrDict:
    """Puts the parameters of a run together and checks them.

    Args:
      agent: Package of the agent, which has `Parameters` and `PRESETS`.
      config: Name of a preset.
      params_text: YAML mapping, see `parse_params`.
      overrides: Parameters by name, from flags. They win over all others.

    Returns:
      A locked dictionary with a value for every parameter.

    Raises:
      ConfigError: One line that names the parameter, the value and the fix.
    """
    presets = agent.PRESETS
    if config not in presets:
        raise ConfigError(
            f"Unknown preset {config!r}.{did_you_mean(config, presets)} "
            f"Known are {', '.join(presets)}."
        )
    given = {
        **presets[config],
        **parse_params(params_text),
        **(overrides or {}),
    }
    return AttrDict(validate(agent.Parameters, given))


def differences(
    agent: types.ModuleType, saved: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """Lists the parameters that differ, as `'name: old -> new'`.

    A parameter that did not exist yet when the others were saved counts as
    having had its default.
    """
    fields = {name: agent.Parameters.field(name) for name in {*saved, *new}}
    defaults = {name: f.default for name, f in fields.items() if f is not None}
    return attr_dict.differences(saved, new, defaults)


def lasting_differences(
    agent: types.ModuleType,
    saved: Mapping[str, Any],
    new: Mapping[str, Any],
    done: bool = False,
) -> list[str]:
    """Lists the differences that a run cannot go on with.

    Those are of all parameters but `CHANGEABLE`, and but `max_steps` while the
    run is not done: until then it makes no difference how long it is to be.
    """
    free = agent.Parameters.CHANGEABLE | (set() if done else {"max_steps"})
    saved, new = (
        {name: params[name] for name in params if name not in free}
        for params in (saved, new)
    )
    return differences(agent, saved, new)
