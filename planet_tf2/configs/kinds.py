"""Types of parameters, how to declare one, and what it expects, in words.

    tasks = group("Tasks")

    class MyParameters(BaseParameters):
        wind: Number = tasks(0.0, "Speed of the wind in meters per second.")

`expected` says of a type what error messages and the documentation show:

    Annotated[Integer, Field(ge=1)]   'an integer of at least 1'
    Number | None                     'a number, or None (null)'

YAML reads `5e7` and `1e-4` as strings, so numbers in strings are accepted.
"""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal

import annotated_types
import yaml
from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from planet_tf2.tools.importing import is_reference


@dataclasses.dataclass(frozen=True)
class Expected:
    """Marks a type with the words for it."""

    text: str


def _number(value: Any) -> Any:
    """Reads strings. Leaves alone what is no finite number."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return float(value)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if real and not isinstance(value, int) else value


def integer(value: Any) -> Any:
    """Reads strings, and floats without a fraction. Leaves others alone."""
    value = _number(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(text)
    return text


Integer = Annotated[int, Strict(), BeforeValidator(integer)]
Positive = Annotated[Integer, Field(ge=1)]
Natural = Annotated[Integer, Field(ge=0)]
Number = Annotated[
    float, Strict(), Field(allow_inf_nan=False), BeforeValidator(_number)
]
Scale = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Switch = Annotated[bool, Strict()]
Name = Annotated[str, Strict()]
# Whether there is such a module is not looked at.
Reference = Annotated[
    str, AfterValidator(_reference), Expected("your own as module:name")
]


def group(title: str) -> Callable[..., Any]:
    """Returns a function that declares the parameters under a heading.

    Its arguments are the default, the explanation with units, and bounds that
    are not part of the type, as of `pydantic.Field`.
    """

    def declare(default: Any, help: str, **bounds: Any) -> Any:
        about = {"group": title}
        return Field(
            default, description=help, json_schema_extra=about, **bounds
        )

    return declare


def title(field: FieldInfo) -> str:
    """Returns the heading that a parameter is listed under."""
    return field.json_schema_extra["group"]


def expected(annotation: Any, metadata: typing.Iterable[Any] = ()) -> str:
    """Says what values a type has. `metadata` adds constraints to it."""
    kind, constraints = _taken_apart(annotation, metadata)
    for constraint in constraints:
        if isinstance(constraint, Expected):
            return constraint.text
    if typing.get_origin(kind) is Literal:
        names = typing.get_args(kind)
        only = f"{names[0]} (the only choice)"
        return only if len(names) == 1 else _one_of(names)
    if _is_union(kind):
        return ", or ".join(map(_alternative, typing.get_args(kind)))
    if typing.get_origin(kind) is list:
        (item,) = typing.get_args(kind)
        return f"a list{_length(constraints)}, each {expected(item)}"
    if is_typeddict(kind):
        return "a mapping of " + ", ".join(typing.get_type_hints(kind))
    return _PLAIN[kind] + _bounds(constraints)


def choices(annotation: Any) -> tuple[Any, ...]:
    """Returns the values to choose from, also of a list's items."""
    kind, _ = _taken_apart(annotation)
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    if _is_union(kind) or typing.get_origin(kind) is list:
        return sum(map(choices, typing.get_args(kind)), ())
    return ()


def shown(value: Any) -> str:
    """Returns a value with its type, for error messages."""
    return f"{value!r} ({type(value).__name__})"


def as_yaml(value: Any) -> str:
    """Returns plain data the way one would type it in YAML, in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("...\n").strip()


_PLAIN = {
    int: "an integer",
    float: "a number",
    bool: "True or False",
    str: "a name",
    type(None): "None (null)",
}


def _taken_apart(
    annotation: Any, metadata: typing.Iterable[Any] = ()
) -> tuple[Any, list[Any]]:
    """Splits a type into what it is and its constraints."""
    metadata = list(metadata)
    if typing.get_origin(annotation) is Annotated:
        annotation, *own = typing.get_args(annotation)
        metadata = own + metadata
    constraints = []
    for part in metadata:
        constraints += part.metadata if isinstance(part, FieldInfo) else [part]
    return annotation, constraints


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _alternative(kind: Any) -> str:
    """As `expected`, where it is not the only choice."""
    names = typing.get_args(kind)
    one = typing.get_origin(kind) is Literal and len(names) == 1
    return str(names[0]) if one else expected(kind)


def _one_of(names: tuple[Any, ...]) -> str:
    return "one of " + ", ".join(map(str, names))


def _length(constraints: list[Any]) -> str:
    smallest = _bound(constraints, annotated_types.MinLen, "min_length")
    largest = _bound(constraints, annotated_types.MaxLen, "max_length")
    if smallest is not None and smallest == largest:
        return f" of {smallest} items"
    return f" of at least {smallest}" if smallest else ""


def _bounds(constraints: list[Any]) -> str:
    smallest = _bound(constraints, annotated_types.Ge, "ge")
    largest = _bound(constraints, annotated_types.Le, "le")
    if smallest is None:
        return "" if largest is None else f" of at most {largest}"
    if largest is None:
        return f" of at least {smallest}"
    return f" from {smallest} to {largest}"


def _bound(constraints: list[Any], kind: type, name: str) -> Any:
    """Returns the last bound of a kind, or None."""
    found = [getattr(c, name) for c in constraints if isinstance(c, kind)]
    return found[-1] if found else None
