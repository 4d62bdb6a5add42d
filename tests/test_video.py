"""Tests of how videos are laid out and encoded."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from planet_tf2.tools import video


def moving_square(length=8, size=32, step=3):
    """A red square that moves over a grey gradient."""
    gradient = np.linspace(40, 200, size).astype(np.uint8) // 8 * 8
    frames = np.zeros((length, size, size, 3), np.uint8)
    frames += gradient[None, None, :, None]
    for time in range(length):
        left = time * step
        frames[time, 10:16, left : left + 6] = (200, 30, 40)
    return frames


def noisy(length=6, size=48):
    """Frames of far more colours than a GIF has, with a few blue pixels."""
    random = np.random.default_rng(0)
    background = random.integers(60, 200, (size, size, 3))
    frames = np.repeat(background[None], length, 0).astype(np.uint8)
    for time in range(length):
        frames[time, time : time + 3, 3:6] = (0, 0, 255)
    return frames


def decode(encoded):
    image = Image.open(io.BytesIO(encoded))
    frames = [f.convert("RGB") for f in ImageSequence.Iterator(image)]
    return np.stack([np.asarray(frame) for frame in frames])


def test_gif_repeats_and_keeps_time():
    encoded = video.encode_gif(moving_square(), fps=20)
    assert encoded[:6] == b"GIF89a"
    image = Image.open(io.BytesIO(encoded))
    assert image.n_frames == 8
    assert image.info["duration"] == 50
    assert image.info["loop"] == 0


def test_gif_of_many_colors_is_close_and_keeps_rare_colors():
    frames = noisy()
    decoded = decode(video.encode_gif(frames)).astype(int)
    assert np.abs(decoded - frames).mean() < 10
    blue = (frames == (0, 0, 255)).all(-1)
    assert np.abs(decoded - frames)[blue].max() < 20


def test_gif_does_not_flicker_where_nothing_moves():
    frames = noisy()
    decoded = decode(video.encode_gif(frames))
    still = (frames == frames[:1]).all((0, -1))
    assert still.any()
    assert (decoded[:, still] == decoded[:1, still]).all()


def test_png_with_fewer_colors_is_smaller_and_close():
    image = noisy()[0]
    encoded = video.encode_png(image, video.choose_palette(image))
    decoded = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    assert len(encoded) < len(video.encode_png(image)) / 2
    assert np.abs(decoded.astype(int) - image).mean() < 10


def numbered(*shape):
    """Videos `[*shape, 2, 3, 3]` whose frames all have another colour."""
    values = 100 + np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    return np.broadcast_to(values[..., None, None, None], (*shape, 2, 3, 3))


def test_strip_puts_time_right_and_videos_below_each_other():
    videos = numbered(2, 5)
    strip = video.image_strip(videos, stride=2, context=3, separator=1)
    assert strip.shape == (2 * 3 + 1, 3 * 4 + 1, 3)
    for row in range(2):
        for column, time in enumerate((0, 2, 4)):
            top, left = 1 + 3 * row, 1 + 4 * column
            frame = strip[top : top + 2, left : left + 3]
            np.testing.assert_array_equal(frame, videos[row, time])
    # Frames 0 and 2 are seen: their lines are green all around.
    assert (strip[0, :9] == video.SEEN).all()
    assert (strip[:, [0, 4, 8]] == video.SEEN).all()
    assert (strip[0, 9:] == video.UNSEEN).all()
    assert (strip[:, 12] == video.UNSEEN).all()


def test_side_by_side_lays_out_rows_and_marks_the_context():
    rows = numbered(3, 2, 4)  # Three rows of two videos with four frames.
    grid = video.side_by_side(*rows, context=2, separator=1)
    assert grid.shape == (4, 3 * 3 + 1, 2 * 4 + 1, 3)
    for time in range(4):
        for row in range(3):
            for column in range(2):
                top, left = 1 + 3 * row, 1 + 4 * column
                frame = grid[time, top : top + 2, left : left + 3]
                np.testing.assert_array_equal(frame, rows[row, column, time])
    assert (grid[:2, :, 4] == video.SEEN).all()
    assert (grid[2:, :, 4] == video.UNSEEN).all()


def test_labels_leave_the_video_as_it_is():
    frames = moving_square(length=3, size=32)
    labeled = video.add_labels(frames, ["up", "down"], ["one", "two", "two"])
    caption = labeled.shape[1] - 32
    margin = labeled.shape[2] - 32
    np.testing.assert_array_equal(labeled[:, caption:, margin:], frames)
    captions = labeled[:, :caption]
    assert (captions[0] != captions[1]).any()
    assert (captions[1] == captions[2]).all()
    upper, lower = np.split(labeled[0, caption:, :margin], 2)
    assert (upper != video.UNSEEN).any()
    assert (upper != lower).any()


@pytest.mark.parametrize(
    "length, expected", [(4, 4), (5, 5), (6, 3), (10, 5), (11, 4), (1, 1)]
)
def test_limit_length_leaves_frames_out_evenly(length, expected):
    frames = np.arange(length)
    limited = video.limit_length(frames, 5)
    assert len(limited) == expected
    assert len(np.unique(np.diff(limited))) <= 1


def colors_of(palette):
    return np.array(palette.getpalette(), np.uint8).reshape(-1, 3)


def shown(image, palette):
    (encodable,) = video.to_images(image[None], palette)
    return np.asarray(encodable.convert("RGB"))


def test_palette_keeps_exact_colors_among_many_others():
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    exact = (video.SEEN, video.UNSEEN)
    noise[0, 0, :40] = np.add(video.SEEN, 2)  # Hard to tell from it.
    palette = video.choose_palette(noise, exact)
    assert len(colors_of(palette)) <= 256
    pixels = np.array([exact], np.uint8)
    np.testing.assert_array_equal(shown(pixels, palette), pixels)
