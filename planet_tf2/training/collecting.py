"""Collecting episodes with the agent: when, how noisy, with which seeds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.tools import schedule, seeds
from planet_tf2.training.attempts import Attempts
from planet_tf2.training.trainer import Step

# What a rollout says of the time that a decision took; see `Rollout`.
TIMES = ("decision_seconds", "planning_seconds")
# Behind a seed: the agent, as told from its environments, and the attempts.
_AGENT, _ATTEMPT = 1, 2


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
      attempts: what to do when an environment breaks.
    """

    entry: Mapping[str, Any]
    task: str
    index: int
    env: InGraphBatchEnv
    rollout: Rollout
    attempts: Attempts = Attempts()

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
          What the recorder says of every finished episode, and the `TIMES`.

        Raises:
          EnvUnreliable: if that failed too often in a row.
        """

        def work(attempt: int) -> list[dict[str, Any]]:
            numbers = (*seed, self.index)
            if attempt:
                numbers = (*numbers, _ATTEMPT, attempt)
            sequence = np.random.SeedSequence(numbers)
            env_seeds = sequence.generate_state(len(self.env))
            return self.rollout(
                [int(number) >> 1 for number in env_seeds],
                seeds.derive(*numbers, _AGENT),
                action_noise,
            )

        results = self.attempts.run(f"collecting {self.task}", work)
        return [
            {
                **result["info"]["episode"],
                **{name: result[name] for name in TIMES if name in result},
            }
            for result in results
        ]
