"""Phases over time: when to update, to collect, to test, and to save."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import tensorflow as tf

from planet_tf2.tools.signals import Guard, RolloutStopped, Stopped
from planet_tf2.training.checkpoints import Checkpoints

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Step:
    """Where training stands, handed to every stage. Steps are sequences.

    Attributes:
      phase: name of the phase.
      epoch: how often all phases have been completed.
      global_step: steps of all phases before this one.
      phase_step: steps of this phase in all epochs before this one.
      summary_step: position on a time axis that all phases share: epoch times
        the longest phase, plus steps of this phase in this epoch.
      update: steps of this phase in all epochs before this one, in batches.
      batch_size: steps that this one is worth.
      is_last: whether this is the phase's last step in this epoch.
    """

    phase: str
    epoch: int
    global_step: int
    phase_step: int
    summary_step: int
    update: int
    batch_size: int
    is_last: bool

    @property
    def end(self) -> int:
        """Steps of all phases once this one is done."""
        return self.global_step + self.batch_size


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Says that a stage did something that must not be lost or repeated."""

    score: float | None = None


Stage = Callable[[Step], Outcome | None]


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of every epoch. Its length is a multiple of its batch size."""

    name: str
    length: int
    batch_size: int
    stages: Sequence[Stage]


class Trainer:
    """Runs phases in the order they were added, over and over.

    `global_step` counts sequences. The current phase follows from it alone. A
    step runs the stages of its phase one after the other; the number of the
    next stage is saved too, so that a checkpoint may lie between two stages: an
    update is not repeated because the collection behind it was broken off.

    Args:
      directory: folder of the checkpoints; the last three are kept.
      state: what to save beside the trainer's own counters, by name.
      checkpoint_every: steps between checkpoints, in sequences, besides those
        after every stage that returns an `Outcome`.
      guard: asked between stages whether to stop; if so, a checkpoint is saved
        and `Stopped` raised. Its `check` comes before each checkpoint.
      writers: what has to be on the disk before a checkpoint is; each has a
        method `flush`.
      scratch, identity: see `Checkpoints`.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        state: Mapping[str, Any],
        checkpoint_every: int,
        guard: Guard = Guard(),
        writers: Sequence[Any] = (),
        scratch: pathlib.Path | None = None,
        *,
        identity: str = "",
    ):
        self._phases: dict[str, Phase] = {}
        # Numbers here, and variables only in checkpoints, which are slow.
        self._global_step = self._next_stage = 0
        self._counters = {
            name: tf.Variable(0, dtype=tf.int64, trainable=False)
            for name in ("global_step", "next_stage")
        }
        self._checkpoint_every = checkpoint_every
        self._guard = guard
        self._writers = writers
        self._checkpoints = Checkpoints(
            directory, {**self._counters, **state}, scratch, identity
        )

    @property
    def global_step(self) -> int:
        """Steps of all phases so far, in sequences."""
        return self._global_step

    @property
    def reached_step(self) -> int:
        """The same, but with the current step once its update is done."""
        step = self.step_at(self.global_step)
        return step.end if self.has_begun(step) else self.global_step

    def add_phase(
        self, name: str, steps: int, batch_size: int, stages: Sequence[Stage]
    ) -> None:
        """Adds a phase to the end of the epoch.

        Args:
          name: its name.
          steps: its length in sequences, rounded up to whole batches.
          batch_size: sequences per step.
          stages: functions of a `Step`, run in order.
        """
        length = -(-steps // batch_size) * batch_size
        self._phases[name] = Phase(name, length, batch_size, stages)

    def restore(self) -> bool:
        """Loads the last checkpoint that is whole; see `Checkpoints`."""
        path = self._checkpoints.restore()
        counters = self._counters.values()
        self._global_step, self._next_stage = map(int, counters)
        return path is not None

    def save(self) -> pathlib.Path:
        """Writes a checkpoint and returns its path."""
        self._guard.check()
        for writer in self._writers:
            writer.flush()
        self._counters["global_step"].assign(self._global_step)
        self._counters["next_stage"].assign(self._next_stage)
        return self._checkpoints.save()

    def step_at(self, global_step: int) -> Step:
        """Computes the step that a `global_step` falls into."""
        longest = max(phase.length for phase in self._phases.values())
        epoch, local = divmod(global_step, self._epoch_length)
        for phase in self._phases.values():
            if local < phase.length:
                break
            local -= phase.length
        phase_step = epoch * phase.length + local
        return Step(
            phase=phase.name,
            epoch=epoch,
            global_step=global_step,
            phase_step=phase_step,
            summary_step=epoch * longest + local,
            update=phase_step // phase.batch_size,
            batch_size=phase.batch_size,
            is_last=local + phase.batch_size >= phase.length,
        )

    def step_of(self, name: str, update: int) -> int:
        """Computes the `global_step` at which an update of a phase begins."""
        start = 0
        for phase in self._phases.values():
            if phase.name == name:
                break
            start += phase.length
        epoch, local = divmod(update * phase.batch_size, phase.length)
        return epoch * self._epoch_length + start + local

    def next_step(self, name: str) -> Step:
        """Computes the next step of a phase: this one, or one to come."""
        step = self.step_at(self.global_step)
        while step.phase != name:
            step = self.step_at(step.end)
        return step

    def has_begun(self, step: Step) -> bool:
        """Whether some stages of a step are done, and others not."""
        return step.global_step == self.global_step and self._next_stage > 0

    @property
    def _epoch_length(self) -> int:
        return sum(phase.length for phase in self._phases.values())

    def iterate(self, max_step: int) -> Iterator[float]:
        """Trains until `max_step` sequences; yields every score.

        Raises:
          Stopped: if the program is asked to stop, once all is saved.
        """
        while self.global_step < max_step:
            step = self.step_at(self.global_step)
            stages = self._phases[step.phase].stages
            while (index := self._next_stage) < len(stages):
                if self._guard.should_stop():
                    self._stop()
                try:
                    outcome = stages[index](step)
                except RolloutStopped:
                    self._stop()
                self._next_stage = index + 1
                if outcome is not None:
                    self.save()
                    if outcome.score is not None:
                        yield outcome.score
            self._global_step += step.batch_size
            self._next_stage = 0
            if self.global_step % self._checkpoint_every < step.batch_size:
                self.save()
        self.save()

    def _stop(self) -> NoReturn:
        path = self.save()
        _LOGGER.info("Stopped at step %d, saved %s.", self.reached_step, path)
        raise Stopped(f"Stopped at step {self.reached_step}.")


def schedule_of(
    params: Mapping[str, Any], directory: str | os.PathLike[str]
) -> Trainer:
    """Returns the phases of a run that learns in phases, without stages.

    To ask where another process stands.

    Args:
      params: of the run.
      directory: folder of its checkpoints.
    """
    trainer, size = Trainer(directory, {}, 1), params["batch_shape"][0]
    for name in ("train", "test"):
        trainer.add_phase(name, params[f"{name}_steps"], size, [])
    return trainer
