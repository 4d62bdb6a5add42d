"""Line plots that take a few milliseconds, for summaries of every epoch.

Figures for people to keep are drawn with Matplotlib; it takes a hundred times
as long.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 260, 84  # Of the inside of a panel.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 18, 8
_HEADER = 20
_SMOOTH = 2  # Lines are drawn so many times larger, and then shrunk.
_BACKGROUND, _INSIDE, _SEEN = (255, 255, 255), (246, 246, 248), (214, 240, 220)
_INK, _GREY = (40, 40, 48), (120, 120, 128)
# Told apart by people with any colour vision (Okabe and Ito, 2008).
_COLORS = ((40, 40, 48), (213, 94, 0), (0, 114, 178), (0, 158, 115))


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
    outer = (_LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM)
    size = (columns * outer[0], _HEADER + rows * outer[1])
    names = list(dict.fromkeys(itertools.chain(*(p.lines for p in panels))))
    colors = dict(zip(names, itertools.cycle(_COLORS), strict=False))
    places = [
        (
            number % columns * outer[0] + _LEFT,
            _HEADER + number // columns * outer[1] + _TOP,
        )
        for number in range(len(panels))
    ]
    image = Image.new("RGB", [_SMOOTH * side for side in size], _BACKGROUND)
    draw = ImageDraw.Draw(image)
    ranges = [_range(panel) for panel in panels]
    for panel, place, limits in zip(panels, places, ranges, strict=True):
        _draw_lines(draw, panel, place, limits, colors, seen)
    image = image.reduce(_SMOOTH)
    draw = ImageDraw.Draw(image)
    _write_header(draw, colors, panels, seen)
    for panel, place, limits in zip(panels, places, ranges, strict=True):
        _write_labels(draw, panel, place, limits)
    return np.asarray(image)


def _range(panel: Panel) -> tuple[float, float]:
    """Returns the smallest and largest value of a panel."""
    values = np.concatenate([np.ravel(x) for x in panel.lines.values()])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 0.0
    return float(values.min()), float(values.max())


def _draw_lines(
    draw: ImageDraw.ImageDraw,
    panel: Panel,
    place: tuple[int, int],
    limits: tuple[float, float],
    colors: Mapping[str, tuple[int, int, int]],
    seen: int,
) -> None:
    left, top = (_SMOOTH * x for x in place)
    width, height = _SMOOTH * _WIDTH, _SMOOTH * _HEIGHT
    low, high = limits
    span = high - low or 1.0
    center = (high + low) / 2
    length = max(len(line) for line in panel.lines.values())
    step = width / max(1, length - 1)
    draw.rectangle((left, top, left + width, top + height), _INSIDE)
    if seen:
        edge = left + min(width, step * max(0, seen - 0.5))
        draw.rectangle((left, top, edge, top + height), _SEEN)
    for name, line in panel.lines.items():
        line = np.asarray(line, np.float64)
        # The values keep a small distance from the border.
        y = top + height * (0.5 - 0.9 * (line - center) / span)
        x = left + step * np.arange(len(line))
        for points in _pieces(x, y, np.isfinite(line)):
            if len(points) > 1:
                draw.line(points, colors[name], width=3)
            else:
                ((x0, y0),) = points
                draw.ellipse((x0 - 3, y0 - 3, x0 + 3, y0 + 3), colors[name])


def _pieces(
    x: np.ndarray, y: np.ndarray, finite: np.ndarray
) -> list[list[tuple[float, float]]]:
    """Splits a line where it has gaps."""
    points = zip(finite, zip(x.tolist(), y.tolist(), strict=True), strict=True)
    groups = itertools.groupby(points, key=lambda point: bool(point[0]))
    return [[point for _, point in group] for there, group in groups if there]


def _write_header(
    draw: ImageDraw.ImageDraw,
    colors: Mapping[str, tuple[int, int, int]],
    panels: Sequence[Panel],
    seen: int,
) -> None:
    font = ImageFont.load_default(12)
    x = _LEFT
    for name, color in colors.items():
        draw.text((x, _HEADER / 2), name, color, font, anchor="lm")
        x += font.getlength(name) + 14
    length = max(len(x) for panel in panels for x in panel.lines.values())
    text = f"steps 0 to {length - 1}" + (", green: seen" if seen else "")
    draw.text((x, _HEADER / 2), text, _GREY, font, anchor="lm")


def _write_labels(
    draw: ImageDraw.ImageDraw,
    panel: Panel,
    place: tuple[int, int],
    limits: tuple[float, float],
) -> None:
    left, top = place
    small = ImageFont.load_default(10)
    draw.text((left, top - 3), panel.title, _INK, small, anchor="ls")
    if limits[0] == limits[1]:
        middle = top + _HEIGHT / 2
        _write_number(draw, left, middle, limits[0], small)
        return
    for value, y in zip(limits, (0.95 * _HEIGHT, 0.05 * _HEIGHT), strict=True):
        _write_number(draw, left, top + y, value, small)


def _write_number(
    draw: ImageDraw.ImageDraw,
    left: int,
    y: float,
    value: float,
    font: ImageFont.FreeTypeFont,
) -> None:
    draw.text((left - 4, y), f"{value:.3g}", _GREY, font, anchor="rm")
