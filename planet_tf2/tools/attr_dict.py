"""A dictionary with attributes, and plain data."""

import os
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from planet_tf2.tools.nearest import did_you_mean
from planet_tf2.tools.plain_text import one_line


class AttrDict(dict):
    """Dictionary whose keys are also attributes, and that stays as it is.

    A key that is not there is an error which names the nearest key. Nothing can
    be written or removed, so that a misspelt assignment does not go unnoticed;
    `dict(...)` makes a copy to write to. Names that start with an underscore
    are not keys when used as attributes.
    """

    def __missing__(self, key: str) -> Any:
        raise KeyError(self._unknown(key))

    def __getattr__(self, name: str) -> Any:
        # Only called for names that are not methods or properties.
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self:
            raise AttributeError(self._unknown(name))
        return self[name]

    def __reduce__(self) -> tuple[Any, ...]:
        # For `copy.deepcopy` and `pickle`.
        return AttrDict, (dict(self),)

    def __repr__(self) -> str:
        return f"AttrDict({dict(self)!r})"

    def _unknown(self, key: str) -> str:
        names = [name for name in self if isinstance(name, str)]
        return f"There is no key {key!r}.{did_you_mean(key, names)}"

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"Cannot change {args[0] if args else 'all'!r} of an AttrDict. "
            "Write to a copy, dict(...)."
        )

    __setitem__ = __setattr__ = __delitem__ = __delattr__ = _refuse
    __ior__ = update = setdefault = pop = popitem = clear = _refuse


def to_plain(value: Any) -> Any:
    """Converts nested containers to built-in types.

    Mappings become dictionaries, tuples and arrays lists, sets sorted lists,
    NumPy numbers Python numbers, and paths strings. Everything else is
    returned as it is.
    """
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def differences(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> list[str]:
    """Lists what changed as `'name: old -> new'`, sorted by name.

    Args:
      old: Earlier values.
      new: Later values.
      defaults: Values to assume for names that one side does not have. A
        name that neither has is shown as `(not set)`.
    """
    defaults = defaults or {}
    changes = []
    for name in sorted({*old, *new}):
        before, after = (
            repr(to_plain({**defaults, **x}[name]))
            if name in x or name in defaults
            else "(not set)"
            for x in (old, new)
        )
        if before != after:
            before, after = (one_line(text, 200) for text in (before, after))
            changes.append(f"{name}: {before} -> {after}")
    return changes
