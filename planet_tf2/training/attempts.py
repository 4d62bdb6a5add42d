"""Repeats episodes that a broken environment cut short."""

import dataclasses
import itertools
import logging
from collections.abc import Callable
from typing import TypeVar

from planet_tf2.envs import EnvError

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


class EnvUnreliable(EnvError):
    """An environment failed so often in a row that the run stops."""

    def __init__(self, what: str, failures: int, last: EnvError):
        super().__init__(last.kind, "", last.traceback)
        times = "once" if failures == 1 else f"{failures} times in a row"
        self.summary = (
            f"Stopped {what}, since the environment failed {times}"
            f" (env_max_failures). The last time: {last.summary.rstrip('.')}."
            " Nothing of the broken episodes was kept. Once the cause is gone,"
            " the same command with --retry_failed goes on from the last"
            " checkpoint. See docs/custom_environments.md."
        )
        # The traceback comes with the last failure, which is the cause.
        self.args = (self.summary,)


@dataclasses.dataclass(frozen=True)
class Attempts:
    """Does something again when an environment breaks meanwhile.

    Attributes:
      max_failures: how many attempts may fail in a row, at least 1.
      recover: called after each failure, to remove what the broken episode and
        those collected with it left behind, and to start environments anew.
    """

    max_failures: int = 1
    recover: Callable[[], object] = lambda: None

    def run(self, what: str, work: Callable[[int], T]) -> T:
        """Works until it succeeds.

        Args:
          what: what is being done, for messages: `collecting cheetah_run`.
          work: what to do. It is handed the number of the attempt, from 0 on,
            which takes part in its random numbers: a simulator may well break
            again when exactly the same happens to it again.

        Returns:
          What `work` returned.

        Raises:
          EnvUnreliable: if it failed as often as allowed.
        """
        for attempt in itertools.count():
            try:
                return work(attempt)
            except EnvError as error:
                failures = attempt + 1
                if failures >= self.max_failures:
                    raise EnvUnreliable(what, failures, error) from error
                _LOGGER.warning(
                    "Dropped a broken episode while %s: %s. Failure %d of at"
                    " most %d in a row; starting the environment again.",
                    what,
                    error.summary.rstrip("."),
                    failures,
                    self.max_failures,
                    extra={"details": error.traceback},  # For log.txt.
                )
                self.recover()
