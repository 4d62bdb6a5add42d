"""What a planner maximises: functions from imagined states to returns."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

State = dict[str, tf.Tensor]


def reward(cell: Any, heads: Mapping[str, Any], states: State) -> tf.Tensor:
    """Returns the undiscounted sum of the mean predicted rewards.

    Args:
      cell: latent cell that the states belong to.
      heads: heads by name; `reward` is used.
      states: imagined states, tensors `[N, H, ...]`.

    Returns:
      Predicted return of every sequence, `[N]`.
    """
    features = cell.features_from_state(states)
    return tf.reduce_sum(heads["reward"].mean(features), 1)


OBJECTIVES: dict[str, Callable[..., tf.Tensor]] = {"reward": reward}
