"""Lays out for the eye what there is to learn from, and what a model predicts.

All is written by the current writer of TensorFlow, for its current step. What
was written is returned, but for histograms.
"""

import itertools
import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.plugins.image.metadata import create_summary_metadata

from planet_tf2.tools import video
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
_PANEL_WIDTH, _PANEL_HEIGHT = 4.8, 0.7  # In inches of 100 pixels.
_HEADER, _FOOTER = 0.3, 0.3
# Told apart by people with any colour vision (Okabe and Ito, 2008).
_COLORS = ("#282830", "#D55E00", "#0072B2", "#009E73")
_SEEN = "#D6F0DC"

# Values `[T]` by what they are, all of one length.
Lines = Mapping[str, np.ndarray]
# What was written by tag: numbers, and pictures as PNG or GIF.
Written = dict[str, float | bytes]


def write_predictions(
    computed: Computed,
    context: int,
    gif_path: str | os.PathLike[str] | None = None,
    scratch: str | os.PathLike[str] | None = None,
) -> Written:
    """Writes everything that was predicted.

    Args:
      computed: as arrays.
      context: time steps that the open loop saw.
      gif_path: file for the open loop as an animation that explains itself.
      scratch: folder for that file while it is being written.
    """
    written: Written = {}
    for tag, value in computed.scalars.items():
        tf.summary.scalar(tag, value)
        written[tag] = float(value)
    for tag, array in computed.histograms.items():
        write_histogram(tag, array)
    if computed.videos:
        # All pictures share their colours, which are chosen only once.
        palette = _choose_palette(computed.videos)
        for prefix, rows in computed.videos.items():
            length = rows["truth"].shape[1]
            seen = context if prefix == OPEN_LOOP else length
            written |= _write_videos(prefix, rows, seen, palette)
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
        tag = f"openloop/{name}_trajectory"
        written |= _write_panels(tag, panels, context)
    panels = {
        name: {"openloop": array}
        for name, array in sorted(computed.log_probs.items())
    }
    return written | _write_panels("openloop/log_probs", panels, context)


def write_data(batch: Mapping[str, tf.Tensor]) -> Written:
    """Writes what there is to learn from.

    Args:
      batch: as stored; images are uint8 `[B, T, H, W, 3]`.
    """
    written: Written = {}
    if "image" in batch:
        images = batch["image"][:_SHOWN_DATA].numpy()
        palette = video.choose_palette(
            images[:, ::4, ::2, ::2], (video.UNSEEN,)
        )
        written = write_strip("general/data_strip", images, palette)
    for name in ("action", "reward"):
        array = batch[name].numpy()
        write_histogram(f"general/data_{name}_histogram", array)
    return written


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
) -> Written:
    """Writes a video, uint8 `[T, H, W, 3]`, that TensorBoard plays."""
    encoded = video.encode_gif(frames, fps, palette)
    return _write_image(tag, frames[0], encoded, legend)


def write_strip(
    tag: str,
    videos: Sequence[np.ndarray],
    palette: Image.Image,
    context: int = 0,
    legend: str = "",
) -> Written:
    """Writes videos, uint8 `[T, H, W, 3]` each, as a picture with a row each.

    Time goes to the right; frames `t < context` are marked as seen.
    """
    stride = max(1, len(videos[0]) // _MAX_COLUMNS)
    strip = video.image_strip(videos, stride, context)
    encoded = video.encode_png(strip, palette)
    return _write_image(tag, strip, encoded, legend)


@matplotlib.rc_context({"text.parse_math": False})  # `$` is part of a name.
def draw_panels(panels: Mapping[str, Lines], seen: int = 0) -> np.ndarray:
    """Draws panels of a few lines over time, below each other.

    Each has a scale of its own, from its smallest to its largest value. What is
    not finite leaves a gap. The same names have the same colours in all panels.

    Args:
      panels: lines by title; at least one.
      seen: this many time steps from the left are on a green ground.

    Returns:
      Image, uint8 `[H, W, 3]`.
    """
    height = len(panels) * _PANEL_HEIGHT + _HEADER + _FOOTER
    figure = Figure((_PANEL_WIDTH, height), dpi=100)
    canvas = FigureCanvasAgg(figure)
    # In one plot, since Matplotlib takes long to make one.
    inside = (0.12, _FOOTER / height, 0.86, 1 - (_HEADER + _FOOTER) / height)
    ax = figure.add_axes(inside, ylim=(-len(panels), 0))
    if seen:
        ax.axvspan(0, seen - 0.5, color=_SEEN)
    names = dict.fromkeys(itertools.chain(*panels.values()))
    colors = dict(zip(names, itertools.cycle(_COLORS), strict=False))
    ticks = {}
    for row, (title, lines) in enumerate(panels.items(), 1):
        ax.axhline(-row, color="silver", linewidth=0.5)
        ax.text(0, 0.8 - row, title, fontsize=7)
        shown = {k: np.ma.masked_invalid(line) for k, line in lines.items()}
        found = np.ma.concatenate([*shown.values()]).compressed()
        if not found.size:
            continue
        low, high = found.min(), found.max()
        ticks |= {0.1 - row: f"{low:.5g}", 0.7 - row: f"{high:.5g}"}
        for name, line in shown.items():
            place = 0.1 + 0.6 * (line - low) / ((high - low) or 1) - row
            ax.plot(place, color=colors[name], marker=".", markersize=4)
    ax.set_yticks([*ticks], [*ticks.values()])
    ax.tick_params(labelsize=6)
    handles = [
        ax.plot([], color=color, label=name)[0]
        for name, color in colors.items()
    ]
    figure.legend(handles=handles, loc="upper left", ncols=4, fontsize=7)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _write_panels(tag: str, panels: Mapping[str, Lines], seen: int) -> Written:
    image = draw_panels(panels, seen)
    return _write_image(tag, image, video.encode_png(image))


def _write_image(
    tag: str, image: np.ndarray, encoded: bytes, legend: str = ""
) -> Written:
    # TensorBoard hands the bytes to the browser as they are, so that a GIF
    # moves; `tf.summary.image` would encode a PNG.
    height, width = (str(side).encode() for side in image.shape[:2])
    tf.summary.write(
        tag,
        tf.constant([width, height, encoded]),
        metadata=create_summary_metadata(None, legend or None),
    )
    return {tag: encoded}


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
) -> Written:
    """Writes the rows of a group, `[N, T, H, W, 3]`, moving and still."""
    frames = video.side_by_side(*map(rows.get, _ANIMATED), context=seen)
    chosen = video.limit_length(frames, _MAX_FRAMES)
    # It takes as long, however many frames it has.
    fps = FPS * len(chosen) / len(frames)
    tag = f"{prefix}animation"
    written = write_animation(tag, chosen, fps, palette, _LEGEND)
    shown = range(min(_SHOWN_IN_STRIPS, len(rows["truth"])))
    strip = [rows[name][number] for number in shown for name in ROWS]
    tag = f"{prefix}strip"
    return written | write_strip(tag, strip, palette, seen, _LEGEND)


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
