"""From preset, `--params` and flags to the parameters of a run.

Flags win over `--params`, which wins over the preset, which wins over the
defaults. Everything is checked before anything is started or written.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import yaml
from absl import flags

from planet_tf2.agents.planet import head_parameters
from planet_tf2.configs import kinds, presets, tasks
from planet_tf2.configs.kinds import ConfigError
from planet_tf2.configs.parameter import Parameter
from planet_tf2.configs.parameters import (
    CHANGEABLE,
    DEPRECATED,
    PARAMETERS,
    defaults,
)
from planet_tf2.tools import attr_dict
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.nearest import did_you_mean
from planet_tf2.training import collects

_LOGGER = logging.getLogger(__name__)

# A quote inside of a word, as in "cart's", is no quote in YAML.
_QUOTED_OR_ANGLE = re.compile(
    r"""(?<!\w)"(?:\\.|[^"\\])*" | (?<!\w)'[^']*' | [<>]""",
    re.VERBOSE | re.DOTALL,
)


def resolve(
    config: str = "default",
    params_text: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> AttrDict:
    """Puts the parameters of a run together and checks them.

    Args:
      config: Name of a preset.
      params_text: YAML mapping, see `parse_params`.
      overrides: Parameters by name, from flags. They win over all others.

    Returns:
      A locked dictionary with a value for every parameter.

    Raises:
      ConfigError: One line that names the parameter, the value and the fix.
    """
    params = defaults()
    params.update(_checked(presets.get_preset(config)))
    params.update(_checked(parse_params(params_text)))
    params.update(_checked(overrides or {}))
    if params["checkpoint_every"] is None:
        params["checkpoint_every"] = 10 * params["test_steps"]
    _check_planner(params)
    _check_names(params)
    _check_tasks(params)
    _check_devices(params)
    head_parameters.check(params)
    _check_losses(params)
    return AttrDict(params).lock()


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
        params = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(
            f"Cannot read the parameters {_shortened(text)} as YAML: "
            f"{_describe(error)}. Write them like '{{num_layers: 2, tasks: "
            "[cheetah_run]}'."
        ) from None
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise ConfigError(
            f"The parameters must be a YAML mapping like '{{num_layers: 2}}', "
            f"not {kinds.shown(params)}."
        )
    return params


def differences(saved: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lists the parameters that differ, as `'name: old -> new'`.

    A parameter that did not exist yet when the others were saved counts as
    having had its default.
    """
    scales = {
        name: head_parameters.DEFAULT_SCALE
        for params in (saved, new)
        for name in head_parameters.given_scales(params)
    }
    return attr_dict.differences(saved, new, {**defaults(), **scales})


def lasting_differences(
    saved: Mapping[str, Any], new: Mapping[str, Any], done: bool = False
) -> list[str]:
    """Lists the differences that a run cannot go on with.

    Those are of all parameters but `CHANGEABLE`, and but `max_steps` while the
    run is not done: until then it makes no difference how long it is to be.
    """
    free = CHANGEABLE if done else CHANGEABLE | {"max_steps"}
    saved, new = (
        {name: params[name] for name in params if name not in free}
        for params in (saved, new)
    )
    return differences(saved, new)


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Defines a flag for every parameter and returns their names.

    All of them default to None, which means not given. To have them shown
    by `--help`, declare them as key flags of the program.
    """
    for name, parameter in _flag_parameters().items():
        text = f"{parameter.help} Default: {parameter.default}."
        if isinstance(parameter.kind, kinds.Bool):
            flags.DEFINE_boolean(name, None, text, flag_values=flag_values)
        else:
            flags.DEFINE_string(name, None, text, flag_values=flag_values)
    return list(_flag_parameters())


def flag_overrides(
    flag_values: flags.FlagValues = flags.FLAGS,
) -> dict[str, Any]:
    """Returns the parameters that were given as flags.

    Raises:
      ConfigError: The value of a flag is not valid YAML.
    """
    overrides = {}
    for name in _flag_parameters():
        value = flag_values[name].value
        if value is None:
            continue
        overrides[name] = _parse_flag(name, value)
    return overrides


def _flag_parameters() -> dict[str, Parameter]:
    """Returns all parameters whose names are known beforehand."""
    scales = {
        name: head_parameters.scale_parameter(name)
        for name in head_parameters.component_scales()
    }
    return {**PARAMETERS, **scales}


def _parse_flag(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # As in --train_collects='[<every: 10>]'.
    text = _replace_angles(value) if value.startswith(("<", "[<")) else value
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(
            f"Cannot read --{name}={value!r} as YAML: {_describe(error)}."
        ) from None


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the names and converts the values."""
    result = {}
    for name, value in params.items():
        if name in DEPRECATED:
            _LOGGER.warning("Parameter %r has no effect: ignored.", name)
            continue
        parameter = PARAMETERS.get(name) or head_parameters.scale_parameter(
            name
        )
        if parameter is None:
            raise ConfigError(_unknown(name))
        result[name] = parameter.convert(value)
    return result


def _unknown(name: Any) -> str:
    if ":" in str(name):
        return f"Unknown parameter {name!r}. YAML wants a space after ':'."
    hint = did_you_mean(name, _flag_parameters())
    return f"Unknown parameter {name!r}.{hint} See docs/parameters.md."


def _check_planner(params: Mapping[str, Any]) -> None:
    amount, topk = params["planner_amount"], params["planner_topk"]
    if topk > amount:
        raise ConfigError(
            f"Parameter 'planner_topk' must be at most planner_amount, which "
            f"is {amount}, not {topk}."
        )


def _check_losses(params: Mapping[str, Any]) -> None:
    for kind in ("reward", "state"):
        low, high = params[f"{kind}_head_bounds"]
        if low >= high:
            raise ConfigError(
                f"Parameter '{kind}_head_bounds' must begin with the smaller "
                f"bound, not {[low, high]}."
            )
    schedule = params["main_learning_rate_schedule"]
    if schedule == "exponential" and not params["main_learning_rate_final"]:
        raise ConfigError(
            "Parameter 'main_learning_rate_final' must be above 0 for an "
            "exponential schedule, which never gets there, not 0.0."
        )
    scales = params["overshooting_scale"], params["overshooting_reward_scale"]
    distance = params["overshooting_distance"]
    if any(scales) != (distance > 1):
        _LOGGER.warning(
            "Overshooting needs a distance of at least 2, which is %d, and a "
            "scale or a reward scale, which are %g and %g. There is none.",
            distance,
            *scales,
        )


def _check_devices(params: Mapping[str, Any]) -> None:
    sequences = params["batch_shape"][0]
    gpus, parts = params["num_gpus"], params["micro_batches"]
    if sequences % (gpus * parts):
        raise ConfigError(
            f"A batch has {sequences} sequences (batch_shape), which cannot "
            f"be shared evenly by num_gpus: {gpus} with micro_batches: {parts}."
        )


def _check_names(params: Mapping[str, Any]) -> None:
    heads = params["gradient_heads"]
    if len(set(heads)) < len(heads):
        raise ConfigError(f"Parameter 'gradient_heads' repeats one: {heads}.")
    for split in ("train_collects", "test_collects"):
        names = [entry.name for entry in getattr(collects, split)(params)]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"Parameter {split!r} needs a different name for each entry, "
                f"not {names}."
            )


def _check_tasks(params: Mapping[str, Any]) -> None:
    names = params["tasks"]
    if len(set(names)) < len(names):
        raise ConfigError(f"Parameter 'tasks' names a task twice: {names}.")
    for name in names:
        try:
            task = tasks.get_task(name)
        except ValueError as error:
            raise ConfigError(f"Parameter 'tasks': {error}") from None
        # Stretched episodes are never shorter than a sequence.
        needed = 0 if task.stretched else params["batch_shape"][1]
        repeat = params["action_repeat"] or task.action_repeat
        _check_length(name, task.max_length, repeat, needed)


def _check_length(
    name: str, max_length: int | None, repeat: int, length: int
) -> None:
    if not max_length:
        return
    if repeat > max_length:
        raise ConfigError(
            f"Parameter 'action_repeat' is {repeat}, but episodes of {name!r} "
            f"have only {max_length} simulator steps. Lower action_repeat."
        )
    # The reset observation is one more.
    longest = max_length // repeat + 1
    if length > longest:
        raise ConfigError(
            f"Parameter 'batch_shape' asks for sequences of {length} steps, "
            f"but episodes of {name!r} have {longest} with an action repeat "
            f"of {repeat}. Lower batch_shape[1] or action_repeat."
        )


def _replace_angles(text: str) -> str:
    """Turns angle brackets outside of quotes into braces."""
    return _QUOTED_OR_ANGLE.sub(
        lambda match: {"<": "{", ">": "}"}.get(match[0], match[0]), text
    )


def _shortened(text: str, length: int = 200) -> str:
    return repr(text if len(text) <= length else text[:length] + "...")


def _describe(error: Exception) -> str:
    """Returns what is wrong with a YAML text, and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    if context:
        problem = f"{problem} {context}"
    problem = " ".join(str(problem).split())
    if mark is None:
        return problem
    return f"{problem} at line {mark.line + 1}, column {mark.column + 1}"
