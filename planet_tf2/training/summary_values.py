"""Collects what goes to an event file at once: numbers, pictures, curves.

TensorFlow's own functions write a value each and run several operations for it,
which for a hundred values takes longer than to draw all the pictures.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.util import tensor_util

from planet_tf2.tools import curves, video
from planet_tf2.tools.palette import Palette

# Longer animations leave out frames, to keep event files small.
_MAX_FRAMES = 25
_MAX_COLUMNS = 10
_MAX_PANELS = 24
_BUCKETS = 30


class SummaryValues:
    """Values by tag, to be written together for one step."""

    def __init__(self):
        self._summary = summary_pb2.Summary()

    def write(self, step: int) -> None:
        """Writes all values to the current writer of TensorFlow."""
        if self._summary.value:
            tf.summary.experimental.write_raw_pb(
                self._summary.SerializeToString(), step
            )

    def scalars(self, values: Mapping[str, float]) -> None:
        """Adds numbers, as float32."""
        for tag, value in values.items():
            metadata = scalar_metadata.create_summary_metadata(None, None)
            self._add(tag, np.float32(value), metadata)

    def histogram(self, tag: str, values: np.ndarray) -> None:
        """Adds how often values occur, but for those that are not finite."""
        values = np.ravel(values)
        values = values[np.isfinite(values)].astype(np.float64)
        if not len(values):
            return
        counts, edges = np.histogram(values, _BUCKETS)
        buckets = np.stack([edges[:-1], edges[1:], counts], -1)
        metadata = histogram_metadata.create_summary_metadata(None, None)
        self._add(tag, buckets, metadata)

    def animation(
        self,
        tag: str,
        frames: np.ndarray,
        fps: float,
        palette: Palette,
        max_frames: int = _MAX_FRAMES,
        legend: str = "",
    ) -> None:
        """Adds an animation that takes as long, however many frames it has.

        Args:
          tag: where to show it.
          frames: `[T, H, W]` in the palette.
          fps: frames per second if none were left out.
          palette: the colours.
          max_frames: more are left out, evenly.
          legend: what TensorBoard says of it.
        """
        stride = -(-len(frames) // max_frames)
        encoded = video.encode_gif(frames[::stride], fps / stride, palette)
        self._add_image(tag, frames[0], encoded, legend)

    def strip(
        self,
        tag: str,
        videos: Sequence[np.ndarray],
        palette: Palette,
        context: int = 0,
        legend: str = "",
    ) -> None:
        """Adds videos as a picture: time to the right, a row for each.

        Args:
          tag: where to show it.
          videos: `[T, H, W]` in the palette each.
          palette: the colours.
          context: frames `t < context` are marked as seen.
          legend: what TensorBoard says of it.
        """
        stride = max(1, len(videos[0]) // _MAX_COLUMNS)
        strip = video.image_strip(videos, stride, context, palette=palette)
        encoded = video.encode_png(strip, palette=palette)
        self._add_image(tag, strip, encoded, legend)

    def trajectory(
        self, tag: str, truth: np.ndarray, prediction: np.ndarray, seen: int
    ) -> None:
        """Adds plots of a prediction over the truth.

        Args:
          tag: where to show it; the title follows from its last part.
          truth: `[T, D]`, a panel for each of the first of the D entries.
          prediction: `[T, D]`.
          seen: time steps that the model saw.
        """
        title = tag.rpartition("/")[2].removesuffix("_trajectory")
        size = truth.shape[1]
        panels = [
            curves.Panel(
                f"{title} {number}" if size > 1 else title,
                {
                    "truth": truth[:, number],
                    "prediction": prediction[:, number],
                },
            )
            for number in range(min(size, _MAX_PANELS))
        ]
        self.panels(tag, panels, seen)

    def panels(
        self, tag: str, panels: Sequence[curves.Panel], seen: int
    ) -> None:
        """Adds a picture of curves over time."""
        image = curves.draw_panels(panels, seen)
        self._add_image(tag, image, video.encode_png(image))

    def _add_image(
        self, tag: str, image: np.ndarray, encoded: bytes, legend: str = ""
    ) -> None:
        # TensorBoard hands the bytes to the browser as they are, so that a GIF
        # moves; `tf.summary.image` would encode a PNG.
        height, width = image.shape[:2]
        self._add(
            tag,
            np.array([str(width).encode(), str(height).encode(), encoded]),
            image_metadata.create_summary_metadata(None, legend or None),
        )

    def _add(
        self, tag: str, value: np.ndarray, metadata: summary_pb2.SummaryMetadata
    ) -> None:
        self._summary.value.add(
            tag=tag,
            tensor=tensor_util.make_tensor_proto(value),
            metadata=metadata,
        )
