"""Tests of line plots."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from planet_tf2.training import summary_pictures as pictures
from planet_tf2.training.summary_pictures import draw_panels

STEPS = np.arange(21.0)


def find(image, color, tolerance=40):
    """Returns the rows and columns of pixels of about a colour."""
    distance = np.abs(image - 255 * np.array(to_rgb(color))).max(-1)
    return np.nonzero(distance < tolerance)


def test_lines_go_where_the_values_are():
    rising = np.linspace(0, 1, 11)
    lines = {"flat": 0 * rising, "falls": 1 - rising, "rises": rising}
    image = draw_panels({"a": lines})[30:]
    for color, falls in zip(pictures._COLORS[1:3], (True, False), strict=True):
        rows, columns = find(image, color)
        left = rows[columns < np.median(columns)].mean()
        right = rows[columns > np.median(columns)].mean()
        assert (left < right) == falls


def test_seen_steps_are_green():
    image = draw_panels({"a": {"flat": 0 * STEPS, "rises": STEPS}}, seen=5)
    _, green = find(image, pictures._SEEN, 2)
    _, line = find(image[30:], pictures._COLORS[1])
    assert 0 < np.ptp(green) < np.ptp(line) / 3
    assert green.min() <= line.min() + 2


@pytest.mark.parametrize(
    "values",
    [
        [1.0, np.nan, np.inf, 2.0, 3.0],
        [np.nan] * 5,
        [7.0],
        [1e30, -1e30, 0.0],
        [1e-40, 0.0],
    ],
)
def test_all_values_can_be_drawn(values):
    image = draw_panels({"a": {"x": np.ones(5)}, "b": {"y": np.array(values)}})
    assert image.dtype == np.uint8
    there = len(find(image[30:], pictures._COLORS[1])[0])
    assert bool(there) == np.isfinite(values).any()


def test_panels_are_below_each_other():
    panels = {str(n): {str(n): STEPS} for n in range(4)}
    image = draw_panels(panels)[30:]
    # The first colour is that of words too.
    places = [find(image, color)[0].mean() for color in pictures._COLORS[1:]]
    np.testing.assert_allclose(
        np.diff(places), 100 * pictures._PANEL_HEIGHT, atol=5
    )
