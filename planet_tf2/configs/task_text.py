"""Tasks with arguments: `gym:CarRacing-v3?continuous=false`.

Values are YAML. A mapping, `{id: gym:CarRacing-v3, kwargs: {continuous:
false}}`, says the same; everywhere else it is known by the text.
"""

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from planet_tf2.configs.kinds import as_yaml
from planet_tf2.tools import plain_yaml
from planet_tf2.tools.plain_text import one_line, short_repr

# What YAML takes for text, but everybody else for a number: 1e-4.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def split(text: str) -> tuple[str, dict[str, Any]]:
    """Splits a task into its name and the arguments behind it.

    Raises:
      ValueError: The arguments cannot be read.
    """
    name, mark, rest = text.partition("?")
    arguments: dict[str, Any] = {}
    for pair in rest.split("&") if mark else ():
        key, _, value = pair.partition("=")
        if not key.isidentifier() or not value or key in arguments:
            raise ValueError(
                f"Cannot read {pair!r} of task {text!r}. Write each argument"
                " once, as in ?name=value&other=value, an & in a value as %26."
            )
        arguments[key] = _read(text, urllib.parse.unquote(value))
    return name, arguments


def as_text(task: Any) -> Any:
    """Writes a task as text, the same one for all spellings of it.

    What is neither text nor a mapping is returned as it is.

    Raises:
      ValueError: It cannot be read.
    """
    arguments: Mapping[str, Any] = {}
    if isinstance(task, Mapping):
        name, arguments = task.get("id"), task.get("kwargs") or {}
        if (
            not isinstance(name, str)
            or not isinstance(arguments, Mapping)
            or set(task) - {"id", "kwargs"}
        ):
            raise ValueError(
                f"{short_repr(task)} is no task.{_joined(task)} Write one with"
                " arguments as {id: gym:CarRacing-v3, kwargs: {continuous:"
                " false}}."
            )
        task = name
    if not isinstance(task, str) or not (arguments or "?" in task):
        return task
    name, written = split(task)
    pairs = [f"{k}={_write(v)}" for k, v in {**written, **arguments}.items()]
    text = f"{name}?{'&'.join(pairs)}"
    split(text)
    return text


def _read(task: str, value: str) -> Any:
    if _NUMBER.fullmatch(value):
        return float(value)
    try:
        return plain_yaml.read(value)
    except ValueError as error:
        raise ValueError(
            f"Cannot read {value!r} of task {task!r} as YAML: {error}."
        ) from error


def _joined(task: Mapping[Any, Any]) -> str:
    """Says what `{gym: Pendulum-v1}` was meant to be."""
    if "id" in task or not task:
        return ""
    meant = one_line(":".join(map(str, next(iter(task.items())))), 100)
    return f" Write {meant} without a space behind the colon."


def _write(value: Any) -> str:
    text = as_yaml(value)
    for letter in "%&\n":
        text = text.replace(letter, urllib.parse.quote(letter))
    return text
