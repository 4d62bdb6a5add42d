"""Lays out for the eye what a model predicts of a few sequences."""

import dataclasses
import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from planet_tf2.tools import curves, video
from planet_tf2.tools.palette import Palette
from planet_tf2.training.summary_graph import ROWS, Computed
from planet_tf2.training.summary_values import SummaryValues

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
_EXACT = (video.SEEN, video.UNSEEN, video.TEXT)

Videos = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model predicts of a few sequences.

    Attributes:
      scalars: by tag.
      videos: uint8 `[N, T, H, W, 3]`, by group (`closedloop`, `prior`,
        `openloop`) and row, see `summary_graph.ROWS`.
      context: time steps that the open loop saw.
    """

    scalars: dict[str, float]
    videos: Videos
    context: int

    @property
    def closedloop(self) -> np.ndarray:
        """Video of truth, prediction and error, uint8 `[T, H, W, 3]`."""
        return _animate(self.videos, "closedloop", self.context)

    @property
    def prior(self) -> np.ndarray:
        """The same of predictions that see all steps before each one."""
        return _animate(self.videos, "prior", self.context)

    @property
    def openloop(self) -> np.ndarray:
        """The same of predictions that see the first few steps only."""
        return _animate(self.videos, "openloop", self.context)


class PredictionSummaries:
    """Pictures, curves and numbers of what was computed.

    Args:
      computed: as arrays.
      context: time steps that the open loop saw.
      fps: frames per second of animations that leave none out.
    """

    def __init__(self, computed: Computed, context: int, fps: float):
        self._computed = computed
        self._context = context
        self._fps = fps
        # All pictures share their colours, which are looked up only once.
        self._palette = _choose_palette(computed.videos)
        self._videos = {
            group: {
                name: self._palette.index(row) for name, row in rows.items()
            }
            for group, rows in computed.videos.items()
        }

    def add_to(self, values: SummaryValues) -> None:
        """Adds everything to what is to be written."""
        computed = self._computed
        values.scalars(computed.scalars)
        for tag, array in computed.histograms.items():
            values.histogram(tag, array)
        for group in self._videos:
            self._add_videos(values, group)
        for name, (truth, prediction) in computed.trajectories.items():
            values.trajectory(
                f"openloop/{name}_trajectory", truth, prediction, self._context
            )
        panels = [
            curves.Panel(name, {"openloop": array})
            for name, array in sorted(computed.log_probs.items())
        ]
        values.panels("openloop/log_probs", panels, self._context)

    def write_gif(
        self,
        path: str | os.PathLike[str],
        scratch: str | os.PathLike[str] | None = None,
    ) -> None:
        """Writes the open loop as an animation that explains itself.

        Args:
          path: file to write.
          scratch: folder for the file while it is being written.
        """
        frames = _animate(
            self._videos, "openloop", self._context, self._palette
        )
        captions = [
            "sees the truth"
            if time < self._context
            else f"predicts step {time - self._context + 1} without seeing"
            for time in range(len(frames))
        ]
        side = self._videos["openloop"]["truth"].shape[2]
        large = video.magnify(frames, side, 128, self._palette)
        large = video.add_labels(large, _ANIMATED, captions, self._palette)
        # Slowly enough to compare the rows.
        video.write_gif(path, large, self._fps / 2, scratch, self._palette)

    def _add_videos(self, values: SummaryValues, group: str) -> None:
        prefix, rows = _PREFIXES[group], self._videos[group]
        values.animation(
            f"{prefix}animation",
            _animate(self._videos, group, self._context, self._palette),
            self._fps,
            self._palette,
            legend=_LEGEND.format(""),
        )
        shown = range(min(_SHOWN_IN_STRIPS, len(rows["truth"])))
        values.strip(
            f"{prefix}strip",
            [rows[name][number] for number in shown for name in ROWS],
            self._palette,
            _seen(rows, group, self._context),
            _LEGEND.format(_CHANGE),
        )


def add_data(values: SummaryValues, batch: Mapping[str, tf.Tensor]) -> None:
    """Adds what there is to learn from.

    Args:
      values: what is to be written.
      batch: as stored; `image` uint8 `[B, T, H, W, 3]`.
    """
    images = batch["image"][:_SHOWN_DATA].numpy()
    palette = Palette(images[:, ::4, ::2, ::2], (video.UNSEEN,))
    values.strip("general/data_strip", palette.index(images), palette)
    for name in ("action", "reward"):
        values.histogram(f"general/data_{name}_histogram", batch[name].numpy())


def _choose_palette(videos: Videos) -> Palette:
    # A part of the pixels tells which colours there are.
    rows = [
        row[:, :: -(-row.shape[1] // 5), ::2, ::2].reshape(-1, 3)
        for group, named in videos.items()
        for name, row in named.items()
        if name != "truth" or group == "closedloop"  # It is in all of them.
    ]
    return Palette(np.concatenate(rows), _EXACT)


def _animate(
    videos: Videos, group: str, context: int, palette: Palette | None = None
) -> np.ndarray:
    """Lays the rows of a group out as one video."""
    rows = videos[group]
    return video.side_by_side(
        *(rows[name] for name in _ANIMATED),
        context=_seen(rows, group, context),
        palette=palette,
    )


def _seen(rows: Mapping[str, np.ndarray], group: str, context: int) -> int:
    """Returns how many time steps the model sees."""
    return context if group == "openloop" else rows["truth"].shape[1]
