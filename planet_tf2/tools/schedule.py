"""Schedules over training steps, for Python numbers or NumPy arrays.

Scheduling is plain Python: the phase loop asks these functions when to do
something, and how much of it.
"""

from typing import Any

import numpy as np


def binary(
    step: Any, batch_size: int, after: int, every: int, until: int = -1
) -> Any:
    """Tells whether something is due at this step.

    The scheduled points are `after, after + every, after + 2 * every, ...`,
    up to but excluding `until`. Steps advance by `batch_size` at a time, so a
    point is due at the first step that has reached it, that is, when it lies
    in `(step - batch_size, step]`.

    ```
                     after        after + every
    -----|-----|-----|--x--|-----|-----|--x--|---> step
                           ^ due              ^ due
    ```

    Args:
      step: Current step or an array of them, in sequences.
      batch_size: How far the step advances from one call to the next.
      after: The first point.
      every: Distance of the points. Zero or less means never.
      until: No point at or behind this one is due. Negative means no end.

    Returns:
      Booleans of the shape of `step`.
    """
    steps = np.asarray(step)
    if every <= 0:
        return np.zeros(steps.shape, bool)
    # The last scheduled point that was reached, if it is at least `after`.
    last = np.minimum(steps, until - 1) if until >= 0 else steps
    point = after + (last - after) // every * every
    return (point >= after) & (point > steps - batch_size)


def linear(step: Any, ramp: int, min: float = 0.0, max: float = 1.0) -> Any:
    """Ramps linearly between zero and one, within bounds.

    Args:
      step: Current step or an array of them, in sequences.
      ramp: Number of steps for the whole way. Positive rises from zero to
        one, negative falls from one to zero, zero is constantly one.
      min: The result is at least this.
      max: The result is at most this.

    Returns:
      Float64 of the shape of `step`.
    """
    steps = np.asarray(step, np.float64)
    value = steps / ramp if ramp else np.ones_like(steps)
    value = value + 1.0 if ramp < 0 else value
    return np.clip(np.clip(value, 0.0, 1.0), min, max)
