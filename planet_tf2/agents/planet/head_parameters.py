"""Which heads a run has, and the scales of their losses.

Beside image and reward these are the state components of its task, with
`state_diagnostics`. Their names are known once the environment is built; for
tasks that say beforehand what they observe, mistakes show earlier. So every
`<head>_loss_scale` is a parameter, if there is a head of that name.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo

from planet_tf2.configs import tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.tools.nearest import did_you_mean

_LOGGER = logging.getLogger(__name__)

MAIN_HEADS = ("image", "reward")
DEFAULT_SCALE = 1.0
_SUFFIX = "_loss_scale"


def scale_name(head: str) -> str:
    """Returns the name of the parameter for the scale of a head's loss."""
    return head + _SUFFIX


def scale_field(name: Any) -> FieldInfo | None:
    """Returns the parameter of that name if it can be the scale of a head."""
    if not str(name).endswith(_SUFFIX):
        return None
    head = name.removesuffix(_SUFFIX)
    text = f"Scale of the loss of the head that predicts {head}."
    return Field(DEFAULT_SCALE, description=text)


def head_scales(
    params: Mapping[str, Any], heads: Iterable[str]
) -> dict[str, float]:
    """Returns the scale of every head's loss."""
    return {name: params.get(scale_name(name), DEFAULT_SCALE) for name in heads}


def component_scales() -> list[str]:
    """Returns such names for all observations of the known tasks."""
    found = {c for task in tasks.TASKS.values() for c in task.components}
    return [scale_name(component) for component in sorted(found)]


def check(params: Mapping[str, Any]) -> None:
    """Checks what can be checked before the environment is built.

    Raises:
      ConfigError: as `check_heads`, or if components of several tasks are to
        be predicted.
    """
    chosen = params["tasks"]
    if params["state_diagnostics"] and len(chosen) > 1:
        raise ConfigError(
            "Parameter 'state_diagnostics' needs a single task, since the "
            f"state components of several differ, not {chosen}."
        )
    task = tasks.get_task(chosen[0])
    if params["offline_traindir"]:  # It is not of that task.
        return
    if params["state_diagnostics"]:
        if task.components or task.kind == tasks.DUMMY:  # They are known.
            check_heads(params, [*MAIN_HEADS, *task.components])
        return
    idle = {scale_name(component) for component in task.components}
    for name in idle & set(params):
        _LOGGER.warning(
            "Parameter %r has no effect without state_diagnostics.", name
        )
    used = {name: params[name] for name in params if name not in idle}
    check_heads(used, MAIN_HEADS)


def check_heads(params: Mapping[str, Any], heads: Iterable[str]) -> None:
    """Checks all parameters that name a head.

    Raises:
      ConfigError: there is no head of that name; it suggests one.
    """
    heads = list(heads)
    scales = [scale_name(head) for head in heads]
    for name in params:
        if name.endswith(_SUFFIX) and name not in scales:
            known = [*params, *scales]
            hint = did_you_mean(name, [n for n in known if n != name])
            raise ConfigError(
                f"Unknown parameter {name!r}.{hint} "
                f"The heads are {', '.join(heads)}."
            )
    for name in params["gradient_heads"]:
        if name not in heads:
            hint = did_you_mean(name, heads)
            if not params["state_diagnostics"]:
                hint += " Those of state components need state_diagnostics."
            raise ConfigError(
                f"Parameter 'gradient_heads' names {name!r}, but the heads are "
                f"{', '.join(heads)}.{hint}"
            )
