"""Suggests the name that somebody probably meant."""

import difflib
from collections.abc import Iterable


def nearest(
    name: object, names: Iterable[str], cutoff: float = 0.5
) -> str | None:
    """Returns the most similar of `names`, or None if none is similar.

    Args:
      name: What somebody wrote.
      names: What can be meant.
      cutoff: Least similarity, from 0 for anything to 1 for equality.
    """
    lowered = {known.lower(): known for known in names}
    matches = difflib.get_close_matches(
        str(name).lower(), list(lowered), n=1, cutoff=cutoff
    )
    return lowered[matches[0]] if matches else None


def did_you_mean(
    name: object, names: Iterable[str], cutoff: float = 0.5
) -> str:
    """Returns `" Did you mean 'x'?"`, or '' if no name is similar.

    Made to be put behind the full stop of an error message. For the arguments
    see `nearest`.
    """
    suggestion = nearest(name, names, cutoff)
    return f" Did you mean {suggestion!r}?" if suggestion else ""
