"""Calls environments of others, and what makes them, as they want it.

Gymnasium's way is `reset(seed=, options=)`, which returns two values, `step`,
which returns five, and `render()`. Many environments take less or return less:
classic `gym` wanted it so, or somebody forgot.
"""

import inspect
import pathlib
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import gymnasium
import numpy as np
import wrapt
from gymnasium.utils import seeding

from planet_tf2.envs.errors import InterfaceError
from planet_tf2.tools.nearest import did_you_mean

_LIBRARIES = ("gymnasium", "gym")


def choose_arguments(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    offered: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the arguments to call a function with.

    Args:
      function: Function or class that makes the environment.
      given: Arguments that it must take.
      offered: Arguments that it gets if its signature names them, or if it has
        `**kwargs`.

    Raises:
      ValueError: It takes none of that name, or needs others; the message says
        which it takes.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # It is not written in Python.
        return dict(given)
    known = signature.parameters.values()
    takes_all = any(p.kind is p.VAR_KEYWORD for p in known)
    chosen = {
        name: value
        for name, value in (offered or {}).items()
        if takes_all or name in signature.parameters
    }
    chosen |= given
    try:
        signature.bind(**chosen)
    except TypeError as error:
        raise ValueError(objection(function, given, error)) from None
    return chosen


def objection(
    function: Callable[..., Any], given: Mapping[str, Any], error: TypeError
) -> str:
    """Says what a function has against arguments, and which it takes."""
    names = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind
        not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    unknown = [name for name in given if name not in names]
    hint = did_you_mean(unknown[0], names) if unknown else ""
    # Gymnasium appends all arguments.
    problem = str(error).partition(" was raised from ")[0]
    return (
        f"{getattr(function, '__name__', function)}: {problem}.{hint} It takes"
        f" {', '.join(names) or 'nothing'}. Arguments stand behind the task, as"
        " in ?name=value&other=value."
    )


def adapt(env: Any) -> Any:
    """Returns an environment that can be called in Gymnasium's way.

    So can what is inside of wrappers, where methods of Gymnasium or `gym` call
    it; a user's own wrapper may have agreed on something else with what it
    wraps. A seed that `reset` does not take goes to the method `seed`, or to
    Gymnasium's `np_random`, and to the generators of Python and NumPy.

    Args:
      env: The environment, of whatever class. Nothing of it is changed but the
        `env` of wrappers, and a `render_mode` that is missing.
    """
    layer = env
    while _is_wrapper(layer):
        inner = layer.env
        calls = [name for name in _ADAPTED if _is_of_library(layer, name)]
        layer.env = _adapted(inner, calls)
        layer = inner
    if getattr(layer, "render_mode", "") is None and _takes_mode(layer):
        layer.render_mode = "rgb_array"
    return _adapted(env, _ADAPTED)


def _adapted(env: Any, calls: Collection[str]) -> Any:
    methods = {"reset": _reset} | {name: _ADAPTED[name] for name in calls}
    own = [name for name in methods if not _is_of_library(env, name)]
    if not own:
        return env
    members = {name: methods[name] for name in own}
    return type("Adapted", (wrapt.ObjectProxy,), members)(env)


def _reset(proxy: Any, *args: Any, **kwargs: Any) -> Any:
    """Resets without those arguments that the environment does not take."""
    env = proxy.__wrapped__
    known = _parameters(env, "reset")
    for name in [name for name in ("seed", "options") if name in kwargs]:
        if known.get(name) is inspect.Parameter.POSITIONAL_ONLY:
            args = (*args, kwargs.pop(name))
        elif name not in known and (
            kwargs[name] is None
            or inspect.Parameter.VAR_KEYWORD not in known.values()
        ):
            value = kwargs.pop(name)
            if name == "seed" and value is not None:
                _seed(env, value)
    return _call(env, "reset", *args, **kwargs)


def _two_values(proxy: Any, *args: Any, **kwargs: Any) -> Any:
    result = _reset(proxy, *args, **kwargs)
    space = getattr(proxy, "observation_space", None)
    if isinstance(result, tuple) and (
        isinstance(result[-1], Mapping)
        # Two things, of which the second should be a dictionary.
        or (len(result) == 2 and type(space).__name__ != "Tuple")
    ):
        return result
    return result if result is None else (result, {})


def _five_values(proxy: Any, action: Any) -> Any:
    result = _call(proxy.__wrapped__, "step", action)
    if not isinstance(result, tuple) or len(result) != 4:
        return result
    obs, reward, done, info = result
    if not isinstance(info, Mapping):
        return result
    truncated = info.get("TimeLimit.truncated", False)
    return obs, reward, False if truncated else done, truncated, info


def _draw(proxy: Any, *args: Any, **kwargs: Any) -> Any:
    env = proxy.__wrapped__
    if not args and _takes_mode(env):
        kwargs = {"mode": "rgb_array", **kwargs}
    return _call(env, "render", *args, **kwargs)


_ADAPTED = {"reset": _two_values, "step": _five_values, "render": _draw}


def _call(env: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """Calls a method; it is the environment's fault if that is impossible."""
    method = getattr(env, name)
    try:
        return method(*args, **kwargs)
    except TypeError as error:
        if error.__traceback__.tb_next is not None:  # It came from inside.
            raise
        code = getattr(inspect.unwrap(method), "__code__", None)
        place = ""
        if code is not None:
            file = pathlib.Path(code.co_filename).name
            place = f" ({file}:{code.co_firstlineno})"
        raise InterfaceError(f"{error}{place}") from error
    except NotImplementedError as error:
        if not _is_missing(getattr(type(env), name, None)):
            raise
        text = f"The environment {type(env).__name__} has no {name}()."
        raise InterfaceError(text) from error


def _seed(env: Any, seed: int) -> None:
    if callable(getattr(env, "seed", None)):
        env.seed(seed)
    elif isinstance(env, gymnasium.Env):
        env.unwrapped.np_random, _ = seeding.np_random(seed)
    # Many draw from these, above all those that take no seed.
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _takes_mode(env: Any) -> bool:
    """Whether `render` wants to be told what to draw, as it once was."""
    known = _parameters(env, "render")
    if getattr(env, "render_mode", None) is not None:
        return "mode" in known
    return "mode" in known or inspect.Parameter.VAR_KEYWORD in known.values()


def _parameters(env: Any, name: str) -> dict[str, Any]:
    """Returns the parameters that a method takes, by name, with their kinds."""
    try:
        signature = inspect.signature(getattr(env, name))
    except AttributeError:  # There is no such method.
        return {}
    except (TypeError, ValueError):  # It is not written in Python.
        return {"": inspect.Parameter.VAR_KEYWORD}
    return {p.name: p.kind for p in signature.parameters.values()}


def _is_wrapper(env: Any) -> bool:
    return any(
        kind.__name__ == "Wrapper" and _in_library(kind)
        for kind in type(env).__mro__
    )


def _is_of_library(env: Any, name: str) -> bool:
    method = getattr(type(env), name, None)
    return _in_library(method) and not _is_missing(method)


def _is_missing(method: Any) -> bool:
    """Whether it is what those environments inherit that have none."""
    return _in_library(method) and method.__qualname__.startswith("Env.")


def _in_library(thing: Any) -> bool:
    module = getattr(thing, "__module__", None) or ""
    return module.partition(".")[0] in _LIBRARIES
