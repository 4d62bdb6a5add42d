"""Environments that users write themselves: `my_module:my_task`."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from planet_tf2.envs.classic_gym_env import ClassicGym
from planet_tf2.tools import importing

_METHODS = ("reset", "step", "observation_space", "action_space")


def make_custom(name: str, arguments: Mapping[str, Any]) -> gymnasium.Env:
    """Calls a user's function that makes an environment.

    Modules are also looked for in the current folder.

    Args:
      name: `module:function`.
      arguments: What the function may ask for; it gets those of them that it
        names in its signature, or all if it has `**kwargs`.

    Returns:
      The environment; one of classic `gym` in its adapter.

    Raises:
      ValueError: There is no such module or function, it wants other
        arguments, or what it returns is no environment.
    """
    function = importing.load(name)
    if not callable(function):
        raise ValueError(f"Task {name!r}: {function!r} is no function.")
    env = function(**_chosen(name, function, arguments))
    if isinstance(env, gymnasium.Env):
        return env
    if isinstance(env, type) or not all(hasattr(env, m) for m in _METHODS):
        raise ValueError(
            f"Task {name!r}: the function must return an environment with"
            f" Gymnasium's interface, an object with {', '.join(_METHODS)}, but"
            f" it returned {env!r}."
        )
    return ClassicGym(env)


def _chosen(
    name: str, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the arguments that a function asks for."""
    signature = inspect.signature(function)
    kinds = [p.kind for p in signature.parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return dict(arguments)
    known = {k: v for k, v in arguments.items() if k in signature.parameters}
    try:
        signature.bind(**known)
    except TypeError as error:
        raise ValueError(
            f"Task {name!r}: {error}. Functions that make environments can ask"
            f" for {', '.join(arguments)} by name; give others a default."
        ) from error
    if arguments.get("camera_id") and "camera_id" not in known:
        raise ValueError(
            f"camera_id is {arguments['camera_id']!r}, but the function of task"
            f" {name!r} does not ask for camera_id."
        )
    return known
