"""Lays out for the eye what a model predicts of a few sequences."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from PIL import Image

from planet_tf2.tools import curves, video
from planet_tf2.tools.palette import choose_palette, positions
from planet_tf2.training import summary_values as values
from planet_tf2.training.summary_graph import ROWS, Computed

_FPS = 20  # Of animations that leave no frames out.
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
# From the groups of videos to the beginning of their tags.
_PREFIXES = {
    "closedloop": "closedloop/",
    "prior": "closedloop/prior_",
    "openloop": "openloop/",
}


def write_predictions(computed: Computed, context: int) -> None:
    """Writes everything to the current writer of TensorFlow.

    Args:
      computed: as arrays.
      context: time steps that the open loop saw.
    """
    values.write_scalars(computed.scalars)
    for tag, array in computed.histograms.items():
        values.write_histogram(tag, array)
    if computed.videos:
        # All pictures share their colours, which are chosen only once.
        palette = _choose_palette(computed)
        for group in computed.videos:
            _write_videos(computed, group, context, palette)
    for name, (truth, prediction) in computed.trajectories.items():
        panels = _trajectory(name, truth, prediction)
        values.write_panels(f"openloop/{name}_trajectory", panels, context)
    panels = [
        curves.Panel(name, {"openloop": array})
        for name, array in sorted(computed.log_probs.items())
    ]
    if panels:
        values.write_panels("openloop/log_probs", panels, context)


def write_gif(
    path: str | os.PathLike[str],
    computed: Computed,
    context: int,
    scratch: str | os.PathLike[str] | None = None,
) -> None:
    """Writes the open loop as an animation that explains itself.

    Args:
      path: file to write.
      computed: as arrays.
      context: time steps that the open loop saw.
      scratch: folder for the file while it is being written.
    """
    frames = _animate(computed, "openloop", context)
    captions = [
        "sees the truth"
        if time < context
        else f"predicts step {time - context + 1} without seeing"
        for time in range(len(frames))
    ]
    palette = _choose_palette(computed)
    side = computed.videos["openloop"]["truth"].shape[2]
    large = video.magnify(positions(frames, palette), side, 128)
    large = video.add_labels(large, _ANIMATED, captions, palette)
    # Slowly enough to compare the rows.
    video.write_gif(path, large, _FPS / 2, scratch, palette)


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
    computed: Computed, group: str, context: int, palette: Image.Image
) -> None:
    prefix, rows = _PREFIXES[group], computed.videos[group]
    frames = _animate(computed, group, context)
    values.write_animation(
        f"{prefix}animation", frames, _FPS, palette, legend=_LEGEND.format("")
    )
    amount, length = rows["truth"].shape[:2]
    shown = range(min(_SHOWN_IN_STRIPS, amount))
    values.write_strip(
        f"{prefix}strip",
        [rows[name][number] for number in shown for name in ROWS],
        palette,
        context if group == "openloop" else length,
        _LEGEND.format(_CHANGE),
    )


def _animate(computed: Computed, group: str, context: int) -> np.ndarray:
    """Lays the rows of a group out as one video."""
    rows = [computed.videos[group][name] for name in _ANIMATED]
    seen = context if group == "openloop" else rows[0].shape[1]
    return video.side_by_side(*rows, context=seen)


def _trajectory(
    name: str, truth: np.ndarray, prediction: np.ndarray
) -> list[curves.Panel]:
    """Plots a prediction over the truth, `[T, D]`: a panel for each entry."""
    size = truth.shape[1]
    return [
        curves.Panel(
            f"{name} {number}" if size > 1 else name,
            {"truth": truth[:, number], "prediction": prediction[:, number]},
        )
        for number in range(min(size, _MAX_PANELS))
    ]
