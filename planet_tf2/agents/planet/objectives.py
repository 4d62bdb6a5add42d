"""What a planner maximises: functions from imagined states to returns.

`collect_objective`, or `objective` in a collect entry, names one of
`OBJECTIVES`, or one of your own as `my_module:my_objective`. All of them are
called with the latent cell, the heads, the imagined states and the parameters
of the run:

    def my_objective(cell, heads, states, params):
        features = cell.features_from_state(states)         # [N, H, F]
        reward = heads["reward"].mean(features)             # [N, H]
        entropy = cell.dist_from_state(states).entropy()    # [N, H]
        return tf.reduce_sum(reward + 0.01 * entropy, 1)    # [N]
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.tools import importing
from planet_tf2.tools.nearest import did_you_mean

State = dict[str, tf.Tensor]


def reward(
    cell: Any, heads: Mapping[str, Any], states: State, params: Any = None
) -> tf.Tensor:
    """Returns the undiscounted sum of the mean predicted rewards, `[N]`."""
    del params
    features = cell.features_from_state(states)
    return tf.reduce_sum(heads["reward"].mean(features), 1)


def discounted_reward(
    cell: Any,
    heads: Mapping[str, Any],
    states: State,
    params: Mapping[str, Any],
) -> tf.Tensor:
    """Returns the discounted sum of the mean predicted rewards, `[N]`.

    The reward of the first step counts in full, that of the step after it
    `objective_discount` times as much, and so on.
    """
    features = cell.features_from_state(states)
    rewards = heads["reward"].mean(features)
    steps = tf.range(rewards.shape[1], dtype=rewards.dtype)
    weights = tf.pow(tf.cast(params["objective_discount"], steps.dtype), steps)
    return tf.reduce_sum(weights * rewards, 1)


OBJECTIVES: dict[str, Callable[..., tf.Tensor]] = {
    "reward": reward,
    "discounted_reward": discounted_reward,
}


def get_objective(name: str) -> Callable[..., tf.Tensor]:
    """Returns an objective by its name, or imports `module:function`.

    Raises:
      ValueError: there is none of that name, or it is no function.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    if not importing.is_reference(name):
        raise ValueError(
            f"Unknown objective {name!r}.{did_you_mean(name, OBJECTIVES)}"
            f" Known are {', '.join(OBJECTIVES)}, and your own as"
            " my_module:my_objective."
        )
    objective = importing.load(name)
    if not callable(objective):
        raise ValueError(f"Objective {name!r} is no function.")
    return objective


def make_objective(
    name: str, cell: Any, heads: Mapping[str, Any], params: Mapping[str, Any]
) -> Callable[[State], tf.Tensor]:
    """Makes a function from imagined states `[N, H, ...]` to returns `[N]`.

    Raises:
      ValueError: there is no such objective, or, when the function is called,
        it does not return one number for each sequence.
    """
    objective = get_objective(name)

    def rate(states: State) -> tf.Tensor:
        returns = objective(cell, heads, states, params)
        if returns.shape.rank != 1:
            raise ValueError(
                f"Objective {name!r} returned a tensor of shape"
                f" {returns.shape}, but must return one number for each of the"
                " N sequences, [N]. Sum over their time steps."
            )
        return tf.cast(returns, tf.float32)

    return rate
