"""What others wrote: texts to show in one line, and values to be checked."""

import re
import reprlib
from typing import Any

import pydantic

# With those that end a line elsewhere, or turn the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 10
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def one_line(text: object, length: int = 800) -> str:
    r"""Returns a text as one line that a terminal shows as it is.

    Control characters become what Python writes for them, such as `\n`. Of a
    text that is longer than `length` characters, the middle is left out.
    """
    return _CONTROL.sub(
        lambda match: match[0].encode("unicode_escape").decode(),
        shortened(str(text), length),
    )


def shortened(text: str, length: int) -> str:
    """Returns a text, without its middle if it is longer than that."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]} ... {text[-half:]}"


def short_repr(value: object) -> str:
    """Returns `repr(value)` or what fits into some 200 characters of it."""
    return one_line(_SHORT.repr(value), 200)


def check(form: type[pydantic.BaseModel], value: Any) -> None:
    """Checks that a value that was read from a file has a form.

    Raises:
      ValueError: It has not. Says in a line which part, and what it should be.
    """
    try:
        form.model_validate(value)
    except pydantic.ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        name = repr(place) if place else "it"
        if problem["type"] == "missing":
            raise ValueError(f"{name} is missing") from None
        wanted = re.sub("^(Input|String|Value error,) ", "", problem["msg"])
        if problem["type"] in ("dict_type", "model_type"):
            wanted = "should be a mapping"
        found = short_repr(problem["input"])
        raise ValueError(f"{name} {wanted}, not {found}") from None
