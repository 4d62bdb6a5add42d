"""Types of parameters, and what they expect, in words.

    wind: Annotated[Integer, Field(ge=1)] = 3
    '''Speed of the wind in meters per second.'''

YAML reads `5e7` and `1e-4` as strings, so numbers in strings are accepted.
What messages and the documentation say of a type follows from its JSON schema:
'an integer of at least 1'.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    WithJsonSchema,
)

from planet_tf2.tools.importing import is_reference
from planet_tf2.tools.plain_text import short_repr

Schema = Mapping[str, Any]


# So that all that is made of an integer fits into 64 bits.
LARGEST = 10**15


def number(value: Any) -> Any:
    """Reads strings. Leaves others alone, for pydantic to judge."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return float(value)
    return value


def too_large(value: Any) -> bool:
    """Whether a value is a number beyond `LARGEST`."""
    try:
        return abs(float(value)) > LARGEST
    except OverflowError:
        return True
    except (TypeError, ValueError):
        return False


def integer(value: Any) -> Any:
    """Reads strings, and floats without a fraction. Leaves others alone.

    Raises:
      ValueError: It is too large, or a string that is no number.
    """
    if too_large(value):
        raise ValueError(value)
    value = number(value)
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
    float, Strict(), Field(allow_inf_nan=False), BeforeValidator(number)
]
Scale = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Switch = Annotated[bool, Strict()]
Name = Annotated[str, Strict()]
# Whether there is such a module is not looked at.
Reference = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema({"format": "your own as module:name"}),
]

_PLAIN = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "True or False",
    "string": "a name",
    "null": "null",
}


def expected(schema: Schema) -> str:
    """Says what values a type has, from its JSON schema."""
    if "format" in schema:
        return schema["format"]
    if "const" in schema:
        return f"{schema['const']} (the only choice)"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        words = [str(s.get("const", expected(s))) for s in schema["anyOf"]]
        return ", or ".join(words)
    if "items" in schema:
        smallest, largest = schema.get("minItems"), schema.get("maxItems")
        size = f" of at least {smallest}" if smallest else ""
        if smallest and smallest == largest:
            size = f" of {smallest} items"
        return f"a list{size}, each {expected(schema['items'])}"
    if "properties" in schema:
        return "a mapping of " + ", ".join(schema["properties"])
    return _PLAIN[schema["type"]] + _bounds(schema)


def choices(schema: Schema) -> list[Any]:
    """Returns the values to choose from, if there are any."""
    if "const" in schema:
        return [schema["const"]]
    parts = map(choices, schema.get("anyOf", ()))
    return sum(parts, list(schema.get("enum", ())))


def shown(value: Any) -> str:
    """Returns a value with its type, for error messages."""
    return f"{short_repr(value)} ({type(value).__name__})"


def as_yaml(value: Any) -> str:
    """Returns plain data the way one would type it in YAML, in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("...\n").strip()


def _bounds(schema: Schema) -> str:
    # As pydantic calls them behind a `BeforeValidator`, and elsewhere.
    smallest = schema.get("ge", schema.get("minimum"))
    largest = schema.get("le", schema.get("maximum"))
    above = schema.get("gt", schema.get("exclusiveMinimum"))
    below = schema.get("lt", schema.get("exclusiveMaximum"))
    if above is not None:
        return f" above {above}"
    if below is not None:
        return f" from {smallest} to below {below}"
    if smallest is None:
        return "" if largest is None else f" of at most {largest}"
    if largest is None:
        return f" of at least {smallest}"
    return f" from {smallest} to {largest}"
