"""Lays out for the eye what there is to learn from, and what a model predicts.

All is written by the current writer of TensorFlow, for its current step.
"""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.plugins.image.metadata import create_summary_metadata

from planet_tf2.tools import curves, video
from planet_tf2.training.summary_graph import (
    CLOSED_LOOP,
    OPEN_LOOP,
    ROWS,
    Computed,
)

FPS = 20  # Of animations that leave no frames out.
_MAX_FRAMES = 25  # Of animations in event files, to keep those small.
_MAX_PANELS = 24
_MAX_COLUMNS = 10
_SHOWN_DATA = 6  # Sequences of the data strip.
_SHOWN_IN_STRIPS = 2
_ANIMATED = ROWS[:3]
_LEGEND = (
    "Rows, for each sequence: truth, prediction, error and, in strips, change "
    "of the prediction since the step before; grey is none. Lines are green "
    "while the model sees the truth, dark while it predicts without."
)


def write_predictions(
    computed: Computed,
    context: int,
    gif_path: str | os.PathLike[str] | None = None,
    scratch: str | os.PathLike[str] | None = None,
) -> None:
    """Writes everything that was predicted.

    Args:
      computed: as arrays.
      context: time steps that the open loop saw.
      gif_path: file for the open loop as an animation that explains itself.
      scratch: folder for that file while it is being written.
    """
    for tag, value in computed.scalars.items():
        tf.summary.scalar(tag, value)
    for tag, array in computed.histograms.items():
        write_histogram(tag, array)
    if computed.videos:
        # All pictures share their colours, which are chosen only once.
        palette = _choose_palette(computed.videos)
        for prefix, rows in computed.videos.items():
            length = rows["truth"].shape[1]
            seen = context if prefix == OPEN_LOOP else length
            _write_videos(prefix, rows, seen, palette)
        if gif_path is not None:
            frames = _explain(computed.videos[OPEN_LOOP], context)
            # Slowly enough to compare the rows.
            video.write_gif(gif_path, frames, FPS / 2, scratch, palette)
    for name, (truth, prediction) in computed.trajectories.items():
        size = truth.shape[1]
        panels = {
            f"{name} {entry}" if size > 1 else name: {
                "truth": truth[:, entry],
                "prediction": prediction[:, entry],
            }
            for entry in range(min(size, _MAX_PANELS))
        }
        _write_panels(f"openloop/{name}_trajectory", panels, context)
    panels = {
        name: {"openloop": array}
        for name, array in sorted(computed.log_probs.items())
    }
    _write_panels("openloop/log_probs", panels, context)


def write_data(batch: Mapping[str, tf.Tensor]) -> None:
    """Writes what there is to learn from.

    Args:
      batch: as stored; images are uint8 `[B, T, H, W, 3]`.
    """
    if "image" in batch:
        images = batch["image"][:_SHOWN_DATA].numpy()
        palette = video.choose_palette(
            images[:, ::4, ::2, ::2], (video.UNSEEN,)
        )
        write_strip("general/data_strip", images, palette)
    for name in ("action", "reward"):
        array = batch[name].numpy()
        write_histogram(f"general/data_{name}_histogram", array)


def write_histogram(tag: str, values: np.ndarray) -> None:
    """Writes how often values occur, but for those that are not finite."""
    values = values[np.isfinite(values)]
    if len(values):
        tf.summary.histogram(tag, values)


def write_animation(
    tag: str,
    frames: np.ndarray,
    fps: float,
    palette: Image.Image,
    legend: str = "",
) -> None:
    """Writes a video, uint8 `[T, H, W, 3]`, that TensorBoard plays."""
    encoded = video.encode_gif(frames, fps, palette)
    _write_image(tag, frames[0], encoded, legend)


def write_strip(
    tag: str,
    videos: Sequence[np.ndarray],
    palette: Image.Image,
    context: int = 0,
    legend: str = "",
) -> None:
    """Writes videos, uint8 `[T, H, W, 3]` each, as a picture with a row each.

    Time goes to the right; frames `t < context` are marked as seen.
    """
    stride = max(1, len(videos[0]) // _MAX_COLUMNS)
    strip = video.image_strip(videos, stride, context)
    _write_image(tag, strip, video.encode_png(strip, palette), legend)


def _write_panels(
    tag: str, panels: Mapping[str, curves.Lines], seen: int
) -> None:
    image = curves.draw_panels(panels, seen)
    _write_image(tag, image, video.encode_png(image))


def _write_image(
    tag: str, image: np.ndarray, encoded: bytes, legend: str = ""
) -> None:
    # TensorBoard hands the bytes to the browser as they are, so that a GIF
    # moves; `tf.summary.image` would encode a PNG.
    height, width = (str(side).encode() for side in image.shape[:2])
    tf.summary.write(
        tag,
        tf.constant([width, height, encoded]),
        metadata=create_summary_metadata(None, legend or None),
    )


def _choose_palette(
    videos: Mapping[str, Mapping[str, np.ndarray]],
) -> Image.Image:
    # A part of the pixels tells which colours there are.
    rows = [
        row[:, :: -(-row.shape[1] // 5), ::2, ::2].reshape(-1, 3)
        for prefix, named in videos.items()
        for name, row in named.items()
        if name != "truth" or prefix == CLOSED_LOOP  # It is in all of them.
    ]
    exact = (video.SEEN, video.UNSEEN, video.TEXT)
    return video.choose_palette(np.concatenate(rows), exact)


def _write_videos(
    prefix: str, rows: Mapping[str, np.ndarray], seen: int, palette: Image.Image
) -> None:
    """Writes the rows of a group, `[N, T, H, W, 3]`, moving and still."""
    frames = video.side_by_side(*map(rows.get, _ANIMATED), context=seen)
    chosen = video.limit_length(frames, _MAX_FRAMES)
    # It takes as long, however many frames it has.
    fps = FPS * len(chosen) / len(frames)
    write_animation(f"{prefix}animation", chosen, fps, palette, _LEGEND)
    shown = range(min(_SHOWN_IN_STRIPS, len(rows["truth"])))
    strip = [rows[name][number] for number in shown for name in ROWS]
    write_strip(f"{prefix}strip", strip, palette, seen, _LEGEND)


def _explain(rows: Mapping[str, np.ndarray], context: int) -> np.ndarray:
    """Lays out an open loop, large and with words, `[T, H, W, 3]`."""
    frames = video.side_by_side(*map(rows.get, _ANIMATED), context=context)
    captions = [
        "sees the truth"
        if time < context
        else f"predicts step {time - context + 1} without seeing"
        for time in range(len(frames))
    ]
    large = video.magnify(frames, rows["truth"].shape[2], 128)
    return video.add_labels(large, _ANIMATED, captions)
