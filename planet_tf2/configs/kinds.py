"""Kinds of values that a parameter can have.

A kind is called with a value, from Python or from YAML, and returns the value
in its proper type, or raises `ValueError`. Its string says what it expects,
for error messages and for the documentation:

    Int(minimum=1)("5e7")       -> 50000000
    str(Int(minimum=1))         -> 'an integer of at least 1'

YAML reads `5e7` and `1e-4` as strings, so numbers in strings are accepted.
"""

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from planet_tf2.tools.importing import is_reference
from planet_tf2.tools.nearest import did_you_mean

Kind = Callable[[Any], Any]


class ConfigError(ValueError):
    """A configuration that cannot be used. The message fits in one line."""


@dataclasses.dataclass(frozen=True)
class Int:
    """An integer. Accepts floats without fraction, and numbers in strings."""

    minimum: int | None = None
    maximum: int | None = None

    def __call__(self, value: Any) -> int:
        if isinstance(value, str):
            value = _number(value)
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(str(self))
        if not math.isfinite(value) or value != int(value):
            raise ValueError(str(self))
        return int(_within(self, value))

    def __str__(self) -> str:
        return "an integer" + _bounds(self)


@dataclasses.dataclass(frozen=True)
class Float:
    """A finite number. Accepts integers, and numbers in strings."""

    minimum: float | None = None
    maximum: float | None = None

    def __call__(self, value: Any) -> float:
        if isinstance(value, str):
            value = _number(value)
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(str(self))
        if not math.isfinite(value):
            raise ValueError(str(self))
        return float(_within(self, value))

    def __str__(self) -> str:
        return "a number" + _bounds(self)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """One of some integers."""

    numbers: tuple[int, ...]

    def __call__(self, value: Any) -> int:
        try:
            value = Int()(value)
        except ValueError:
            raise ValueError(str(self)) from None
        if value not in self.numbers:
            raise ValueError(str(self))
        return value

    def __str__(self) -> str:
        return "one of " + ", ".join(map(str, self.numbers))


@dataclasses.dataclass(frozen=True)
class FloatOr:
    """A finite number, or one of some names."""

    names: tuple[str, ...]
    minimum: float | None = None
    maximum: float | None = None

    def __call__(self, value: Any) -> float | str:
        if value in self.names:
            return value
        try:
            return Float(self.minimum, self.maximum)(value)
        except ValueError:
            raise ValueError(str(self)) from None

    def __str__(self) -> str:
        return f"a number{_bounds(self)}, or {' or '.join(self.names)}"


@dataclasses.dataclass(frozen=True)
class Bool:
    """True or False, and nothing that merely looks like it."""

    def __call__(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(str(self))
        return value

    def __str__(self) -> str:
        return "True or False"


@dataclasses.dataclass(frozen=True)
class Text:
    """A string, out of `choices` if there are any."""

    choices: tuple[str, ...] = ()

    def __call__(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(str(self))
        if self.choices and value not in self.choices:
            raise ValueError(str(self))
        return value

    def __str__(self) -> str:
        if not self.choices:
            return "a name"
        if len(self.choices) == 1:
            return f"{self.choices[0]} (the only choice)"
        return "one of " + ", ".join(self.choices)


@dataclasses.dataclass(frozen=True)
class Named:
    """One of several names, or one's own as `module:name`.

    Whether there is such a module is not looked at.
    """

    choices: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(str(self))
        if value not in self.choices and not is_reference(value):
            raise ValueError(str(self))
        return value

    def __str__(self) -> str:
        return f"one of {', '.join(self.choices)}, or your own as module:name"


@dataclasses.dataclass(frozen=True)
class ListOf:
    """A list whose items are all of one kind."""

    kind: Kind
    length: int | None = None
    minimum_length: int = 0

    def __call__(self, value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise ValueError(str(self))
        if self.length is not None and len(value) != self.length:
            raise ValueError(str(self))
        if len(value) < self.minimum_length:
            raise ValueError(str(self))
        try:
            return [self.kind(item) for item in value]
        except ConfigError:
            raise
        except ValueError:
            raise ValueError(str(self)) from None

    def __str__(self) -> str:
        count = f" of {self.length} items" if self.length is not None else ""
        if self.minimum_length:
            count = f" of at least {self.minimum_length}"
        return f"a list{count}, each {self.kind}"


@dataclasses.dataclass(frozen=True)
class Optional:
    """Another kind, or None."""

    kind: Kind

    def __call__(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self.kind(value)
        except ConfigError:
            raise
        except ValueError:
            raise ValueError(str(self)) from None

    def __str__(self) -> str:
        return f"{self.kind}, or None (null)"


@dataclasses.dataclass(frozen=True)
class Entries:
    """A mapping with known names, all of them optional.

    Raises `ConfigError` for an unknown name or a wrong value, naming both.
    """

    kinds: tuple[tuple[str, Kind], ...]

    def __call__(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(str(self))
        kinds, result = dict(self.kinds), {}
        for name, item in value.items():
            if name not in kinds:
                raise ConfigError(
                    f"Unknown setting {name!r} in {dict(value)!r}."
                    f"{did_you_mean(name, kinds)} "
                    f"Known are {', '.join(kinds)}."
                )
            try:
                result[name] = kinds[name](item)
            except ConfigError:
                raise
            except ValueError:
                raise ConfigError(
                    f"Setting {name!r} in {dict(value)!r} must be "
                    f"{kinds[name]}, not {shown(item)}."
                ) from None
        return result

    def __str__(self) -> str:
        return "a mapping of " + ", ".join(name for name, _ in self.kinds)


def choices(kind: Kind) -> tuple[str, ...]:
    """Returns the names that a kind, or the items of its lists, allow."""
    while isinstance(kind, (ListOf, Optional)):
        kind = kind.kind
    return getattr(kind, "choices", ())


def shown(value: Any) -> str:
    """Returns a value with its type, for error messages."""
    return f"{value!r} ({type(value).__name__})"


def as_yaml(value: Any) -> str:
    """Returns plain data the way one would type it in YAML, in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("...\n").strip()


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _within(bounds: Int | Float, value: Any) -> Any:
    if bounds.minimum is not None and value < bounds.minimum:
        raise ValueError(str(bounds))
    if bounds.maximum is not None and value > bounds.maximum:
        raise ValueError(str(bounds))
    return value


def _bounds(bounds: Int | Float | FloatOr) -> str:
    if bounds.minimum is None and bounds.maximum is None:
        return ""
    if bounds.maximum is None:
        return f" of at least {bounds.minimum}"
    if bounds.minimum is None:
        return f" of at most {bounds.maximum}"
    return f" from {bounds.minimum} to {bounds.maximum}"
