"""The planners by the names that the parameter `planner` gives them.

All of them search the action sequence with the highest predicted return, and
are called alike:

    planner(cell, objective_fn, state, action_size, horizon, amount, topk,
            iterations, seed, noise, trace, **own)

    cell          latent cell; `noise` and `transition` are used
    objective_fn  maps imagined states, tensors [N, H, ...], to the return of
                  every candidate, [N]
    state         a state of every agent, tensors [B, ...]
    action_size   A, entries of an action
    horizon       H, steps to look ahead
    amount        K, candidates of the first iteration
    topk          K', candidates that the normal is refit to
    iterations    I, rounds of sampling and refitting; none returns zeros
    seed          int32 [2], determines all samples
    noise         standard normal [I, B, K, H, A] in place of the candidates'
    trace         whether to tell how the search went

They return a plan for every agent, [B, H, A] in [-1, 1]; with `trace` also a
`search_trace.Trace`.
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
