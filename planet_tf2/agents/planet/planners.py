"""The planners by the names that the parameter `planner` gives them.

All of them are called alike:

    planner(cell, objective_fn, state, action_size, horizon, amount, topk,
            iterations, seed=seed, **options)

and return plans `[B, H, A]` for states `[B, ...]`. Those that can tell how they
found them do so with `trace=True`, and return plans and a `search_trace.Trace`.
"""

import inspect
from collections.abc import Callable
from typing import Any

from planet_tf2.agents.planet.improved_cem import improved_cem
from planet_tf2.agents.planet.planning import cross_entropy_method

PLANNERS: dict[str, Callable[..., Any]] = {
    "cem": cross_entropy_method,
    "icem": improved_cem,
}


def can_trace(name: str) -> bool:
    """Whether a planner can tell how it found a plan."""
    return "trace" in inspect.signature(PLANNERS[name]).parameters
