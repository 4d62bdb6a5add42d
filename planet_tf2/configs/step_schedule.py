"""When agents learn, act and are tested that are trained by steps.

A *decision* is one action of the agent in one environment, `action_repeat`
simulator steps. All environments decide together, in *rounds*. An *update* is
one gradient step.

    update      0 ... pretrain-1 | pretrain            | pretrain + 1 ...
    before it   nothing          | decisions_per_update | as many again

Whoever is trained by whole episodes has no such schedule, see `collects`.

An agent that learns from streams, `sequence` rows at a time (`data.streams`),
acts from the start, and learns as soon as there are `first_items` sequences.
Resets count as decisions then: each round adds a row to each stream.
"""

import dataclasses
import math
from fractions import Fraction


@dataclasses.dataclass(frozen=True)
class StepSchedule:
    """The schedule of a run; it does not change while the run goes on.

    Attributes:
      envs: environments of each task, which decide together.
      prefill: decisions in whole random episodes before the first update.
      pretrain: updates before the first decision of the agent.
      decisions_per_update: of all environments together.
      train_updates: updates of a training phase.
      epochs: training phases, each followed by a test phase.
      eval_episodes: episodes of a task to play in a test phase.
      test_updates: batches of a test phase whose losses are computed.
      checkpoint_updates: updates between two checkpoints, besides those
        at the end of each test phase.
      log_updates: updates between two lines of the log.
      predictions: whether to predict sequences at the ends of phases.
      dataset_size: decisions of finished episodes to keep in memory.
      max_bytes: bytes that these may take, or None.
      explore_until: decisions to explore for, or None for all.
      offline_train, offline_test: folders of episodes to learn from and to
        test with. Where there is one to learn from, no simulator is started.
      sequence: rows of a sequence, of agents that learn from streams; else 0.
      first_items: sequences that are needed for their first update.
      online_queue: whether they learn from what was just played first.
    """

    envs: int
    prefill: int
    pretrain: int
    decisions_per_update: Fraction
    train_updates: int
    epochs: int
    eval_episodes: int = 10
    test_updates: int = 1
    checkpoint_updates: int = 500
    log_updates: int = 100
    predictions: bool = True
    dataset_size: int = 10**6
    max_bytes: int | None = None
    explore_until: int | None = None
    offline_train: str = ""
    offline_test: str = ""
    sequence: int = 0
    first_items: int = 0
    online_queue: bool = False

    @property
    def offline(self) -> bool:
        """Whether everything is learned from stored episodes."""
        return bool(self.offline_train)

    def max_steps(self, batch_size: int) -> int:
        """Returns the length of a run in sequences, all phases counted."""
        updates = self.train_updates + self.test_updates
        return self.epochs * updates * batch_size

    def rounds(self, update: int, num_envs: int) -> int:
        """Returns how often environments have decided before an update.

        Args:
          update: its number, from 0 on.
          num_envs: environments of all tasks.
        """
        if self.offline:
            return 0
        if self.sequence:
            rows = self.first_items + update * self.decisions_per_update
            return self.sequence - 1 + math.ceil(rows / num_envs)
        updates = max(0, update + 1 - self.pretrain)
        return int(updates * self.decisions_per_update // num_envs)
