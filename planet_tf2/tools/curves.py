"""Line plots for the summaries of every epoch."""

import itertools
from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 4.8, 0.7  # Of a panel, in inches of 100 pixels.
_HEADER, _FOOTER = 0.3, 0.3
# Told apart by people with any colour vision (Okabe and Ito, 2008).
_COLORS = ("#282830", "#D55E00", "#0072B2", "#009E73")
_SEEN = "#D6F0DC"

# Values `[T]` by what they are, all of one length.
Lines = Mapping[str, np.ndarray]


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
    height = len(panels) * _HEIGHT + _HEADER + _FOOTER
    figure = Figure((_WIDTH, height), dpi=100)
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
