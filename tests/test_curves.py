"""Tests of line plots."""

import numpy as np
import pytest

from planet_tf2.tools import curves
from planet_tf2.tools.curves import draw_panels

_WIDTH, _HEIGHT = curves._WIDTH // 2, curves._HEIGHT // 2


def find(image, color, tolerance=60):
    """Returns the rows and columns of pixels of about a colour."""
    distance = np.abs(image.astype(int) - color).max(-1)
    return np.nonzero(distance < tolerance)


def inside(image):
    """The ground of the only panel, without the title and numbers."""
    top = (curves._HEADER + curves._TOP) // 2
    left = curves._LEFT // 2
    return image[top : top + _HEIGHT, left : left + _WIDTH]


def test_lines_go_where_the_values_are():
    length = 11
    rising = np.linspace(0, 1, length)
    image = draw_panels({"a": {"x": rising, "y": 1 - rising}})
    plot = inside(image)
    height, width = plot.shape[:2]
    for color, falls in zip(curves._COLORS, (False, True), strict=False):
        rows, columns = find(plot[:, : width // 4], color)
        assert len(rows) > 10
        middle = rows.mean() / height
        assert middle < 0.4 if falls else middle > 0.6
        rows, _ = find(plot[:, -width // 4 :], color)
        assert (rows.mean() / height < 0.4) != falls


def test_seen_steps_are_green():
    values = np.zeros(21)
    image = inside(draw_panels({"a": {"x": values}}, seen=5))
    green = (image[5] == curves._SEEN).all(-1)
    # Up to the middle between the last step that is seen and the next.
    expected = 4.5 / 20 * _WIDTH
    assert abs(green.sum() - expected) <= 2
    assert green[: green.sum()].all()


@pytest.mark.parametrize(
    "values",
    [
        [1.0, np.nan, np.inf, 2.0, 3.0],
        [np.nan] * 5,
        [7.0] * 5,
        [7.0],
        [1e30, -1e30, 0.0],
        [1e-40, 0.0],
    ],
)
def test_all_values_can_be_drawn(values):
    image = draw_panels({"a": {"x": np.array(values)}})
    assert image.dtype == np.uint8
    there = len(find(inside(image), curves._COLORS[0])[0])
    assert bool(there) == np.isfinite(values).any()


def test_a_gap_is_left_where_nothing_is_known():
    values = np.ones(21)
    values[8:13] = np.nan
    plot = inside(draw_panels({"a": {"x": values}}))
    _, columns = find(plot, curves._COLORS[0])
    middle = _WIDTH / 2
    assert (np.abs(columns - middle) > 0.1 * _WIDTH).all()
    assert (columns < middle).any() and (columns > middle).any()
