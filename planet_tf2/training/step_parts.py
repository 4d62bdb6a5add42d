"""What agents need to be trained by steps, and how that is called in logs."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from planet_tf2.configs.step_schedule import StepSchedule
from planet_tf2.training.replay_batches import ReplayBatches
from planet_tf2.training.stepper import Stepper
from planet_tf2.training.trainer import Step


@dataclasses.dataclass(frozen=True)
class StepParts:
    """What there is besides the parts of every run.

    Names in the log are those of dreamerv3-torch, as far as it has them.

    Attributes:
      schedule: when to do what.
      batches: what to learn from.
      action_repeat: simulator steps per decision.
      tasks: those of the environments that the stepper acts in.
      stepper: acts, unless all is learned from stored episodes.
    """

    GROUP: ClassVar[str] = "scalars"  # How tags of its summaries begin.

    schedule: StepSchedule
    batches: ReplayBatches
    action_repeat: int = 1
    tasks: Sequence[str] = ()
    stepper: Stepper | None = None

    def describe_update(self, step: Step, speed: float) -> dict[str, float]:
        """Returns numbers that stand beside the losses of an update."""
        if step.phase != "train":
            return {}
        per_update = self.schedule.decisions_per_update
        return {
            "fps": float(speed * per_update * self.action_repeat),
            "update_count": step.update + 1,
            "dataset_size": self.batches.decisions("train"),
        }

    def describe_episode(
        self, result: dict[str, Any], number: int
    ) -> dict[str, float]:
        """Returns numbers of a finished episode that was learned from."""
        return {
            "train_return": result["return"],
            "train_length": result["length"],
            "train_episodes": number,
            "dataset_size": self.batches.decisions("train"),
        }
