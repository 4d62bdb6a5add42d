"""Tests of pictures with few colours."""

import numpy as np
import pytest

from planet_tf2.tools import video
from planet_tf2.tools.palette import Palette


def noise(*shape, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (*shape, 3), np.uint8)


def test_few_colors_stay_as_they_are():
    colors = noise(20) // 8 * 8 + 3
    frames = colors[np.random.default_rng(1).integers(0, 20, (3, 8, 8))]
    palette = Palette(frames)
    indices = palette.index(frames)
    assert indices.shape == (3, 8, 8)
    np.testing.assert_array_equal(palette.colors[indices], frames)


def test_many_colors_come_near():
    frames = noise(4, 64, 64)
    palette = Palette(frames)
    assert len(palette.colors) <= 256
    shown = palette.colors[palette.index(frames)].astype(int)
    assert np.abs(shown - frames).mean() < 16


def test_exact_colors_are_kept_among_many_others():
    exact = ((1, 2, 3), (200, 100, 50))
    palette = Palette(noise(4, 64, 64), exact)
    assert len(palette.colors) <= 256
    shown = palette.colors[palette.index(np.array(exact, np.uint8))]
    np.testing.assert_array_equal(shown, exact)


def test_colors_that_were_not_asked_for_get_the_nearest():
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    frames[0, 0] = (250, 0, 0)
    frames[0, 1] = (0, 0, 250)
    palette = Palette(frames)
    other = np.array([(220, 30, 10), (40, 20, 190), (250, 0, 0)], np.uint8)
    shown = palette.colors[palette.index(other)]
    np.testing.assert_array_equal(
        shown, [(250, 0, 0), (0, 0, 250), (250, 0, 0)]
    )


@pytest.mark.parametrize("kind", ["side_by_side", "strip", "labels", "large"])
def test_layouts_agree_with_those_of_colors(kind):
    videos = noise(2, 3, 8, 8) // 64 * 64 + 20
    palette = Palette(videos, (video.SEEN, video.UNSEEN, video.TEXT))
    indices = palette.index(videos)

    def lay_out(videos, palette=None):
        if kind == "side_by_side":
            rows = [videos, videos[:, ::-1]]
            return video.side_by_side(*rows, context=1, palette=palette)
        if kind == "strip":
            return video.image_strip(videos, 2, 1, palette=palette)
        if kind == "labels":
            words = ["up", "down"], ["first", "second", "second"]
            return video.add_labels(videos[0], *words, palette=palette)
        return video.enlarge(videos[0], 2, palette)

    expected = lay_out(videos)
    actual = palette.colors[lay_out(indices, palette)]
    assert actual.shape == expected.shape
    if kind == "labels":  # Letters have edges of many greys.
        assert np.abs(actual.astype(int) - expected).mean() < 6
    else:
        np.testing.assert_array_equal(actual, expected)


def test_indices_are_encoded_like_their_colors():
    frames = noise(3, 8, 8) // 64 * 64 + 20
    palette = Palette(frames)
    indices = palette.index(frames)
    assert video.encode_gif(indices, palette=palette) == video.encode_gif(
        frames, palette=palette
    )
    assert video.encode_png(indices[0], palette=palette) == video.encode_png(
        frames[0], palette=palette
    )


def test_indices_need_their_palette():
    with pytest.raises(ValueError, match=r"uint8 \[3, 8, 8\]"):
        video.encode_gif(np.zeros((3, 8, 8), np.uint8))
