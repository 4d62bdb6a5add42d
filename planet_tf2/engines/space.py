"""What a sweep searches: `space.yaml`.

    main_learning_rate: {loguniform: [1e-4, 1e-2]}
    actor.entropy: {uniform: [0, 1e-3]}
    planner_horizon: {integer: [6, 14]}
    cell: {choice: [rssm, ssm]}
    seed: {grid: [0, 1, 2]}

A grid is gone through in order, all combinations of several; all else is drawn.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.tools import plain_yaml
from planet_tf2.tools.nearest import did_you_mean
from planet_tf2.tools.plain_text import short_repr

RANGES = ("uniform", "loguniform", "integer")
_KINDS = (*RANGES, "choice", "grid")


@dataclasses.dataclass(frozen=True)
class Entry:
    """The values of a parameter.

    Attributes:
      kind: one of `uniform`, `loguniform`, `integer`, `choice` and `grid`.
      values: the bounds, both included, or all there are.
    """

    kind: str
    values: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """Draws a value."""
        if self.kind not in RANGES:
            return self.values[rng.integers(len(self.values))]
        low, high = self.values
        if self.kind == "integer":
            return int(rng.integers(low, high, endpoint=True))
        if self.kind == "uniform":
            return float(rng.uniform(low, high))
        drawn = math.exp(rng.uniform(math.log(low), math.log(high)))
        return self.clip(drawn)

    def clip(self, value: Any) -> Any:
        """Returns the value within the range that is nearest."""
        if self.kind not in RANGES:
            return value
        nearest = min(max(value, self.values[0]), self.values[1])
        return round(nearest) if self.kind == "integer" else float(nearest)


Space = Mapping[str, Entry]


def read_space(text: str, check: Callable[[str, Any], None]) -> Space:
    """Reads a space, and tries the values and bounds of all parameters.

    Args:
      text: YAML, see above.
      check: raises `ValueError` if a parameter cannot have a value.

    Raises:
      ValueError: a line for every mistake.
    """
    try:
        found = plain_yaml.read(text)
    except ValueError as error:
        raise ConfigError(f"Cannot read the space as YAML: {error}.") from None
    if not isinstance(found, dict) or not found:
        raise ConfigError(
            "The space must be a mapping such as "
            f"'planner_horizon: {{choice: [8, 12]}}', not {short_repr(found)}."
        )
    space, mistakes = {}, []
    for name, about in found.items():
        try:
            space[name] = _read_entry(name, about)
            for value in space[name].values:
                check(name, value)
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return space


def grid_size(space: Space) -> int:
    """Returns the number of combinations of all grids; 1 without any."""
    return math.prod(len(e.values) for e in space.values() if e.kind == "grid")


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Draws the parameters of a trial, the same ones each time.

    Args:
      space: what is searched.
      seed: that of the sweep.
      number: that of the trial, counted from 1.
    """
    rng = np.random.default_rng([seed, number])
    drawn = {n: e.draw(rng) for n, e in space.items() if e.kind != "grid"}
    return {**drawn, **of_grid(space, number)}


def of_grid(space: Space, number: int) -> dict[str, Any]:
    """Returns the parameters of a trial that come from grids."""
    grids = {n: e.values for n, e in space.items() if e.kind == "grid"}
    place = (number - 1) % grid_size(space)
    chosen = next(
        itertools.islice(itertools.product(*grids.values()), place, None)
    )
    return dict(zip(grids, chosen, strict=True))


def _read_entry(name: str, about: Any) -> Entry:
    if not isinstance(about, dict) or len(about) != 1:
        raise ConfigError(
            f"{name}: write one of {', '.join(_KINDS)} and a list, as in "
            f"{{choice: [8, 12]}}, not {short_repr(about)}."
        )
    ((kind, values),) = about.items()
    if kind not in _KINDS:
        raise ConfigError(
            f"{name}: unknown {kind!r}.{did_you_mean(kind, _KINDS)} Known are "
            f"{', '.join(_KINDS)}."
        )
    if not isinstance(values, list) or not values:
        raise ConfigError(
            f"{name}: {kind} needs a list, not {short_repr(values)}."
        )
    if kind in RANGES:
        values = list(_bounds(name, kind, values))
    return Entry(kind, tuple(values))


def _bounds(name: str, kind: str, values: list[Any]) -> Iterator[float]:
    number = int if kind == "integer" else float
    try:
        low, high = (number(str(value)) for value in values)
        right = -math.inf < low < high < math.inf
    except ValueError:
        right = False
    if not right or (kind == "loguniform" and low <= 0):
        positive = "positive " if kind == "loguniform" else ""
        raise ConfigError(
            f"{name}: {kind} needs two {positive}numbers, the smaller one "
            f"first, not {short_repr(values)}."
        )
    yield from (low, high)
