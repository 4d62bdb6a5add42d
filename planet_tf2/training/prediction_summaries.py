"""Lays out for the eye what a model predicts of a few sequences."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from PIL import Image

from planet_tf2.tools import video
from planet_tf2.tools.palette import choose_palette
from planet_tf2.training import summary_values as values
from planet_tf2.training.summary_graph import GROUPS, ROWS, Computed

_FPS = 20  # Of animations that leave no frames out.
_MAX_FRAMES = 25  # Of animations in event files, to keep those small.
_MAX_PANELS = 24
_SHOWN_DATA = 6  # Sequences of the data strip.
_SHOWN_IN_STRIPS = 2
_ANIMATED = ROWS[:3]
_LEGEND = (
    "Rows, for each sequence: truth, prediction, error (grey is none){}. "
    "Lines are green while the model sees the truth, dark while it predicts "
    "without."
)
_CHANGE = ", change of the prediction since the step before (grey is none)"


def write_predictions(
    computed: Computed,
    context: int,
    gif_path: str | os.PathLike[str] | None = None,
    scratch: str | os.PathLike[str] | None = None,
) -> None:
    """Writes everything to the current writer of TensorFlow.

    Args:
      computed: as arrays.
      context: time steps that the open loop saw.
      gif_path: file for the open loop as an animation that explains itself.
      scratch: folder for that file while it is being written.
    """
    values.write_scalars(computed.scalars)
    for tag, array in computed.histograms.items():
        values.write_histogram(tag, array)
    if computed.videos:
        # All pictures share their colours, which are chosen only once.
        palette = _choose_palette(computed)
        for group, rows in computed.videos.items():
            length = rows["truth"].shape[1]
            seen = context if group == "openloop" else length
            _write_videos(GROUPS[group], rows, seen, palette)
        if gif_path is not None:
            rows = computed.videos["openloop"]
            _write_gif(gif_path, rows, context, palette, scratch)
    for name, (truth, prediction) in computed.trajectories.items():
        size = truth.shape[1]
        panels = {
            f"{name} {entry}" if size > 1 else name: {
                "truth": truth[:, entry],
                "prediction": prediction[:, entry],
            }
            for entry in range(min(size, _MAX_PANELS))
        }
        values.write_panels(f"openloop/{name}_trajectory", panels, context)
    panels = {
        name: {"openloop": array}
        for name, array in sorted(computed.log_probs.items())
    }
    if panels:
        values.write_panels("openloop/log_probs", panels, context)


def write_data(batch: Mapping[str, tf.Tensor]) -> None:
    """Writes what there is to learn from to the current writer.

    Args:
      batch: as stored; images are uint8 `[B, T, H, W, 3]`.
    """
    if "image" in batch:
        images = batch["image"][:_SHOWN_DATA].numpy()
        palette = choose_palette(images[:, ::4, ::2, ::2], (video.UNSEEN,))
        values.write_strip("general/data_strip", images, palette)
    for name in ("action", "reward"):
        array = batch[name].numpy()
        values.write_histogram(f"general/data_{name}_histogram", array)


def _choose_palette(computed: Computed) -> Image.Image:
    # A part of the pixels tells which colours there are.
    rows = [
        row[:, :: -(-row.shape[1] // 5), ::2, ::2].reshape(-1, 3)
        for group, named in computed.videos.items()
        for name, row in named.items()
        if name != "truth" or group == "closedloop"  # It is in all of them.
    ]
    exact = (video.SEEN, video.UNSEEN, video.TEXT)
    return choose_palette(np.concatenate(rows), exact)


def _write_videos(
    prefix: str, rows: Mapping[str, np.ndarray], seen: int, palette: Image.Image
) -> None:
    """Writes the rows of a group, `[N, T, H, W, 3]`, moving and still."""
    frames = video.side_by_side(*map(rows.get, _ANIMATED), context=seen)
    chosen = video.limit_length(frames, _MAX_FRAMES)
    # It takes as long, however many frames it has.
    fps = _FPS * len(chosen) / len(frames)
    legend = _LEGEND.format("")
    values.write_animation(f"{prefix}animation", chosen, fps, palette, legend)
    shown = range(min(_SHOWN_IN_STRIPS, len(rows["truth"])))
    strip = [rows[name][number] for number in shown for name in ROWS]
    legend = _LEGEND.format(_CHANGE)
    values.write_strip(f"{prefix}strip", strip, palette, seen, legend)


def _write_gif(
    path: str | os.PathLike[str],
    rows: Mapping[str, np.ndarray],
    context: int,
    palette: Image.Image,
    scratch: str | os.PathLike[str] | None,
) -> None:
    frames = video.side_by_side(*map(rows.get, _ANIMATED), context=context)
    captions = [
        "sees the truth"
        if time < context
        else f"predicts step {time - context + 1} without seeing"
        for time in range(len(frames))
    ]
    large = video.magnify(frames, rows["truth"].shape[2], 128)
    large = video.add_labels(large, _ANIMATED, captions)
    # Slowly enough to compare the rows.
    video.write_gif(path, large, _FPS / 2, scratch, palette)
