"""Episodes that are played while updates go on: `collect_ahead`.

    due at update             10            20             30
    enters the data            -        episode of 10   episode of 20
    starts, with weights of   10            20             30

What an episode is like and when it enters the data follow from the steps alone,
whatever time it takes and wherever a run is resumed: checkpoints hold the
weights that act and the step that they are of, and what was started there is
then started again.
"""

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.tools import devices
from planet_tf2.training.collecting import Collector
from planet_tf2.training.trainer import Step


class Ahead:
    """Collects in a thread of its own, with an agent of its own.

    Args:
      learning: the agent that learns.
      acting: another one of the kind, which is given the weights of the first
        from time to time. The collectors have to act with it.
      should_stop: whether the program was asked to stop.

    Attributes:
      saved: what checkpoints hold: the weights that act, and their step.
      begun: the step at which the collections that are waited for were due;
        None if there are none.
    """

    def __init__(
        self,
        learning: Agent,
        acting: Agent,
        should_stop: Callable[[], bool] = lambda: False,
    ):
        self._pairs = list(
            zip(
                acting.trained_variables,
                learning.trained_variables,
                strict=True,
            )
        )
        self._step = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self.saved = tf.train.Checkpoint(
            weights=acting.trained_variables, step=self._step
        )
        self.begun: Step | None = None
        self._should_stop = should_stop
        self._closed = False
        # One only, since collectors share environments.
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, initializer=devices.work_beside_others
        )
        self._pending: list[tuple[Collector, concurrent.futures.Future]] = []
        self._held: list[tuple[Collector, tuple[int, ...], float]] = []

    @property
    def step(self) -> int:
        """Global step that the weights are of; negative before the first."""
        return int(self._step)

    def should_stop(self) -> bool:
        """Whether rollouts are to be broken off."""
        return self._closed or self._should_stop()

    def copy_weights(self, step: Step) -> None:
        """Acts from now on with what has been learned up to this step."""
        for variable, learned in self._pairs:
            variable.assign(learned)
        self._step.assign(step.global_step)

    def start(
        self,
        step: Step,
        collectors: Sequence[Collector],
        seed: tuple[int, ...],
        later: bool = False,
    ) -> None:
        """Has the collectors that are due at a step collect, one by one.

        Args:
          step: the one whose weights act.
          collectors: those that are due.
          seed: see `Collector.collect`.
          later: leave the environments alone until `is_ready` is asked.
        """
        self.begun = step
        self._pending = []
        self._held = [(c, seed, c.noise_at(step)) for c in collectors]
        if not later:
            self._submit()

    def is_ready(self) -> bool:
        """Whether nothing has to be waited for; starts what was left for later.

        Raises:
          Exception: what has gone wrong meanwhile; see `wait`.
        """
        self._submit()
        done = [future for _, future in self._pending if future.done()]
        for future in done:
            future.result()
        return len(done) == len(self._pending)

    def wait(self) -> list[tuple[Collector, list[dict[str, Any]]]]:
        """Waits for what was started; returns it, and again if asked again.

        Raises:
          RolloutStopped: the program is about to stop.
          Exception: what `Collector.collect` raises.
        """
        return [(c, future.result()) for c, future in self._pending]

    def _submit(self) -> None:
        self._pending += [
            (c, self._thread.submit(c.collect, seed, noise))
            for c, seed, noise in self._held
        ]
        self._held = []

    def close(self) -> None:
        """Breaks off what is going on, and ends the thread."""
        self._closed = True
        self._thread.shutdown(cancel_futures=True)
