"""What TensorBoard shows of a run: scalars, image strips, animations, plots.

Tags begin with the group: `general` (losses and data), `closedloop` (every step
sees its observation), `openloop` (only the first few do), `simulation`
(collected episodes) and `trainer` (steps and speed). In the closed loop, what
is called `prior` predicts each step before seeing it.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.tools import video
from planet_tf2.tools.palette import Palette
from planet_tf2.training import summary_graph
from planet_tf2.training.prediction_summaries import (
    Predictions,
    PredictionSummaries,
    add_data,
)
from planet_tf2.training.summary_values import SummaryValues


class Summaries:
    """Writes event files, with equal tags for training and testing.

    Files appear with the first thing that is written.

    Args:
      train_dir: folder for the events of training.
      test_dir: folder for the events of testing.
      model: the world model.
      image_bits: bits per colour that the model sees.
      context: steps that open-loop prediction sees, at most; sequences that
        are shorter than twice that are predicted from their first half.
      num_sequences: sequences of a batch to predict; strips show two.
      fps: frames per second of animations that leave none out.
      max_frames: frames of an animated episode, at most.
      check: called before anything is written; raises an exception if that is
        not allowed any more.
      scratch: folder for files that are being written; by default the one that
        they are for.
    """

    def __init__(
        self,
        train_dir: str | os.PathLike[str],
        test_dir: str | os.PathLike[str],
        model: Any,
        image_bits: int = 5,
        context: int = 5,
        num_sequences: int = 4,
        fps: float = 20,
        max_frames: int = 125,
        check: Callable[[], None] = lambda: None,
        scratch: str | os.PathLike[str] | None = None,
    ):
        directories = {"train": train_dir, "test": test_dir}
        self._directories = {
            split: str(path) for split, path in directories.items()
        }
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._context = context
        self._num_sequences = num_sequences
        self._fps = fps
        self._max_frames = max_frames
        self._check = check
        self._scratch = scratch
        self._predict = tf.function(
            lambda batch, seed: summary_graph.compute(
                model, image_bits, context, batch, seed
            ),
            autograph=False,
        )

    def scalars(
        self, split: str, step: int, values: Mapping[str, float]
    ) -> None:
        """Writes scalars.

        Args:
          split: `train` or `test`.
          step: position on the time axis.
          values: by tag, such as `general/image_loss`.
        """
        written = SummaryValues()
        written.scalars(values)
        with self._writer(split).as_default(step):
            written.write(step)

    def predictions(
        self,
        split: str,
        step: int,
        batch: Mapping[str, tf.Tensor],
        seed: tf.Tensor,
        gif_path: str | os.PathLike[str] | None = None,
    ) -> Predictions:
        """Predicts a few sequences, with and without seeing them.

        Args:
          split: `train` or `test`.
          step: position on the time axis.
          batch: as stored: `image` uint8 `[B, T, H, W, 3]`, `action`
            `[B, T, A]`, `reward` `[B, T]` and what else the heads predict.
          seed: int32 `[2]`, determines everything random.
          gif_path: file for the open-loop animation, larger and with labels.
        """
        length = batch["image"].shape[1]
        context = summary_graph.context_length(length, self._context)
        few = {
            key: value[: self._num_sequences] for key, value in batch.items()
        }
        computed = tf.nest.map_structure(
            lambda x: x.numpy(), self._predict(few, seed)
        )
        shown = PredictionSummaries(computed, context, self._fps)
        values = SummaryValues()
        shown.add_to(values)
        add_data(values, batch)
        self._write(split, step, values)
        if gif_path is not None:
            shown.write_gif(gif_path, self._scratch)
        return Predictions(
            {tag: float(x) for tag, x in computed.scalars.items()},
            computed.videos,
            context,
        )

    def episode(
        self,
        split: str,
        step: int,
        group: str,
        images: np.ndarray,
        gif_path: str | os.PathLike[str] | None = None,
        values: Mapping[str, float] | None = None,
        histograms: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Shows a collected episode.

        Args:
          split: `train` or `test`.
          step: position on the time axis.
          group: beginning of the tag, such as `simulation/cheetah_run/main`.
          images: uint8 `[T, H, W, 3]`.
          gif_path: file for the animation, larger.
          values: scalars, such as `return`, to write in the same group.
          histograms: values, such as `reward`, to count in the same group.
        """
        images = video.limit_length(images, self._max_frames)
        palette = Palette(images[::4], (video.UNSEEN,))
        images = palette.index(images)
        written = SummaryValues()
        written.animation(
            f"{group}/episode", images, self._fps, palette, len(images)
        )
        written.strip(f"{group}/strip", [images], palette)
        written.scalars({f"{group}/{k}": v for k, v in (values or {}).items()})
        for name, array in (histograms or {}).items():
            written.histogram(f"{group}/{name}_histogram", array)
        self._write(split, step, written)
        if gif_path is not None:
            large = video.magnify(images, images.shape[1], 192, palette)
            video.write_gif(gif_path, large, self._fps, self._scratch, palette)

    def resume(self, split: str, step: int) -> None:
        """Takes back what was written from a step on, as it comes again.

        TensorBoard and `evaluation.events` leave it out from then on.

        Args:
          split: `train` or `test`.
          step: position on the time axis.
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
        if split not in self._directories:
            raise ValueError(
                f"split is {split!r}, but must be one of"
                f" {', '.join(self._directories)}."
            )
        self._check()
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(
                self._directories[split]
            )
        return self._writers[split]

    def _write(self, split: str, step: int, values: SummaryValues) -> None:
        with self._writer(split).as_default(step):
            values.write(step)
        self._writer(split).flush()
