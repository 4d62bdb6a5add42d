"""Arguments that users give to what makes their environments."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from planet_tf2.tools import importing
from planet_tf2.tools.nearest import did_you_mean

_BY_NAME = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


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
    offered = offered or {}
    known, is_open = _parameters(function)
    chosen = {k: v for k, v in offered.items() if is_open or k in known}
    chosen |= given
    names = list(dict.fromkeys([*known, *(offered if is_open else ())]))
    unknown = [] if is_open else [name for name in chosen if name not in known]
    missing = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and name not in chosen
    ]
    if not unknown and not missing:
        return chosen
    if unknown:
        problem = f"takes no argument {unknown[0]!r}."
        problem += did_you_mean(unknown[0], names)
    else:
        problem = f"needs the argument {missing[0]!r}."
    raise ValueError(
        f"{getattr(function, '__name__', function)} {problem} It takes"
        f" {', '.join(names) or 'none'}. Give them behind the task, as in"
        " ?name=value&other=value."
    )


def explain_refusal(
    registry: Mapping[str, Any],
    env_id: str,
    kwargs: Mapping[str, Any],
    error: TypeError,
) -> None:
    """Says why a registered environment was not made, if arguments are why.

    Args:
      registry: Gymnasium's, or that of classic gym.
      env_id: Id of the environment.
      kwargs: Arguments that a user gave.
      error: What making it raised.

    Raises:
      ValueError: It takes no such arguments, or needs others.
    """
    spec = registry.get(env_id.rpartition(":")[2])
    entry = getattr(spec, "entry_point", None)
    if entry is not None:
        creator = entry if callable(entry) else importing.load(entry)
        given = {**spec.kwargs, **kwargs}
        given.pop("max_episode_steps", None)
        choose_arguments(creator, given, {"render_mode": None})
    if kwargs:
        raise ValueError(f"Cannot make {env_id!r}: {error}") from error


def _parameters(
    function: Callable[..., Any],
) -> tuple[dict[str, inspect.Parameter], bool]:
    """Returns what can be given by name, and whether that may not be all.

    A class that hands `**kwargs` on takes what its bases take.
    """
    calls, skipped = [function], 0
    if isinstance(function, type):
        own = [vars(kind).get("__init__") for kind in function.__mro__[:-1]]
        calls, skipped = [call for call in own if call], 1
    known: dict[str, inspect.Parameter] = {}
    for call in calls:
        try:
            parameters = list(inspect.signature(call).parameters.values())
        except (TypeError, ValueError):  # Not written in Python.
            return known, True
        for parameter in parameters[skipped:]:
            if parameter.kind in _BY_NAME:
                # What a base needs is its subclass' business.
                base = call is not calls[0]
                default = None if base else parameter.default
                known.setdefault(
                    parameter.name, parameter.replace(default=default)
                )
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            return known, False
    return known, bool(calls)
