"""Videos as arrays: laid out for the eye, and encoded as GIF and PNG.

A video is uint8 `[T, H, W, 3]`, or `[T, H, W, 1]` with the positions in a
palette, which is less to copy. Frames that a model sees before it predicts, its
context, have green lines around them, and its predictions dark ones.
"""

import functools
import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.palette import choose_palette, positions, to_images

SEEN = (60, 200, 90)
UNSEEN = (24, 24, 32)
TEXT = (235, 235, 235)

# A GIF counts time in hundredths of a second, and browsers play frames that
# last only one of them far too slowly.
_MAX_FPS = 50

# Parsing the font takes longer than writing a word with it.
load_font = functools.cache(ImageFont.load_default)


def encode_gif(
    frames: np.ndarray, fps: float = 20, palette: Image.Image | None = None
) -> bytes:
    """Encodes a video as an endlessly repeating GIF.

    Args:
      frames: uint8 `[T, H, W, 3]`.
      fps: frames per second, above 0 and at most 50.
      palette: of the frames; by default the best for their colours.

    Raises:
      ValueError: the frames are no video, or `fps` is out of range.
    """
    frames = check_video(frames, palette)
    if not 0 < fps <= _MAX_FPS:
        raise ValueError(
            f"fps is {fps!r}, but a GIF plays more than 0 and at most"
            f" {_MAX_FPS} frames per second."
        )
    first, *others = to_images(frames, palette or choose_palette(frames))
    file = io.BytesIO()
    first.save(
        file,
        "GIF",
        save_all=True,
        append_images=others,
        duration=10 * round(100 / fps),
        loop=0,
    )
    return file.getvalue()


def encode_png(
    image: np.ndarray,
    reduce_colors: bool = False,
    palette: Image.Image | None = None,
) -> bytes:
    """Encodes an image as a PNG.

    Args:
      image: uint8 `[H, W, 3]`.
      reduce_colors: keep no more colours than a GIF has, which takes less
        than half the space.
      palette: colours to make do with; implies `reduce_colors`.
    """
    if reduce_colors or palette is not None:
        (encodable,) = to_images(image[None], palette or choose_palette(image))
    else:
        encodable = Image.fromarray(image)
    file = io.BytesIO()
    # More takes several times as long and saves little.
    encodable.save(file, "PNG", compress_level=4)
    return file.getvalue()


def write_gif(
    path: str | os.PathLike[str],
    frames: np.ndarray,
    fps: float = 20,
    scratch: str | os.PathLike[str] | None = None,
    palette: Image.Image | None = None,
) -> None:
    """Writes a GIF so that readers see the old or the new file, whole.

    Args:
      path: file to write; its folder exists.
      frames: see `encode_gif`.
      fps: frames per second.
      scratch: folder for the file while it is being written.
      palette: see `encode_gif`.
    """
    write_atomically(path, encode_gif(frames, fps, palette), scratch)


def image_strip(
    videos: Sequence[np.ndarray],
    stride: int = 1,
    context: int = 0,
    separator: int = 2,
) -> np.ndarray:
    """Lays videos out as an image: time to the right, a row for each video.

    Args:
      videos: uint8 `[N, T, H, W, 3]`, or a list of N videos of one size.
      stride: show every `stride`-th frame.
      context: frames `t < context` are marked as seen.
      separator: width of the lines between and around the frames, in pixels.

    Returns:
      Image, uint8 `[N * (H + s) + s, ceil(T / stride) * (W + s) + s, 3]` with
      the separator's width s.

    Raises:
      ValueError: the videos are not uint8, or have several sizes.
    """
    videos = np.stack(videos)[:, ::stride]
    seen = np.arange(videos.shape[1]) * stride < context
    columns = list(_grid(videos[:, None], seen, separator))
    # Every column but the first leaves its left line to its neighbour, so
    # that frames that are seen have lines of their colour all around.
    columns[1:] = [column[:, separator:] for column in columns[1:]]
    return np.concatenate(columns, 1)


def side_by_side(
    *rows: np.ndarray, context: int = 0, separator: int = 2
) -> np.ndarray:
    """Lays videos out as one video: rows such as truth, prediction and error.

    Args:
      *rows: uint8 `[N, T, H, W, 3]` each, N videos that go beside each other.
      context: while `t < context` the lines have the colour of what is seen.
      separator: width of the lines between and around the videos, in pixels.

    Returns:
      Video, uint8 `[T, R * (H + s) + s, N * (W + s) + s, 3]` with the
      separator's width s.

    Raises:
      ValueError: the rows are not uint8, or have several sizes.
    """
    grid = np.stack(rows)  # [R, N, T, H, W, 3]
    return _grid(grid, np.arange(grid.shape[2]) < context, separator)


def add_labels(
    video: np.ndarray,
    labels: Sequence[str],
    captions: Sequence[str] = (),
    palette: Image.Image | None = None,
) -> np.ndarray:
    """Adds words to the left of a video's rows, and a line above it.

    Args:
      video: uint8 `[T, H, W, C]`.
      labels: a word for each row, from top to bottom; the rows are of one
        height.
      captions: a line for each frame; without them none is added.
      palette: that of the video if C is 1.

    Returns:
      Video, uint8 `[T, H + U, W + M, C]`, with a caption of U pixels and a
      margin of M pixels.
    """
    length, height, width, channels = video.shape
    margin = 12 + int(max(map(load_font(12).getlength, labels)))
    top = 22 if len(captions) else 0
    shape = (length, height + top, width + margin, channels)
    result = np.empty(shape, np.uint8)
    result[:, top:, margin:] = video
    words = [
        (margin - 6, (row + 0.5) * height / len(labels), label, "rm")
        for row, label in enumerate(labels)
    ]
    result[:, top:, :margin] = _write_words((margin, height), words, palette)
    for frame, caption in zip(result, captions, strict=False):
        words = [(margin, top / 2, caption, "lm")]
        frame[:top] = _write_words((width + margin, top), words, palette)
    return result


def enlarge(video: np.ndarray, factor: int) -> np.ndarray:
    """Repeats every pixel of `[..., H, W, C]` in both directions."""
    return video.repeat(factor, -3).repeat(factor, -2)


def magnify(video: np.ndarray, side: int, wanted: int) -> np.ndarray:
    """Enlarges a video so that images of a side in it come close to another.

    Args:
      video: `[..., H, W, C]`.
      side: height of the images in pixels.
      wanted: height that they shall have.
    """
    return enlarge(video, max(1, round(wanted / side)))


def limit_length(video: np.ndarray, max_frames: int) -> np.ndarray:
    """Leaves out frames, evenly, so that at most `max_frames` remain."""
    stride = -(-len(video) // max_frames)
    return video[::stride]


def check_video(
    frames: np.ndarray, palette: Image.Image | None = None
) -> np.ndarray:
    """Returns frames as an array, with positions only if there is a palette.

    Raises:
      ValueError: they are no video, or an empty one.
    """
    frames = np.asarray(frames)
    channels = (3,) if palette is None else (1, 3)
    colored = frames.ndim == 4 and frames.shape[-1] in channels
    if frames.dtype != np.uint8 or not colored or not frames.size:
        raise ValueError(
            f"frames is {frames.dtype} {list(frames.shape)}, but a video is"
            " uint8 [T, H, W, 3] and not empty."
        )
    return frames


def _grid(videos: np.ndarray, seen: np.ndarray, separator: int) -> np.ndarray:
    """Lays out videos as one, with lines around.

    Args:
      videos: `[R, N, T, H, W, 3]`, R rows of N videos.
      seen: bool `[T]`, chooses the colour of the lines.
      separator: width of the lines.
    """
    if videos.dtype != np.uint8:
        raise ValueError(f"The videos are {videos.dtype}, but must be uint8.")
    rows, columns, length, height, width = videos.shape[:5]
    down, right = height + separator, width + separator
    shape = (length, rows * down + separator, columns * right + separator, 3)
    result = np.empty(shape, np.uint8)
    result[:] = np.where(seen[:, None], SEEN, UNSEEN)[:, None, None]
    for row, column in np.ndindex(rows, columns):
        top, left = separator + row * down, separator + column * right
        result[:, top : top + height, left : left + width] = videos[row, column]
    return result


def _write_words(
    size: tuple[int, int],
    words: Sequence[tuple[float, float, str, str]],
    palette: Image.Image | None,
) -> np.ndarray:
    """Writes `(x, y, text, anchor)` onto an image of `(width, height)`."""
    image = Image.new("RGB", size, UNSEEN)
    draw = ImageDraw.Draw(image)
    for x, y, text, anchor in words:
        draw.text((x, y), text, TEXT, load_font(12), anchor=anchor)
    pixels = np.asarray(image)
    return pixels if palette is None else positions(pixels, palette)
