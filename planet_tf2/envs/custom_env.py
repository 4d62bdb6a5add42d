"""Environments that users write themselves: `my_module:my_task`."""

from collections.abc import Mapping
from typing import Any

import gymnasium

from planet_tf2.envs.calls import choose_arguments
from planet_tf2.envs.dm_control_env import DmEnv
from planet_tf2.envs.errors import ONE_ENVIRONMENT
from planet_tf2.envs.gymnasium_env import ClassicGym
from planet_tf2.tools import importing

_METHODS = ("reset", "step", "observation_space", "action_space")
# What tells several at once: in Gymnasium and Stable-Baselines3, in gym3, and
# in PettingZoo.
_SEVERAL = {
    "num_envs": "several environments",
    "ob_space": "several environments",
    "possible_agents": "several agents",
}


def make_custom(
    name: str,
    offered: Mapping[str, Any],
    kwargs: Mapping[str, Any] | None = None,
) -> gymnasium.Env:
    """Calls a user's function that makes an environment.

    Modules are also looked for in the current folder.

    Args:
      name: `module:function`.
      offered: `image_size` and `camera_id`; the function gets those that it
        names in its signature, or both if it has `**kwargs`.
      kwargs: Arguments that it must take.

    Returns:
      The environment; one of classic `gym` or of dm_env in its adapter.

    Raises:
      ValueError: There is no such module or function, it wants other
        arguments, or what it returns is no environment.
    """
    function = importing.load(name)
    if not callable(function):
        raise ValueError(f"{function!r} is no function.")
    chosen = choose_arguments(function, kwargs or {}, offered)
    env = function(**chosen)
    check_single(env)
    if not isinstance(env, gymnasium.Env | type):
        if hasattr(env, "action_spec") and hasattr(env, "observation_spec"):
            return DmEnv(env, offered["camera_id"], offered["image_size"])
    if offered["camera_id"] and "camera_id" not in chosen:
        raise ValueError(
            f"camera_id is {offered['camera_id']!r}, but the function does not"
            " ask for camera_id."
        )
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
        "The function must return an environment with Gymnasium's interface, an"
        " object with reset, step, observation_space and action_space, or one"
        f" of dm_env, but it returned {found}"
    )


def check_single(env: Any) -> None:
    """Refuses several environments, or agents, in one.

    Raises:
      ValueError: It steps several at once, whichever package's way it has.
    """
    inner = env.unwrapped if isinstance(env, gymnasium.Env) else env
    for name, several in _SEVERAL.items():
        amount = getattr(inner, name, None)
        one = isinstance(env, gymnasium.Env) and amount == 1
        if amount is not None and not one and not isinstance(env, type):
            raise ValueError(
                f"{type(inner).__name__} is {several} at once:"
                f" {ONE_ENVIRONMENT}."
            )
