"""The one way in which those who train hear of, and speak to, their owner."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Guard:
    """Handed down from whoever owns a run to whoever works on it.

    Attributes:
      should_stop: whether to save and raise `Stopped` at the next good moment.
      check: called before anything is written; raises an exception if the run
        is not this process' any more.
      show: takes details, such as `step`, for others to see.
    """

    should_stop: Callable[[], bool] = lambda: False
    check: Callable[[], None] = lambda: None
    show: Callable[..., None] = lambda **details: None


class RolloutStopped(Exception):
    """A rollout was broken off because the program is about to stop."""
