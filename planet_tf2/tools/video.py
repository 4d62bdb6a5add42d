"""Videos as arrays: laid out for the eye, and written as animated GIFs.

A video is uint8 `[T, H, W, 3]`. Where a `Palette` comes with it, it can also be
`[T, H, W]`, positions in the palette, which is less to copy and to encode.

Frames from which a model has yet to predict,
its context, are told from its predictions by the colour of the lines around
them: green while the model sees the truth, dark afterwards.
"""

import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.palette import Palette

SEEN = (60, 200, 90)
UNSEEN = (24, 24, 32)
TEXT = (235, 235, 235)

# A GIF counts time in hundredths of a second, and browsers play frames that
# last only one of them far too slowly.
_MAX_FPS = 50


def encode_gif(
    frames: np.ndarray, fps: float = 20, palette: Palette | None = None
) -> bytes:
    """Encodes a video as an endlessly repeating GIF.

    All frames share one palette and no colour is dithered, so that what does
    not move does not flicker either.

    Args:
      frames: uint8 `[T, H, W, 3]`, or `[T, H, W]` in the palette.
      fps: frames per second, above 0 and at most 50.
      palette: colours to make do with; by default the best for these frames.

    Raises:
      ValueError: The frames are no video, or `fps` is out of range.
    """
    frames = _check_video("frames", frames, palette)
    if not 0 < fps <= _MAX_FPS:
        raise ValueError(
            f"fps is {fps!r}, but a GIF plays more than 0 and at most"
            f" {_MAX_FPS} frames per second."
        )
    images = (palette or Palette(frames)).images(frames)
    file = io.BytesIO()
    images[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=10 * round(100 / fps),
        loop=0,
    )
    return file.getvalue()


def encode_png(
    image: np.ndarray,
    reduce_colors: bool = False,
    palette: Palette | None = None,
) -> bytes:
    """Encodes an image as a PNG.

    Args:
      image: uint8 `[H, W, 3]`, or `[H, W]` in the palette.
      reduce_colors: keep no more colours than a GIF has, which takes less
        than half the space.
      palette: colours to make do with; implies `reduce_colors`.
    """
    if reduce_colors or palette is not None:
        palette = palette or Palette(image[None])
        (encodable,) = palette.images(image[None])
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
    palette: Palette | None = None,
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
    palette: Palette | None = None,
) -> np.ndarray:
    """Lays videos out as an image: time to the right, a row for each video.

    Args:
      videos: uint8 `[N, T, H, W, 3]`, or a list of N videos of one size.
      stride: show every `stride`-th frame.
      context: frames `t < context` are marked as seen.
      separator: width of the lines between and around the frames, in pixels.
      palette: given, the videos and the image lack the axis of the colours.

    Returns:
      Image, uint8 `[N * (H + s) + s, ceil(T / stride) * (W + s) + s, 3]` with
      the separator's width s.
    """
    videos = _check_equal("videos", videos, palette=palette)[:, ::stride]
    seen = np.arange(videos.shape[1]) * stride < context
    columns = list(_grid(videos[:, None], seen, separator, palette))
    # Every column but the first leaves its left line to its neighbour, so
    # that frames that are seen have lines of their colour all around.
    columns[1:] = [column[:, separator:] for column in columns[1:]]
    return np.concatenate(columns, 1)


def side_by_side(
    *rows: np.ndarray,
    context: int = 0,
    separator: int = 2,
    palette: Palette | None = None,
) -> np.ndarray:
    """Lays videos out as one video: rows such as truth, prediction and error.

    Args:
      *rows: uint8 `[N, T, H, W, 3]` each, N videos that go beside each other.
      context: while `t < context` the lines have the colour of what is seen.
      separator: width of the lines between and around the videos, in pixels.
      palette: given, the rows and the video lack the axis of the colours.

    Returns:
      Video, uint8 `[T, R * (H + s) + s, N * (W + s) + s, 3]` with the
      separator's width s.
    """
    grid = _check_equal("rows", rows, 5, palette)  # [R, N, T, H, W, 3]
    return _grid(grid, np.arange(grid.shape[2]) < context, separator, palette)


def add_labels(
    video: np.ndarray,
    labels: Sequence[str],
    captions: Sequence[str] = (),
    palette: Palette | None = None,
) -> np.ndarray:
    """Adds words to the left of a video's rows, and a line above it.

    Args:
      video: uint8 `[T, H, W, 3]`.
      labels: a word for each row, from top to bottom; the rows are of one
        height.
      captions: a line for each frame; without them none is added.
      palette: given, the videos lack the axis of the colours.

    Returns:
      Video, uint8 `[T, H + C, W + M, 3]`, with a margin of M pixels and a
      caption of C pixels.
    """
    video = _check_video("video", video, palette)
    length, height, width = video.shape[:3]
    font = ImageFont.load_default(12)
    margin = 12 + int(max(font.getlength(label) for label in labels))
    top = 22 if len(captions) else 0
    shape = (length, height + top, width + margin, *video.shape[3:])
    result = np.empty(shape, np.uint8)
    result[:, top:, margin:] = video
    words = [
        (margin - 6, (row + 0.5) * height / len(labels), label, "rm")
        for row, label in enumerate(labels)
    ]
    result[:, top:, :margin] = _write_words((margin, height), words, palette)
    size = (width + margin, top)
    written: dict[str, np.ndarray] = {}
    for time, caption in enumerate(captions):
        if caption not in written:
            words = [(margin, top / 2, caption, "lm")]
            written[caption] = _write_words(size, words, palette)
        result[time, :top] = written[caption]
    return result


def enlarge(
    video: np.ndarray, factor: int, palette: Palette | None = None
) -> np.ndarray:
    """Repeats every pixel of `[..., H, W, 3]` in both directions.

    With a palette the axis of the colours is missing.
    """
    height, width = (-3, -2) if palette is None else (-2, -1)
    return video.repeat(factor, height).repeat(factor, width)


def magnify(
    video: np.ndarray, side: int, wanted: int, palette: Palette | None = None
) -> np.ndarray:
    """Enlarges a video so that images of a side in it come close to another.

    Args:
      video: `[..., H, W, 3]`.
      side: height of the images in pixels.
      wanted: height that they shall have.
      palette: given, the video lacks the axis of the colours.
    """
    return enlarge(video, max(1, round(wanted / side)), palette)


def limit_length(video: np.ndarray, max_frames: int) -> np.ndarray:
    """Leaves out frames, evenly, so that at most `max_frames` remain."""
    stride = -(-len(video) // max_frames)
    return video[::stride]


def _grid(
    videos: np.ndarray,
    seen: np.ndarray,
    separator: int,
    palette: Palette | None,
) -> np.ndarray:
    """Lays out videos as one, with lines around.

    Args:
      videos: `[R, N, T, H, W, ...]`, R rows of N videos.
      seen: bool `[T]`, chooses the colour of the lines.
      separator: width of the lines.
      palette: that of the videos, if they have one.
    """
    rows, columns, length, height, width = videos.shape[:5]
    shape = (
        length,
        rows * (height + separator) + separator,
        columns * (width + separator) + separator,
        *videos.shape[5:],
    )
    lines = np.where(seen[:, None], SEEN, UNSEEN).astype(np.uint8)  # [T, 3]
    if palette is not None:
        lines = palette.index(lines)
    result = np.empty(shape, np.uint8)
    result[:] = lines[:, None, None]
    for row, column in np.ndindex(rows, columns):
        top = separator + row * (height + separator)
        left = separator + column * (width + separator)
        result[:, top : top + height, left : left + width] = videos[row, column]
    return result


def _write_words(
    size: tuple[int, int],
    words: Sequence[tuple[float, float, str, str]],
    palette: Palette | None,
) -> np.ndarray:
    """Writes `(x, y, text, anchor)` onto an image of `(width, height)`."""
    image = Image.new("RGB", size, UNSEEN)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    for x, y, text, anchor in words:
        draw.text((x, y), text, TEXT, font, anchor=anchor)
    pixels = np.asarray(image)
    return pixels if palette is None else palette.index(pixels)


def _check_video(
    name: str, video: np.ndarray, palette: Palette | None = None
) -> np.ndarray:
    video = np.asarray(video)
    colored = video.ndim == 4 and video.shape[-1] == 3
    indexed = video.ndim == 3 and palette is not None
    if video.dtype != np.uint8 or not (colored or indexed):
        raise ValueError(
            f"{name} is {video.dtype} {list(video.shape)}, but a video is"
            " uint8 [T, H, W, 3]."
        )
    if not video.size:
        raise ValueError(f"{name} is empty: {list(video.shape)}.")
    return video


def _check_equal(
    name: str,
    videos: Sequence[np.ndarray],
    rank: int = 4,
    palette: Palette | None = None,
) -> np.ndarray:
    shapes = sorted({np.shape(video) for video in videos})
    expected = rank if palette is None else rank - 1
    if len(shapes) != 1 or len(shapes[0]) != expected:
        raise ValueError(
            f"{name} have the shapes {[list(s) for s in shapes]}, but need one"
            f" in common, {'[N, ' if rank == 5 else '['}T, H, W"
            f"{', 3' if palette is None else ''}]."
        )
    return np.stack([_check_uint8(name, video) for video in videos])


def _check_uint8(name: str, video: np.ndarray) -> np.ndarray:
    video = np.asarray(video)
    if video.dtype != np.uint8:
        raise ValueError(f"{name} are {video.dtype}, but have to be uint8.")
    return video
