"""What TensorBoard shows of a run: scalars, image strips, animations, plots.

Tags begin with the group: `general` (losses and data), `closedloop` (every step
sees its observation), `openloop` (only the first few do), `simulation`
(collected episodes) and `trainer` (steps and speed). In the closed loop, what
is called `prior` predicts each step before seeing it.
"""

import functools
import os
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Agent
from planet_tf2.tools import video
from planet_tf2.tools.guard import Guard
from planet_tf2.tools.palette import choose_palette
from planet_tf2.training import prediction_summaries, summary_graph
from planet_tf2.training import summary_values as values

# Steps that open-loop prediction sees; of short sequences half.
_CONTEXT = 5
_NUM_SEQUENCES = 4  # Sequences of a batch to predict; strips show two.
_MAX_FRAMES = 125  # Of an animated episode.
_FPS = 20


class Summaries:
    """Writes event files, with equal tags for training and testing.

    Files appear with the first thing that is written. In all methods, `split`
    is `train` or `test`, and `step` the position on the time axis.

    Args:
      train_dir: folder for the events of training.
      test_dir: folder for the events of testing.
      agent: what is trained.
      guard: asked before anything is written.
      scratch: folder for files that are being written; by default the one that
        they are for.
    """

    def __init__(
        self,
        train_dir: str | os.PathLike[str],
        test_dir: str | os.PathLike[str],
        agent: Agent,
        guard: Guard = Guard(),
        scratch: str | os.PathLike[str] | None = None,
    ):
        self._directories = {"train": str(train_dir), "test": str(test_dir)}
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._agent = agent
        self._guard = guard
        self._scratch = scratch
        self._predict = tf.function(
            functools.partial(summary_graph.compute, agent), autograph=False
        )

    def scalars(
        self, split: str, step: int, scalars: Mapping[str, float]
    ) -> None:
        """Writes scalars by tag, such as `general/image_loss`."""
        with self._writer(split).as_default(step):
            values.write_scalars(scalars)

    def predictions(
        self,
        split: str,
        step: int,
        batch: Mapping[str, tf.Tensor],
        seed: tf.Tensor,
        gif_path: str | os.PathLike[str] | None = None,
    ) -> summary_graph.Computed:
        """Predicts a few sequences, with and without seeing them.

        Args:
          split, step: see above.
          batch: as stored: `action` `[B, T, A]`, `reward` `[B, T]`, what the
            agent sees, such as `image` uint8 `[B, T, H, W, 3]`, and what else
            the heads predict.
          seed: int32 `[2]`, determines everything random.
          gif_path: file for the open-loop animation, larger and with labels;
            it is left alone where no images are predicted.

        Returns:
          What was predicted, as arrays; nothing by agents without a model.
        """
        context = max(1, min(_CONTEXT, batch["action"].shape[1] // 2))
        few = {key: value[:_NUM_SEQUENCES] for key, value in batch.items()}
        computed = summary_graph.NOTHING
        if self._agent.has_model:
            computed = tf.nest.map_structure(
                lambda x: x.numpy(), self._predict(context, few, seed)
            )
        with self._writer(split).as_default(step) as writer:
            prediction_summaries.write_predictions(
                computed, context, gif_path, self._scratch
            )
            prediction_summaries.write_data(batch)
            writer.flush()
        return computed

    def episode(
        self,
        split: str,
        step: int,
        group: str,
        images: np.ndarray | None,
        gif_path: str | os.PathLike[str] | None = None,
        histograms: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Shows a collected episode.

        Args:
          split, step: see above.
          group: beginning of the tag, such as `simulation/cheetah_run/main`.
          images: uint8 `[T, H, W, 3]`, if it has some.
          gif_path: file for the animation, larger.
          histograms: values, such as `reward`, to count in the same group.
        """
        with self._writer(split).as_default(step) as writer:
            for name, array in (histograms or {}).items():
                values.write_histogram(f"{group}/{name}_histogram", array)
            if images is not None:
                images = video.limit_length(images, _MAX_FRAMES)
                palette = choose_palette(images[::4], (video.UNSEEN,))
                values.write_animation(
                    f"{group}/episode", images, _FPS, palette
                )
                values.write_strip(f"{group}/strip", [images], palette)
            writer.flush()
        if gif_path is not None and images is not None:
            large = video.magnify(images, images.shape[1], 192)
            video.write_gif(gif_path, large, _FPS, self._scratch, palette)

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
                self._directories[split]
            )
        return self._writers[split]
