"""Environments that users write themselves: `my_module:my_task`."""

import importlib
import inspect
import os
import types
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from planet_tf2.envs.classic_gym_env import ClassicGym
from planet_tf2.tools.importing import search_current_folder
from planet_tf2.tools.nearest import did_you_mean

# How similar names have to be to be suggested: in a module there are others by
# the dozen, of which some are a bit similar by chance.
_CLOSE = 0.7
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
    function = _find(name)
    env = function(**_chosen(name, function, arguments))
    if isinstance(env, gymnasium.Env):
        return env
    if isinstance(env, type) or not all(hasattr(env, n) for n in _METHODS):
        raise ValueError(_wrong_result(name, env))
    return ClassicGym(env)


def _find(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    module = _import(name, module_name)
    found, hint = "is no function", ""
    if hasattr(module, function_name):
        function = getattr(module, function_name)
        if callable(function):
            return function
    else:
        found = "does not exist"
        hint = did_you_mean(function_name, _candidates(module), _CLOSE)
    raise ValueError(
        f"Task {name!r}: {function_name!r} in {_place(module)} {found}.{hint}"
    )


def _candidates(module: types.ModuleType) -> list[str]:
    """Names in a module that may stand for functions that make environments."""
    return [
        key
        for key, value in vars(module).items()
        if callable(value)
        and not key.startswith("_")
        and (not isinstance(value, type) or hasattr(value, "step"))
    ]


def _import(name: str, module_name: str) -> types.ModuleType:
    folder = search_current_folder()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Not the module itself may be missing, but one that it imports.
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"Task {name!r}: there is no module {module_name!r}."
            f"{did_you_mean(module_name, _modules_in(folder), _CLOSE)} It is"
            " looked for in PYTHONPATH, in installed packages and in"
            f" {folder}."
        ) from error


def _modules_in(folder: str) -> list[str]:
    return [
        entry.removesuffix(".py")
        for entry in os.listdir(folder)
        if entry.endswith(".py")
    ]


def _chosen(
    name: str, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the arguments that a function asks for."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(arguments)
    wanted = {
        p.name: p
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    unknown = [
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind is not p.VAR_POSITIONAL
        and (p.name not in arguments or p.name not in wanted)
    ]
    if unknown:
        raise ValueError(
            f"Task {name!r}: nothing is known to give to the argument"
            f" {unknown[0]!r}. Functions that make environments can ask for"
            f" {', '.join(arguments)} by name; give others a default."
        )
    if arguments.get("camera_id") and "camera_id" not in wanted:
        raise ValueError(
            f"camera_id is {arguments['camera_id']!r}, but the function of task"
            f" {name!r} does not ask for camera_id."
        )
    return {key: arguments[key] for key in arguments if key in wanted}


def _wrong_result(name: str, result: Any) -> str:
    text = (
        f"Task {name!r}: the function must return an environment with"
        " Gymnasium's interface, an object with reset, step, observation_space"
        " and action_space, but it returned"
    )
    if result is None:
        return f"{text} nothing. Did you forget the return statement?"
    if isinstance(result, type):
        return (
            f"{text} the class {result.__name__}. Call it: {result.__name__}()."
        )
    missing = [n for n in _METHODS if not hasattr(result, n)]
    return f"{text} {type(result).__name__}, which has no {missing[0]}."


def _place(module: types.ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__
