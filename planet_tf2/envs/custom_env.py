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
    missing = [method for method in _METHODS if not hasattr(env, method)]
    if not missing and not isinstance(env, type):
        return ClassicGym(env)
    if env is None:
        found = "nothing. Did you forget the return statement?"
    elif isinstance(env, type):
        found = f"the class {env.__name__}. Call it: {env.__name__}()."
    else:
        found = f"{type(env).__name__}, which has no {missing[0]}."
    raise ValueError(
        f"Task {name!r}: the function must return an environment with"
        " Gymnasium's interface, an object with reset, step, observation_space"
        f" and action_space, but it returned {found}"
    )


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
