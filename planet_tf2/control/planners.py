"""The planners by the names that the parameter `planner` gives them.

All of them are called alike:

    planner(cell, objective_fn, state, action_size, horizon, amount, topk,
            iterations, seed=seed, **options)

and return plans `[B, H, A]` for states `[B, ...]`.
"""

from collections.abc import Callable

import tensorflow as tf

from planet_tf2.control.improved_cem import improved_cem
from planet_tf2.control.planning import cross_entropy_method

PLANNERS: dict[str, Callable[..., tf.Tensor]] = {
    "cem": cross_entropy_method,
    "icem": improved_cem,
}
