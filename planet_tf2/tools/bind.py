"""Partial application that prints well."""

import functools
from collections.abc import Callable
from typing import Any


class bind(functools.partial):
    """Function with some of its arguments already given.

    The same as `functools.partial`, except that it carries the name of the
    function and that printing it shows the name and the arguments. Binding
    a bound function again adds to, or replaces, its keyword arguments.
    """

    @property
    def __name__(self) -> str:
        return function_name(self.func)

    def __repr__(self) -> str:
        args = [repr(arg) for arg in self.args]
        args += [f"{name}={value!r}" for name, value in self.keywords.items()]
        return f"bind({', '.join([self.__name__, *args])})"


def function_name(function: Callable[..., Any]) -> str:
    """Returns a readable name of any callable."""
    name = getattr(function, "__name__", None)
    return name if name else type(function).__name__
