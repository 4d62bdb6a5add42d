"""What TensorBoard shows of a run: scalars, image strips, animations, plots.

Tags begin with the group: `general` (losses and data), `closedloop` (every step
sees its observation), `openloop` (only the first few do), `simulation`
(collected episodes) and `trainer` (steps and speed). In the closed loop, what
is called `prior` predicts each step before seeing it.
"""

import functools
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools import video
from planet_tf2.tools.odd_paths import plain_path
from planet_tf2.tools.signals import Guard
from planet_tf2.training import summary_graph
from planet_tf2.training import summary_pictures as pictures
from planet_tf2.training.tracking import Trackers

# Steps that open-loop prediction sees; of short sequences half.
_CONTEXT = 5
_NUM_SEQUENCES = 4  # Sequences of a batch to predict; strips show two.
_MAX_FRAMES = 125  # Of an animated episode.


class Summaries:
    """Writes event files, with equal tags for training and testing.

    Files appear with the first thing that is written. In all methods, `split`
    is `train` or `test`, and `step` the position on the time axis.

    Args:
      folder: the run's folder.
      agent: what is trained.
      guard: asked before anything is written.

    Attributes:
      trackers: where scalars and pictures go besides, if anywhere.
    """

    trackers: Trackers | None = None

    def __init__(self, folder: RunFolder, agent: Agent, guard: Guard = Guard()):
        self._folder = folder
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._agent = agent
        self._guard = guard
        self._predict = tf.function(
            functools.partial(summary_graph.compute, agent), autograph=False
        )

    def scalars(
        self, split: str, step: int, scalars: Mapping[str, float]
    ) -> None:
        """Writes scalars by tag, such as `general/image_loss`."""
        with self._writer(split).as_default(step):
            for tag, value in scalars.items():
                # TensorFlow keeps a tensor for every float that it has seen.
                tf.summary.scalar(tag, np.array(value, np.float32))
        if self.trackers:
            floats = {tag: float(value) for tag, value in scalars.items()}
            self.trackers.show(split, step, floats)

    def predictions(
        self,
        split: str,
        step: int,
        batch: Mapping[str, tf.Tensor],
        seed: tf.Tensor,
    ) -> summary_graph.Computed | None:
        """Predicts a few sequences, with and without seeing them.

        The open loop of test sequences is left in `prediction.gif` too, larger
        and with labels, if images are predicted.

        Args:
          split, step: see above.
          batch: as stored: `action` `[B, T, A]`, `reward` `[B, T]`, what the
            agent sees, such as `image` uint8 `[B, T, H, W, 3]`, and what else
            the heads predict.
          seed: int32 `[2]`, determines everything random.

        Returns:
          What was predicted, as arrays; None by agents without a model.
        """
        context = max(1, min(_CONTEXT, batch["action"].shape[1] // 2))
        few = {key: value[:_NUM_SEQUENCES] for key, value in batch.items()}
        computed, written = None, {}
        with self._writer(split).as_default(step) as writer:
            if self._agent.has_model:
                computed = tf.nest.map_structure(
                    lambda x: x.numpy(), self._predict(context, few, seed)
                )
                gif = self._folder.prediction_gif if split == "test" else None
                written = pictures.write_predictions(
                    computed, context, gif, self._folder.scratch
                )
            written |= pictures.write_data(batch)
            writer.flush()
        if self.trackers:
            self.trackers.show(split, step, written)
        return computed

    def episode(
        self,
        split: str,
        step: int,
        group: str,
        images: np.ndarray | None,
        histograms: Mapping[str, np.ndarray],
    ) -> None:
        """Shows a collected episode, in `episode.gif` too.

        Args:
          split, step: see above.
          group: beginning of the tag, such as `simulation/cheetah_run/main`.
          images: uint8 `[T, H, W, 3]`, if it has some.
          histograms: values, such as `reward`, to count in the same group.
        """
        written: pictures.Written = {}
        with self._writer(split).as_default(step) as writer:
            for name, array in histograms.items():
                pictures.write_histogram(f"{group}/{name}_histogram", array)
            if images is not None:
                images = video.limit_length(images, _MAX_FRAMES)
                palette = video.choose_palette(images[::4], (video.UNSEEN,))
                written |= pictures.write_animation(
                    f"{group}/episode", images, pictures.FPS, palette
                )
                written |= pictures.write_strip(
                    f"{group}/strip", [images], palette
                )
                large = video.magnify(images, images.shape[1], 192)
                path, scratch = self._folder.episode_gif, self._folder.scratch
                video.write_gif(path, large, pictures.FPS, scratch, palette)
            writer.flush()
        if self.trackers:
            self.trackers.show(split, step, written)

    def resume(self, split: str, step: int) -> None:
        """Takes back what was written from a step on, as it comes again.

        TensorBoard and `evaluation.events` leave it out from then on.
        """
        event = tf.compat.v1.Event(
            wall_time=time.time(),
            step=step,
            session_log=tf.compat.v1.SessionLog(
                status=tf.compat.v1.SessionLog.START
            ),
        )
        writer = self._writer(split)
        # TensorBoard takes the first one of all for the beginning of the run.
        for _ in range(2):
            # There is no other way to write an event that is no summary.
            tf.raw_ops.ImportEvent(
                writer=writer._resource, event=event.SerializeToString()
            )
        writer.flush()

    def flush(self) -> None:
        """Writes to disk what waits in memory."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Ends the files. Writing something later starts new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _writer(self, split: str) -> tf.summary.SummaryWriter:
        self._guard.check()
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(
                plain_path(self._folder.path / split)
            )
        return self._writers[split]
