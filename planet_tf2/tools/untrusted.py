"""Whether what was read from a file is as it should be."""

import re
from typing import Any

import pydantic

from planet_tf2.tools.plain_text import short_repr


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
        wanted = re.sub("^(Input|Value error,) ", "", problem["msg"])
        if problem["type"] in ("dict_type", "model_type"):
            wanted = "should be a mapping"
        found = short_repr(problem["input"])
        raise ValueError(f"{name} {wanted}, not {found}") from None
