"""Calls of a graph that is the same each time."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class SameGraph:
    """Calls a `tf.function` without looking for the graph that fits.

    That takes the longer the more variables a graph has, up to as long as a
    small graph itself. Other functions are called as they are.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self._known: tuple[Any, Callable[..., Any] | None] = None, None

    def __call__(self, *args: Any) -> Any:
        """Calls it; looks again where shapes or types are others."""
        if not hasattr(self._function, "get_concrete_function"):
            return self._function(*args)
        parts = tf.nest.flatten(args)
        if not all(map(tf.is_tensor, parts)):
            return self._function(*args)
        kind = [(x.shape, x.dtype) for x in parts]
        known, graph = self._known
        if kind != known:
            graph = self._function.get_concrete_function(*args)
            self._known = kind, graph
        return graph(*args)
