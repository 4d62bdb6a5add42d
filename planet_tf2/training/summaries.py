"""What TensorBoard shows of a run: scalars, image strips, animations.

Tags begin with the group: `general` (losses), `closedloop` (every step sees
its observation), `openloop` (only the first few do), `simulation` (collected
episodes) and `trainer` (steps and speed).
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorboard.plugins.image import metadata

from planet_tf2.data.preprocess import postprocess
from planet_tf2.models.unroll import open_loop
from planet_tf2.tools import seeds, video
from planet_tf2.training import losses

Tensors = dict[str, tf.Tensor]

_HORIZONS = (1, 2, 5, 10, 20, 30, 40, 50)
# Longer animations leave out frames, to keep event files small.
_MAX_FRAMES = 25
_ROWS = ("truth", "prediction", "error")
_LEGEND = (
    "Rows, for each sequence: truth, prediction, error (grey is none). "
    "Lines are green while the model sees the truth, dark while it predicts "
    "without."
)


class Predictions(NamedTuple):
    """What a model predicts of a few sequences.

    Attributes:
      scalars: by tag.
      closedloop: video of truth, prediction and error, uint8 `[T, H, W, 3]`.
      openloop: the same, with predictions that see the first few steps only.
    """

    scalars: dict[str, float]
    closedloop: np.ndarray
    openloop: np.ndarray


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
        self._model = model
        self._bits = image_bits
        self._context = context
        self._num_sequences = num_sequences
        self._fps = fps
        self._max_frames = max_frames
        self._check = check
        self._scratch = scratch
        self._predict = tf.function(self._compute, autograph=False)

    def scalars(
        self, split: str, step: int, values: Mapping[str, float]
    ) -> None:
        """Writes scalars.

        Args:
          split: `train` or `test`.
          step: position on the time axis.
          values: by tag, such as `general/image_loss`.
        """
        with self._writer(split).as_default(step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

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
        seen = context_length(length, self._context)
        few = {
            key: value[: self._num_sequences] for key, value in batch.items()
        }
        scalars, rows = self._predict(few, seed)
        scalars = {tag: float(value) for tag, value in scalars.items()}
        self.scalars(split, step, scalars)
        frames = {}
        with self._writer(split).as_default(step):
            for group, context in (("closedloop", length), ("openloop", seen)):
                videos = [rows[group][name].numpy() for name in _ROWS]
                frames[group] = video.side_by_side(*videos, context=context)
                _write_gif(f"{group}/animation", frames[group], self._fps)
                _write_strip(f"{group}/strip", videos, context)
        if gif_path is not None:
            large = _annotate(frames["openloop"], seen, batch["image"].shape[2])
            # Slowly enough to compare the rows.
            video.write_gif(gif_path, large, self._fps / 2, self._scratch)
        self._writer(split).flush()
        return Predictions(scalars, **frames)

    def episode(
        self,
        split: str,
        step: int,
        group: str,
        images: np.ndarray,
        gif_path: str | os.PathLike[str] | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        """Shows a collected episode.

        Args:
          split: `train` or `test`.
          step: position on the time axis.
          group: beginning of the tag, such as `simulation/cheetah_run/main`.
          images: uint8 `[T, H, W, 3]`.
          gif_path: file for the animation, larger.
          values: scalars, such as `return`, to write in the same group.
        """
        images = video.limit_length(images, self._max_frames)
        with self._writer(split).as_default(step):
            _write_gif(f"{group}/episode", images, self._fps, len(images))
        if gif_path is not None:
            large = video.magnify(images, images.shape[1], 192)
            video.write_gif(gif_path, large, self._fps, self._scratch)
        values = {f"{group}/{k}": v for k, v in (values or {}).items()}
        self.scalars(split, step, values)
        self._writer(split).flush()

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

    def _compute(
        self, batch: Tensors, seed: tf.Tensor
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """Returns scalars by tag, and videos by group and kind."""
        model, cell = self._model, self._model.cell
        image_seed, latent_seed, noise_seed = seeds.split(seed, 3)
        batch_size, length = batch["image"].shape[:2]
        context = context_length(length, self._context)
        batch = model.prepare(batch, image_seed)
        prior, posterior = model.infer(batch, latent_seed)
        noise = tf.random.stateless_normal(
            [length, 2, batch_size, cell.latent_size], noise_seed
        )
        embedded = model.encoder(batch["image"][:, :context])
        predicted = open_loop(cell, embedded, batch["action"], context, noise)
        scalars = _state_scalars(cell, prior, posterior, predicted, context)
        rows = {}
        for group, states, start in (
            ("closedloop", posterior, 0),
            ("openloop", predicted, context),
        ):
            features = cell.features_from_state(states)
            dists = {name: head(features) for name, head in model.heads.items()}
            scalars |= _head_scalars(group, dists, batch, start)
            rows[group] = _rows(batch["image"], dists["image"], self._bits)
            if group == "openloop":
                scalars |= _horizon_scalars(
                    dists["image"], batch["image"], context
                )
        if context == length:  # A single step: nothing was predicted.
            scalars = {
                tag: value
                for tag, value in scalars.items()
                if not tag.startswith("openloop/")
            }
        return scalars, rows


def context_length(length: int, context: int) -> int:
    """Steps to see of a sequence: so many, but half of it at most."""
    return max(1, min(context, length // 2))


def _state_scalars(
    cell: Any,
    prior: Tensors,
    posterior: Tensors,
    predicted: Tensors,
    start: int,
) -> Tensors:
    """How sure the model is, and how far what it sees moves it, in nats."""
    late = {name: value[:, start:] for name, value in predicted.items()}
    seen = {name: value[:, start:] for name, value in posterior.items()}
    kl = cell.divergence_from_states
    result = {
        "closedloop/divergence": kl(posterior, prior),
        "openloop/divergence": kl(seen, late),
    }
    for tag, state in (
        ("closedloop/prior", prior),
        ("closedloop/posterior", posterior),
        ("openloop/prior", late),
    ):
        result[f"{tag}_entropy"] = cell.dist_from_state(state).entropy()
        result[f"{tag}_stddev"] = state["stddev"]
    return {tag: tf.reduce_mean(value) for tag, value in result.items()}


def _head_scalars(
    group: str, dists: Mapping[str, Any], batch: Tensors, start: int
) -> Tensors:
    """How well the heads predict the time steps from `start` on."""
    result = {}
    for name, dist in dists.items():
        error = tf.abs(dist.mean() - batch[name])[:, start:]
        if losses.has_density(dist):
            log_prob = dist.log_prob(batch[name])[:, start:]
            result[f"{group}/{name}_log_prob"] = tf.reduce_mean(log_prob)
        result[f"{group}/{name}_abs_error"] = tf.reduce_mean(error)
    return result


def _horizon_scalars(dist: Any, image: tf.Tensor, context: int) -> Tensors:
    """Half the squared error, summed over an image, so many steps ahead.

    It is the image loss without its constant.
    """
    error = tf.square(dist.mean() - image)[:, context:]
    error = tf.reduce_sum(error, [2, 3, 4]) / 2
    error = tf.reduce_mean(error, 0)
    return {
        f"openloop/image_error_ahead_{ahead:02}": error[ahead - 1]
        for ahead in _HORIZONS
        if ahead <= error.shape[0]
    }


def _rows(image: tf.Tensor, dist: Any, bits: int) -> Tensors:
    """Returns truth, prediction and error as videos, uint8."""
    # The truth without the noise: each level at its centre, where a perfect
    # prediction would be.
    truth = postprocess(image, bits) + 0.5 / 2**bits
    prediction = tf.cast(dist.mean(), tf.float32) + 0.5
    error = (tf.clip_by_value(prediction, 0, 1) - truth + 1) / 2
    videos = (truth, prediction, error)
    return {
        name: tf.image.convert_image_dtype(value, tf.uint8, saturate=True)
        for name, value in zip(_ROWS, videos, strict=True)
    }


def _annotate(frames: np.ndarray, context: int, side: int) -> np.ndarray:
    """Makes an animation of images of some side explain itself."""
    captions = [
        "sees the truth"
        if time < context
        else f"predicts step {time - context + 1} without seeing"
        for time in range(len(frames))
    ]
    return video.add_labels(video.magnify(frames, side, 128), _ROWS, captions)


def _write_gif(
    tag: str, frames: np.ndarray, fps: float, max_frames: int = _MAX_FRAMES
) -> None:
    """Writes an animation that takes as long, however many frames it has."""
    stride = -(-len(frames) // max_frames)
    encoded = video.encode_gif(frames[::stride], fps / stride)
    _write_image(tag, frames[0], encoded)


def _write_strip(tag: str, videos: list[np.ndarray], context: int) -> None:
    """Writes two of `[N, T, H, W, 3]` videos, with three rows for each."""
    length = videos[0].shape[1]
    rows = np.stack([kind[:2] for kind in videos], 1)
    rows = rows.reshape(-1, *rows.shape[2:])
    strip = video.image_strip(rows, max(1, length // 10), context)
    _write_image(tag, strip, video.encode_png(strip, reduce_colors=True))


def _write_image(tag: str, image: np.ndarray, encoded: bytes) -> None:
    """Writes an encoded image, moving or not, to the current writer."""
    # TensorBoard hands the bytes to the browser as they are, so that a GIF
    # moves; `tf.summary.image` would encode a PNG.
    height, width = image.shape[:2]
    legend = "" if tag.startswith("simulation") else _LEGEND
    tf.summary.write(
        tag,
        tf.constant([str(width).encode(), str(height).encode(), encoded]),
        metadata=metadata.create_summary_metadata(None, legend),
    )
