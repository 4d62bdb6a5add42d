"""Line plots that take a few milliseconds, for summaries of every epoch.

Figures for people to keep are drawn with Matplotlib; it takes a hundred times
as long.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from planet_tf2.tools.video import load_font

_SMOOTH = 2  # All is drawn so many times larger, and then shrunk.
# In pixels of what is drawn.
_WIDTH, _HEIGHT = 520, 168  # Of the inside of a panel.
_LEFT, _RIGHT, _TOP, _BOTTOM = 104, 20, 36, 16
_HEADER = 40
_BACKGROUND, _INSIDE, _SEEN = (255, 255, 255), (246, 246, 248), (214, 240, 220)
_INK, _GREY = (40, 40, 48), (120, 120, 128)
# Told apart by people with any colour vision (Okabe and Ito, 2008).
_COLORS = ((40, 40, 48), (213, 94, 0), (0, 114, 178), (0, 158, 115))

# Values `[T]` by what they are, all of one length.
Lines = Mapping[str, np.ndarray]


def draw_panels(panels: Mapping[str, Lines], seen: int = 0) -> np.ndarray:
    """Draws panels of a few lines over time, below and beside each other.

    The numbers to the left of a panel are its smallest and largest value. What
    is not finite leaves a gap. The same names have the same colours in all
    panels.

    Args:
      panels: lines by title; at least one.
      seen: this many time steps from the left are on a green ground.

    Returns:
      Image, uint8 `[H, W, 3]`.
    """
    columns = 1 if len(panels) <= 3 else 2 if len(panels) <= 8 else 3
    rows = -(-len(panels) // columns)
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    names = dict.fromkeys(itertools.chain(*panels.values()))
    colors = dict(zip(names, itertools.cycle(_COLORS), strict=False))
    size = (columns * width, _HEADER + rows * height)
    image = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(image)
    font, x = load_font(12 * _SMOOTH), _LEFT
    for name, color in colors.items():
        draw.text((x, _HEADER / 2), name, color, font, anchor="lm")
        x += font.getlength(name) + 28
    length = max(len(x) for lines in panels.values() for x in lines.values())
    text = f"steps 0 to {length - 1}" + (", green: seen" if seen else "")
    draw.text((x, _HEADER / 2), text, _GREY, font, anchor="lm")
    cells = np.ndindex(rows, columns)
    for title, (row, column) in zip(panels, cells, strict=False):
        left, top = column * width + _LEFT, _HEADER + row * height + _TOP
        font = load_font(10 * _SMOOTH)
        draw.text((left, top - 6), title, _INK, font, anchor="ls")
        _draw_lines(draw, panels[title], (left, top), colors, seen)
    return np.asarray(image.reduce(_SMOOTH))


def _draw_lines(
    draw: ImageDraw.ImageDraw,
    lines: Lines,
    corner: tuple[int, int],
    colors: Mapping[str, tuple[int, int, int]],
    seen: int,
) -> None:
    """Draws the inside of a panel and the numbers to the left of it."""
    left, top = corner
    values = np.stack(list(lines.values())).astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    step = _WIDTH / max(1, values.shape[1] - 1)
    draw.rectangle((left, top, left + _WIDTH, top + _HEIGHT), _INSIDE)
    if seen:
        edge = left + min(_WIDTH, step * max(0, seen - 0.5))
        draw.rectangle((left, top, edge, top + _HEIGHT), _SEEN)
    for name, line in zip(lines, values, strict=True):
        # The values keep a small distance from the border.
        y = (line - (high + low) / 2) / (high - low or 1.0)
        y = top + _HEIGHT * (0.5 - 0.9 * y)
        points = np.stack([left + step * np.arange(len(y)), y], -1)
        for run in np.ma.clump_unmasked(np.ma.masked_invalid(line)):
            draw.line(points[run].ravel().tolist(), colors[name], width=3)
            if run.stop - run.start == 1:
                draw.circle(points[run][0].tolist(), 3, colors[name])
    places = {0.95: low, 0.05: high} if high > low else {0.5: low}
    for place, value in places.items():
        at = (left - 8, top + place * _HEIGHT)
        font = load_font(10 * _SMOOTH)
        draw.text(at, f"{value:.3g}", _GREY, font, anchor="rm")
