"""Arguments that users give to what makes their environments."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from planet_tf2.tools.nearest import did_you_mean


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
    signature = inspect.signature(function)
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
