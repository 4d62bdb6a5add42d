"""Line plots for the summaries of every epoch."""

import itertools
from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 3.2, 1.1  # Of a panel, in inches of 100 pixels.
_HEADER = 0.3
# Told apart by people with any colour vision (Okabe and Ito, 2008).
_COLORS = ("#282830", "#D55E00", "#0072B2", "#009E73")
_SEEN = "#D6F0DC"

# Values `[T]` by what they are, all of one length.
Lines = Mapping[str, np.ndarray]


def draw_panels(panels: Mapping[str, Lines], seen: int = 0) -> np.ndarray:
    """Draws panels of a few lines over time, below and beside each other.

    What is not finite leaves a gap. The same names have the same colours in all
    panels.

    Args:
      panels: lines by title; at least one.
      seen: this many time steps from the left are on a green ground.

    Returns:
      Image, uint8 `[H, W, 3]`.
    """
    columns = 1 if len(panels) <= 3 else 2 if len(panels) <= 8 else 3
    rows = -(-len(panels) // columns)
    width, height = columns * _WIDTH, rows * _HEIGHT + _HEADER
    figure = Figure((width, height), dpi=100)
    left, above = 0.2 / columns, 1 - 0.5 / height
    figure.subplots_adjust(left, 0.3 / height, 0.98, above, hspace=0.8)
    canvas = FigureCanvasAgg(figure)
    names = dict.fromkeys(itertools.chain(*panels.values()))
    colors = dict(zip(names, itertools.cycle(_COLORS), strict=False))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax, (title, lines) in zip(axes, panels.items(), strict=False):
        ax.set_title(title, loc="left", fontsize=7)
        ax.tick_params(labelsize=6)
        ax.locator_params(nbins=3)
        if seen:
            ax.axvspan(0, seen - 0.5, color=_SEEN)
        for name, line in lines.items():
            shown = np.ma.masked_invalid(line)
            ax.plot(shown, color=colors[name], marker=".", markersize=4)
    handles = [
        figure.axes[0].plot([], color=color, label=name)[0]
        for name, color in colors.items()
    ]
    figure.legend(handles=handles, loc="upper left", ncols=4, fontsize=7)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
