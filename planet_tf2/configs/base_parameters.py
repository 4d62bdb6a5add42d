"""What can be set of agents that learn as PlaNet does: data, schedule, logging.

They learn from whole episodes, which are collected between updates, in phases
of training and testing.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from planet_tf2.configs import tasks
from planet_tf2.configs.common_parameters import (
    CommonParameters,
    Group,
    StoredEpisodes,
)
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import LARGEST, Integer, Positive, Switch


class Data(Group):
    """What batches are made of."""

    GROUP = "Data"

    batch_shape: Annotated[
        list[Positive], Field(min_length=2, max_length=2)
    ] = [50, 50]
    """Sequences per batch, and agent steps per sequence."""
    micro_batches: Positive = 1
    """Parts in which a batch is computed, one after the other. More parts need
    less memory and a little more time, and learn the same but for the random
    numbers. They have to divide the sequences of a batch."""
    num_chunks: Positive = 1
    """Sequences that are cut out of an episode each time it is drawn. Those of
    an episode that is too short for that many overlap."""
    loader: Literal["recent", "cache", "reload", "dummy"] = "recent"
    """How episodes are drawn. `cache` draws from all of them evenly; `recent`
    takes half of its episodes from the latest ones; `reload` does as `cache`,
    but keeps none in memory and reads files anew; `dummy` makes up random ones,
    to time or test the rest."""
    loader_every: Annotated[Integer, Field(ge=2)] = 1000
    """Episodes that the loader draws before it looks for new files."""
    loader_max_episodes: Positive | None = None
    """Episodes of each split to draw from, the latest ones. All by default."""
    loader_max_bytes: Positive | None = None
    """Memory in bytes for the episodes of each split. Those that do not fit,
    the oldest, stay on disk. Unbounded by default. With `reload` all of them
    stay there."""


class Schedule(Group):
    """When to learn, to test, and to collect."""

    GROUP = "Schedule"

    train_steps: Positive = 50000
    """Length of a training phase, in sequences: an update is worth
    `batch_shape[0]` steps."""
    test_steps: Positive = 50
    """Length of a test phase, in sequences."""
    max_steps: Positive = 50000000
    """Steps after which the run is done, in sequences, both phases counted."""
    checkpoint_every: Positive | None = None
    """Steps of test phases between checkpoints, in sequences, as in the
    original. Besides, there is one after every collected episode and every test
    phase. None means 10 times `test_steps`."""
    num_seed_episodes: Positive = 5
    """Random episodes to start from, for each task and for training and test
    data each."""
    collect_every: Positive = 5000
    """Training steps between collected episodes, in sequences, where
    `train_collects` says nothing else."""
    collect_ahead: Switch = False
    """Play the episodes of `train_collects` while updates go on. Each is played
    with the weights of the step at which it is due, and enters the data when
    the next one is due, however long it took."""


class Logging(Group):
    """What to write down."""

    GROUP = "Logging"

    log_every: Positive = 100
    """Updates between lines of `metrics.jsonl`."""


class BaseParameters(Data, StoredEpisodes, Schedule, Logging, CommonParameters):
    """The parameters of all agents, and of learning in phases."""

    @model_validator(mode="after")
    def _complete_schedule(self) -> Self:
        if self.checkpoint_every is None:
            self.checkpoint_every = min(10 * self.test_steps, LARGEST)
        return self

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        for name in self.tasks if not self.offline_traindir else []:
            task = tasks.get_task(name)
            # Stretched episodes are never shorter than a sequence.
            if task.max_length and not task.stretched:
                repeat = self.action_repeat or task.action_repeat
                _check_length(
                    name, task.max_length, repeat, self.batch_shape[1]
                )
        return self

    @model_validator(mode="after")
    def _check_devices(self) -> Self:
        sequences = self.batch_shape[0]
        if sequences % (self.num_gpus * self.micro_batches):
            raise ConfigError(
                f"A batch has {sequences} sequences (batch_shape), which "
                f"cannot be shared evenly by num_gpus: {self.num_gpus} with "
                f"micro_batches: {self.micro_batches}."
            )
        return self


def _check_length(name: str, max_length: int, repeat: int, length: int) -> None:
    # The reset observation is one more.
    longest = max_length // repeat + 1
    if length > longest:
        raise ConfigError(
            f"Parameter 'batch_shape' asks for sequences of {length} steps, "
            f"but episodes of {name!r} have {longest} with an action repeat "
            f"of {repeat}. Lower batch_shape[1] or action_repeat."
        )
