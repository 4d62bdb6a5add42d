"""The one list of parameters: name, default, kind, explanation.

Flags, validation, and `docs/parameters.md` all follow from this list. Names
and defaults are those of the original wherever it had the parameter. The
entries are in `learning_parameters.py` and `acting_parameters.py`.
"""

from typing import Any

from planet_tf2.configs import acting_parameters as acting
from planet_tf2.configs import learning_parameters as learning
from planet_tf2.configs.parameter import Parameter

PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        *learning.DATA,
        *learning.NETWORKS,
        *learning.MODEL,
        *acting.TASKS,
        *learning.LOSSES,
        *learning.OPTIMIZER,
        *acting.SCHEDULE,
        *acting.EXPLORATION,
        *acting.PLANNER,
        *acting.LOGGING,
        *acting.REPEATING,
    )
}

# What the run in a folder can go on with other values of, since nothing that it
# computes depends on them.
CHANGEABLE = frozenset(
    {
        "checkpoint_every",
        "env_max_failures",
        "env_timeout_seconds",
        "isolate_envs",
        "log_every",
    }
)

# The original accepts these and ignores them.
DEPRECATED = ("bound_action", "loader_window")


def defaults() -> dict[str, Any]:
    """Returns all parameters with their defaults, freshly copied."""
    return {name: p.convert(p.default) for name, p in PARAMETERS.items()}
