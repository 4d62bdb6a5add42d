"""Stops a run whose numbers are not finite before it learns from them."""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.training.trainer import Step


class NonFiniteError(ArithmeticError):
    """A loss, the gradient or a return is infinite or not a number."""


def check_finite(
    values: Mapping[str, float],
    step: Step,
    batch: Mapping[str, tf.Tensor] | None = None,
) -> None:
    """Checks losses and gradient norms of a step.

    Args:
      values: scalars by name, as in `metrics.jsonl`.
      step: where training stands.
      batch: what they were computed from, as stored, to look for the reason.

    Raises:
      NonFiniteError: naming what is not finite, and the step.
    """
    bad = [name for name in values if not math.isfinite(values[name])]
    if not bad:
        return
    first, *others = bad
    also = f" ({', '.join(others)} as well)" if others else ""
    raise NonFiniteError(
        f"Stopped, since {first} is {values[first]}{also} in the {step.phase} "
        f"phase at step {step.end} (update {step.update + 1})."
        f"{_find_reason(batch or {})} The last checkpoint is from before it, "
        "and --retry_failed goes on from there. Check the data, or lower the "
        "learning rate in another --logdir."
    )


def check_return(task: str, episode: Mapping[str, Any]) -> None:
    """Checks what a recorder says of an episode, before it is stored.

    Raises:
      NonFiniteError: naming the task.
    """
    if not math.isfinite(episode["return"]):
        raise NonFiniteError(
            f"Stopped, since the rewards of an episode of {task} add up to "
            f"{episode['return']}. The episode was not stored. Mend the "
            "environment, and go on with --retry_failed."
        )


def _find_reason(batch: Mapping[str, tf.Tensor]) -> str:
    names = [
        name
        for name, value in batch.items()
        if value.dtype.is_floating
        and not bool(tf.reduce_all(tf.math.is_finite(value)))
    ]
    if not names:
        return ""
    return f" The episodes hold {' and '.join(names)} that is not finite."
