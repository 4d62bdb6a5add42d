"""Kinds of summaries that `tf.summary` lacks: moving pictures, strips, curves.

All are written by the current writer of TensorFlow, for its current step.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.plugins.image.metadata import create_summary_metadata

from planet_tf2.tools import curves, video

_MAX_COLUMNS = 10


def write_scalars(values: Mapping[str, float]) -> None:
    """Writes numbers by tag."""
    for tag, value in values.items():
        tf.summary.scalar(tag, value)


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


def write_panels(
    tag: str, panels: Mapping[str, curves.Lines], seen: int
) -> None:
    """Writes a picture of curves over time, of which `seen` steps were seen."""
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
