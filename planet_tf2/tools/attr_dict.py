"""A dictionary with attributes and a lock."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from planet_tf2.tools.nearest import did_you_mean


class AttrDict(dict):
    """Dictionary whose keys are also attributes.

    A key that is not there is an error which names the nearest key. While
    locked, nothing can be written or removed, so that a misspelt assignment
    does not go unnoticed; `copy` makes an unlocked one. Names that start with
    an underscore are not keys when used as attributes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        object.__setattr__(self, "_locked", False)

    def lock(self) -> "AttrDict":
        """Forbids writing from here on. Returns the dictionary itself."""
        object.__setattr__(self, "_locked", True)
        return self

    def copy(self) -> "AttrDict":
        """Returns an unlocked, shallow copy."""
        return AttrDict(self)

    def __copy__(self) -> "AttrDict":
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        # For `copy.deepcopy` and `pickle`: only the items travel.
        return AttrDict, (dict(self),)

    def __or__(self, other: Any) -> "AttrDict":
        return AttrDict(dict(self) | dict(other))

    def __repr__(self) -> str:
        return f"AttrDict({dict(self)!r})"

    # Reading.

    def __missing__(self, key: str) -> Any:
        raise KeyError(self._unknown(key))

    def __getattr__(self, name: str) -> Any:
        # Only called for names that are not methods or properties.
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self:
            raise AttributeError(self._unknown(name))
        return self[name]

    # Writing.

    def __setitem__(self, key: str, value: Any) -> None:
        self._check_unlocked(key)
        super().__setitem__(key, value)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delitem__(self, key: str) -> None:
        self._check_unlocked(key)
        if key not in self:
            raise KeyError(self._unknown(key))
        super().__delitem__(key)

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(self._unknown(name))
        del self[name]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Any) -> "AttrDict":
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        self._check_unlocked(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        self._check_unlocked("an item")
        return super().popitem()

    def clear(self) -> None:
        self._check_unlocked("all items")
        super().clear()

    # Errors.

    def _unknown(self, key: str) -> str:
        return f"There is no key {key!r}.{did_you_mean(key, self._names())}"

    def _check_unlocked(self, key: str) -> None:
        if not self._locked:
            return
        hint = "" if key in self else did_you_mean(key, self._names())
        raise RuntimeError(
            f"Cannot change {key!r} of a locked dictionary.{hint} Write to a "
            "copy()."
        )

    def _names(self) -> list[str]:
        return [key for key in self if isinstance(key, str)]


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
    old, new = to_plain(dict(old)), to_plain(dict(new))
    defaults = to_plain(dict(defaults or {}))
    changes = []
    for name in sorted({*old, *new}, key=str):
        before = old.get(name, defaults.get(name, _NOT_SET))
        after = new.get(name, defaults.get(name, _NOT_SET))
        if before != after:
            changes.append(f"{name}: {before!r} -> {after!r}")
    return changes


class _NotSet:
    def __repr__(self) -> str:
        return "(not set)"


_NOT_SET = _NotSet()
