"""Collecting episodes with the agent: when, how noisy, with which seeds."""

import dataclasses
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
      name: name of the entry.
      task: name of the task.
      index: tells its random numbers from those of other collectors.
      env: the environments.
      rollout: runs the agent in them.
      after: first training step to collect at.
      every: training steps between collections.
      until: training step to stop collecting at; negative means never.
      action_noise: standard deviation of the exploration noise.
      action_noise_ramp: training steps over which the noise grows (positive)
        or fades (negative); 0 keeps it.
      action_noise_min: smallest fraction of the noise while it ramps.
      attempts: what to do when an environment breaks.
    """

    name: str
    task: str
    index: int
    env: InGraphBatchEnv
    rollout: Rollout
    after: int
    every: int
    until: int = -1
    action_noise: float = 0.0
    action_noise_ramp: int = 0
    action_noise_min: float = 0.0
    attempts: Attempts = Attempts()

    @property
    def tag(self) -> str:
        """Group of what summaries show of its episodes."""
        return f"simulation/{self.task}/{self.name}"

    def due(self, step: Step) -> bool:
        """Whether to collect at this step of the training phase."""
        return schedule.binary(
            step.phase_step, step.batch_size, self.after, self.every, self.until
        )

    def noise_at(self, step: Step) -> float:
        """Standard deviation of the noise at this training step."""
        return self.action_noise * schedule.linear(
            step.phase_step, self.action_noise_ramp, self.action_noise_min
        )

    def collect(
        self, seed: tuple[int, ...], action_noise: float
    ) -> list[dict[str, Any]]:
        """Runs one episode in every environment.

        If one of the environments breaks, the episodes of all are dropped, and
        all are repeated: they share a plan and a seed, and which of them were
        over by then would depend on chance.

        Args:
          seed: numbers that determine everything random in the episodes,
            together with the number of the attempt.
          action_noise: standard deviation of the exploration noise.

        Returns:
          What the recorder says of every finished episode, and the `TIMES`.

        Raises:
          EnvUnreliable: if that failed too often in a row.
        """
        return self.attempts.run(
            f"collecting {self.task}",
            lambda attempt: self._collect(seed, action_noise, attempt),
        )

    def _collect(
        self, seed: tuple[int, ...], action_noise: float, attempt: int
    ) -> list[dict[str, Any]]:
        numbers = (*seed, self.index)
        if attempt:
            numbers = (*numbers, _ATTEMPT, attempt)
        env_seeds = np.random.SeedSequence(numbers).generate_state(
            len(self.env)
        )
        results = self.rollout(
            [int(number) >> 1 for number in env_seeds],
            seeds.derive(*numbers, _AGENT),
            action_noise,
        )
        return [
            {
                **result["info"]["episode"],
                **{name: result[name] for name in TIMES if name in result},
            }
            for result in results
        ]
