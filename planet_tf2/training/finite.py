"""Stops a run whose numbers are not finite, and says what may be wrong."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.data.first_look import remarks
from planet_tf2.training.trainer import Step


class NonFiniteError(ArithmeticError):
    """A loss, the gradient or a return is infinite or not a number."""


def check_finite(
    values: Mapping[str, float],
    step: Step,
    batch: Mapping[str, tf.Tensor] | None = None,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Checks losses and gradient norms of a step.

    Args:
      values: scalars by name, as in `metrics.jsonl`.
      step: where training stands.
      batch: what they were computed from, as stored, to look for the reason.
      params: parameters of the run, for the same purpose.

    Raises:
      NonFiniteError: naming what is not finite, and the step.
    """
    bad = [name for name in values if not math.isfinite(values[name])]
    if not bad:
        return
    found = ", ".join(f"{name} is {values[name]}" for name in bad)
    reason = ""  # Stored numbers are finite, or were not read.
    if "reward" in (batch or {}):
        rewards = np.asarray(batch["reward"])
        texts = remarks({"reward": rewards}, params or {})
        texts = texts or [f"Rewards: {rewards.min():g} to {rewards.max():g}."]
        reason = f" {' '.join(texts)}"
    raise NonFiniteError(
        f"Stopped, since {found} in the {step.phase} phase at step {step.end} "
        f"(update {step.update + 1}).{reason} The last checkpoint is from "
        "before it, and --retry_failed goes on from there. Check the data, or "
        "lower the learning rate in another --logdir."
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
