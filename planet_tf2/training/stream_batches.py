"""The batch of a step, of agents that learn from streams; see `data.streams`.

It follows from the run's seed, the number of the update, and what there is to
learn from right before it: rows, their latents, and the queue of what was just
played. The latter two are in no file, so checkpoints hold them.

What an update makes of the latents of its rows replaces what was stored of them
right after the next batch was drawn, one update late.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.data.conversion import StepType
from planet_tf2.data.streams import CONTEXT, LOADED
from planet_tf2.training.episode_log import SPLITS, EpisodeLog
from planet_tf2.training.replay_batches import ReplayBatches
from planet_tf2.training.trainer import Step

_LAST = "last/"  # What the last batch began with.


class StreamBatches(ReplayBatches):
    """Draws the batches of both splits from streams.

    A checkpoint of 100,000 rows with 512 floats and 32 bytes of latents is
    211 MB large and takes about a second (on two busy cores 0.3 to 2 seconds to
    bring these together, and 0.6 to write them).

    Args:
      *args: see `ReplayBatches`; what is drawn from are `Streams`.
      latents: the agent's `fresh_latents`.
    """

    def __init__(self, *args: Any, latents: Mapping[str, tf.Variable]):
        super().__init__(*args)
        self._latents = dict(latents)
        self._streams = self._replays["train"]
        # Of the last training batch.
        self._update, self._places = -1, np.zeros((0, 3), np.int64)
        kinds = self._streams.packed_kinds
        self._first = {
            name: np.zeros((0, *kind.shape), kind.dtype)
            for name, kind in kinds.items()
            if name.startswith(CONTEXT)
        }
        number = np.int64
        self._variables = {
            "streams": _table(StepType(number, (4,))),
            "queue": _table(StepType(number, (2,))),
            "places": _table(StepType(number, (3,))),
            **{name: _table(kind) for name, kind in kinds.items()},
            **{_LAST + name: _table(kinds[name]) for name in self._first},
        }
        with tf.device("CPU"):
            for name, first in (("time", 0), ("update", -1), ("foreign", 0)):
                self._variables[name] = tf.Variable(
                    first, dtype=tf.int64, trainable=False
                )
        self._num_foreign, self._holds = 0, False

    @property
    def saved(self) -> dict[str, Any]:
        latents = tf.train.Checkpoint(**self._latents)
        saved = tf.train.Checkpoint(**self._variables, latents=latents)
        return {"replay": saved}

    def flush(self) -> None:
        state = {
            **self._streams.pack(),
            "places": self._places,
            "update": self._update,
            "foreign": self._num_foreign,
            **{_LAST + name: x for name, x in self._first.items()},
        }
        for name, variable in self._variables.items():
            variable.assign(state[name])
        self._holds = True

    def load(
        self, log: EpisodeLog, pause: Callable[[], None] = lambda: None
    ) -> dict[str, int]:
        """Reads the files of finished episodes, but for those that have left.

        Those that environments of this run have played make streams of their
        own. All others, and those for testing, make one stream. See `resume`.
        """
        self._num_foreign = len(log.foreign("train"))
        self._unpack()
        if not log.foreign("test"):
            lengths = [r["length"] for r in log.own("test")]
            self._replays["test"].expect(sum(lengths) + len(lengths))
        foreign = dict.fromkeys(SPLITS, 0)
        for split in SPLITS:
            streams = self._replays[split]
            others = [{"file": name} for name in log.foreign(split)]
            for record in [*others, *log.own(split)]:
                pause()
                number = record.get("environment", LOADED)
                count = record["length"] + 1 if "length" in record else 0
                if count and streams.skip(number, count):
                    continue
                path = self._folders[split] / record["file"]
                episode = self._read(split, path)
                if episode is None:
                    streams.lose(number, count)
                    continue
                streams.add(episode, number)
                if not count:
                    foreign[split] += len(episode["reward"]) - 1
        return foreign

    def resume(self) -> None:
        self._streams.resume()

    def _unpack(self) -> None:
        """Takes from the variables what a checkpoint holds."""
        state = {k: v.numpy() for k, v in self._variables.items()}
        self._update, self._places = int(state["update"]), state["places"]
        self._first = {name: state[_LAST + name] for name in self._first}
        self._release()
        if len(state["streams"]):
            changed = state["foreign"] != self._num_foreign
            self._streams.unpack(state, changed)

    def _release(self) -> None:
        """Gives back the memory of what has been saved."""
        self._holds = False
        for variable in self._variables.values():
            if variable.shape.rank:
                variable.assign(variable[:0])

    def _draw(
        self, step: Step, seed: tuple[int, ...]
    ) -> Mapping[str, np.ndarray]:
        if step.phase != "train":
            return self._replays[step.phase].sample(seed, self._shape[0])[0]
        if step.update == self._update:  # Of a step that was cut off.
            return {**self._streams.at(self._places), **self._first}
        if self._holds:
            self._release()
        batch, places = self._streams.sample(seed, self._shape[0])
        fresh = {name: v.numpy() for name, v in self._latents.items()}
        self._streams.overwrite(self._places, fresh)
        self._update, self._places = step.update, places
        self._first = {name: batch[name] for name in self._first}
        return batch


def _table(kind: StepType) -> tf.Variable:
    """Makes a variable that holds any number of rows."""
    with tf.device("CPU"):
        return tf.Variable(
            np.zeros((0, *kind.shape), kind.dtype),
            shape=[None, *kind.shape],
            trainable=False,
        )
