"""Collecting episodes: when, how noisy, with which seeds, how often anew."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.envs import EnvError
from planet_tf2.tools import schedule, seeds
from planet_tf2.training.trainer import Step

_LOGGER = logging.getLogger(__name__)

# Behind a seed: the agent, as told from its environments, and the attempts.
_AGENT, _ATTEMPT = 1, 2

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


def retry(
    what: str,
    work: Callable[[int], T],
    max_failures: int = 1,
    recover: Callable[[], object] = lambda: None,
) -> T:
    """Does something again when an environment breaks meanwhile.

    Args:
      what: what is being done, for messages: `collecting cheetah_run`.
      work: what to do. It is handed the number of the attempt, from 0 on,
        which takes part in its random numbers: a simulator may well break
        again when exactly the same happens to it again.
      max_failures: how many attempts may fail in a row, at least 1.
      recover: called after each failure, to remove what the broken episode and
        those collected with it left behind, and to start environments anew.

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
            if failures >= max_failures:
                raise EnvUnreliable(what, failures, error) from error
            _LOGGER.warning(
                "Dropped a broken episode while %s: %s. Failure %d of at"
                " most %d in a row; starting the environment again.",
                what,
                error.summary.rstrip("."),
                failures,
                max_failures,
                extra={"details": error.traceback},  # For log.txt.
            )
            recover()


@dataclasses.dataclass(frozen=True)
class Collector:
    """An entry of `train_collects` or `test_collects` for one task.

    Attributes:
      entry: the entry: its `name`, the training steps `after`, `every`,
        `until` of which it is due (a negative `until` means no end), and, if
        it is noisy, the noise's standard deviation `action_noise`, the
        training steps `action_noise_ramp` over which it grows (positive) or
        fades (negative), and the smallest fraction `action_noise_min` of it.
      task: name of the task.
      index: tells its random numbers from those of other collectors.
      env: the environments.
      rollout: runs the agent in them.
      retry: `retry`, with what to do when an environment breaks.
      count: how many of the environments play, the first ones; None for all.
      shown: whether the last of its test episodes is shown.
    """

    entry: Mapping[str, Any]
    task: str
    index: int
    env: InGraphBatchEnv
    rollout: Rollout
    retry: Callable[..., Any] = retry
    count: int | None = None
    shown: bool = True

    def due(self, step: Step) -> bool:
        """Whether to collect at this step of the training phase."""
        when = [self.entry[name] for name in ("after", "every", "until")]
        return schedule.binary(step.phase_step, step.batch_size, *when)

    def noise_at(self, step: Step) -> float:
        """Standard deviation of the noise at this training step."""
        entry = self.entry
        return entry.get("action_noise", 0.0) * schedule.linear(
            step.phase_step,
            entry.get("action_noise_ramp", 0),
            entry.get("action_noise_min", 0.0),
        )

    def collect(
        self, seed: tuple[int, ...], action_noise: float
    ) -> list[dict[str, Any]]:
        """Runs one episode in every environment.

        If one of them breaks, all episodes are dropped and repeated: they share
        a plan and a seed, and which were over by then would depend on chance.

        Args:
          seed: numbers that determine everything random in the episodes,
            together with the number of the attempt.
          action_noise: standard deviation of the exploration noise.

        Returns:
          What the recorder says of every finished episode, and the seconds that
          a decision in it took; see `Rollout`.

        Raises:
          EnvUnreliable: if that failed too often in a row.
        """

        def work(attempt: int) -> list[dict[str, Any]]:
            numbers = (*seed, self.index)
            if attempt:
                numbers = (*numbers, _ATTEMPT, attempt)
            sequence = np.random.SeedSequence(numbers)
            env_seeds = sequence.generate_state(len(self.env))
            some = {} if self.count is None else {"count": self.count}
            return self.rollout(
                [int(number) >> 1 for number in env_seeds],
                seeds.derive(*numbers, _AGENT),
                action_noise,
                **some,
            )

        results = self.retry(f"collecting {self.task}", work)
        times = "decision_seconds", "planning_seconds"
        return [
            {**result["info"]["episode"], **{key: result[key] for key in times}}
            for result in results
        ]
