"""Line plots that take a few milliseconds, for summaries of every epoch.

Figures for people to keep are drawn with Matplotlib; it takes a hundred times
as long.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from planet_tf2.tools.video import load_font

_WIDTH, _HEIGHT = 260, 84  # Of the inside of a panel.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 18, 8
_HEADER = 20
_SMOOTH = 2  # Lines are drawn so many times larger, and then shrunk.
_BACKGROUND, _INSIDE, _SEEN = (255, 255, 255), (246, 246, 248), (214, 240, 220)
_INK, _GREY = (40, 40, 48), (120, 120, 128)
# Told apart by people with any colour vision (Okabe and Ito, 2008).
_COLORS = ((40, 40, 48), (213, 94, 0), (0, 114, 178), (0, 158, 115))

Colors = Mapping[str, tuple[int, int, int]]


class Panel(NamedTuple):
    """A plot of one or a few lines over time.

    Attributes:
      title: what is plotted.
      lines: values `[T]` by what they are, all of one length; what is not
        finite leaves a gap. The same names have the same colours in all panels
        of a picture.
    """

    title: str
    lines: Mapping[str, np.ndarray]


def draw_panels(panels: Sequence[Panel], seen: int = 0) -> np.ndarray:
    """Draws panels below and beside each other.

    The numbers to the left of a panel are its smallest and largest value.

    Args:
      panels: at least one.
      seen: this many time steps from the left are on a green ground.

    Returns:
      Image, uint8 `[H, W, 3]`.
    """
    columns = 1 if len(panels) <= 3 else 2 if len(panels) <= 8 else 3
    rows = -(-len(panels) // columns)
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    names = dict.fromkeys(itertools.chain(*(panel.lines for panel in panels)))
    colors = dict(zip(names, itertools.cycle(_COLORS), strict=False))
    size = (columns * width, _HEADER + rows * height)
    image = Image.new("RGB", [_SMOOTH * side for side in size], _BACKGROUND)
    corners = [
        (column * width + _LEFT, _HEADER + row * height + _TOP)
        for row, column in np.ndindex(rows, columns)
    ][: len(panels)]
    draw = ImageDraw.Draw(image)
    for panel, corner in zip(panels, corners, strict=True):
        _draw_lines(draw, panel, corner, colors, seen)
    image = image.reduce(_SMOOTH)
    draw = ImageDraw.Draw(image)
    length = max(len(x) for panel in panels for x in panel.lines.values())
    _write_header(draw, colors, length, seen)
    for panel, corner in zip(panels, corners, strict=True):
        _write_labels(draw, panel, corner)
    return np.asarray(image)


def _limits(panel: Panel) -> tuple[float, float]:
    """Returns the smallest and largest value of a panel."""
    values = np.concatenate([np.ravel(x) for x in panel.lines.values()])
    values = values[np.isfinite(values)].astype(np.float64)
    return (values.min(), values.max()) if len(values) else (0.0, 0.0)


def _draw_lines(
    draw: ImageDraw.ImageDraw,
    panel: Panel,
    corner: tuple[int, int],
    colors: Colors,
    seen: int,
) -> None:
    left, top = (_SMOOTH * x for x in corner)
    width, height = _SMOOTH * _WIDTH, _SMOOTH * _HEIGHT
    low, high = _limits(panel)
    step = width / max(1, max(map(len, panel.lines.values())) - 1)
    draw.rectangle((left, top, left + width, top + height), _INSIDE)
    if seen:
        edge = left + min(width, step * max(0, seen - 0.5))
        draw.rectangle((left, top, edge, top + height), _SEEN)
    for name, line in panel.lines.items():
        values = np.asarray(line, np.float64)
        # The values keep a small distance from the border.
        y = (values - (high + low) / 2) / (high - low or 1.0)
        y = top + height * (0.5 - 0.9 * y)
        points = np.stack([left + step * np.arange(len(y)), y], -1)
        for run in np.ma.clump_unmasked(np.ma.masked_invalid(values)):
            draw.line(points[run].ravel().tolist(), colors[name], width=3)
            if run.stop - run.start == 1:
                draw.circle(points[run][0].tolist(), 3, colors[name])


def _write_header(
    draw: ImageDraw.ImageDraw, colors: Colors, length: int, seen: int
) -> None:
    font = load_font(12)
    x = _LEFT
    for name, color in colors.items():
        draw.text((x, _HEADER / 2), name, color, font, anchor="lm")
        x += font.getlength(name) + 14
    text = f"steps 0 to {length - 1}" + (", green: seen" if seen else "")
    draw.text((x, _HEADER / 2), text, _GREY, font, anchor="lm")


def _write_labels(
    draw: ImageDraw.ImageDraw, panel: Panel, corner: tuple[int, int]
) -> None:
    left, top = corner
    font = load_font(10)
    draw.text((left, top - 3), panel.title, _INK, font, anchor="ls")
    low, high = _limits(panel)
    places = {0.95: low, 0.05: high} if high > low else {0.5: low}
    for place, value in places.items():
        at = (left - 4, top + place * _HEIGHT)
        draw.text(at, f"{value:.3g}", _GREY, font, anchor="rm")
