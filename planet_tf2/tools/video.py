"""Videos as arrays: laid out for the eye, and written as animated GIFs.

A video is uint8 `[T, H, W, 3]`. Frames from which a model has yet to predict,
its context, are told from its predictions by the colour of the lines around
them: green while the model sees the truth, dark afterwards.
"""

import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from planet_tf2.tools.files import write_atomically

SEEN = (60, 200, 90)
UNSEEN = (24, 24, 32)
_TEXT = (235, 235, 235)

# A GIF counts time in hundredths of a second, and browsers play frames that
# last only one of them far too slowly.
_MAX_FPS = 50
_NUM_COLORS = 256


def encode_gif(frames: np.ndarray, fps: float = 20) -> bytes:
    """Encodes a video as an endlessly repeating GIF.

    All frames share one palette and no colour is dithered, so that what does
    not move does not flicker either.

    Args:
      frames: uint8 `[T, H, W, 3]`.
      fps: frames per second, above 0 and at most 50.

    Raises:
      ValueError: The frames are no video, or `fps` is out of range.
    """
    frames = _check_video("frames", frames)
    if not 0 < fps <= _MAX_FPS:
        raise ValueError(
            f"fps is {fps!r}, but a GIF plays more than 0 and at most"
            f" {_MAX_FPS} frames per second."
        )
    indices, palette = _index_colors(frames)
    images = [Image.fromarray(frame) for frame in indices]
    for image in images:
        image.putpalette(palette.tobytes())
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


def encode_png(image: np.ndarray, reduce_colors: bool = False) -> bytes:
    """Encodes an image as a PNG.

    Args:
      image: uint8 `[H, W, 3]`.
      reduce_colors: keep no more colours than a GIF has, which takes less
        than half the space.
    """
    if reduce_colors:
        indices, palette = _index_colors(image[None])
        encodable = Image.fromarray(indices[0])
        encodable.putpalette(palette.tobytes())
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
) -> None:
    """Writes a GIF so that readers see the old or the new file, whole.

    Args:
      path: file to write; its folder exists.
      frames: uint8 `[T, H, W, 3]`.
      fps: frames per second.
      scratch: folder for the file while it is being written.
    """
    write_atomically(path, encode_gif(frames, fps), scratch)


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
    """
    videos = _check_equal("videos", videos)[:, ::stride]
    columns = [
        _frame_grid(videos[:, [column]], column * stride < context, separator)
        for column in range(videos.shape[1])
    ]
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
    """
    grid = _check_equal("rows", rows, rank=5)  # [R, N, T, H, W, 3]
    return np.stack(
        [
            _frame_grid(grid[:, :, time], time < context, separator)
            for time in range(grid.shape[2])
        ]
    )


def add_labels(
    video: np.ndarray, labels: Sequence[str], captions: Sequence[str] = ()
) -> np.ndarray:
    """Adds words to the left of a video's rows, and a line above it.

    Args:
      video: uint8 `[T, H, W, 3]`.
      labels: a word for each row, from top to bottom; the rows are of one
        height.
      captions: a line for each frame; without them none is added.

    Returns:
      Video, uint8 `[T, H + C, W + M, 3]`, with a margin of M pixels and a
      caption of C pixels.
    """
    video = _check_video("video", video)
    length, height, width = video.shape[:3]
    font = ImageFont.load_default(12)
    margin = 12 + int(max(font.getlength(label) for label in labels))
    top = 22 if len(captions) else 0
    result = np.empty((length, height + top, width + margin, 3), np.uint8)
    for time, frame in enumerate(video):
        image = Image.new("RGB", (width + margin, height + top), UNSEEN)
        draw = ImageDraw.Draw(image)
        for row, label in enumerate(labels):
            middle = top + (row + 0.5) * height / len(labels)
            draw.text((margin - 6, middle), label, _TEXT, font, anchor="rm")
        if top:
            text = captions[time]
            draw.text((margin, top / 2), text, _TEXT, font, anchor="lm")
        image.paste(Image.fromarray(frame), (margin, top))
        result[time] = image
    return result


def enlarge(video: np.ndarray, factor: int) -> np.ndarray:
    """Repeats every pixel of `[..., H, W, 3]` in both directions."""
    return video.repeat(factor, -3).repeat(factor, -2)


def magnify(video: np.ndarray, side: int, wanted: int) -> np.ndarray:
    """Enlarges a video so that images of a side in it come close to another.

    Args:
      video: `[..., H, W, 3]`.
      side: height of the images in pixels.
      wanted: height that they shall have.
    """
    return enlarge(video, max(1, round(wanted / side)))


def limit_length(video: np.ndarray, max_frames: int) -> np.ndarray:
    """Leaves out frames, evenly, so that at most `max_frames` remain."""
    stride = -(-len(video) // max_frames)
    return video[::stride]


def _frame_grid(frames: np.ndarray, seen: bool, separator: int) -> np.ndarray:
    """Lays frames `[R, N, H, W, 3]` out as one image with lines around."""
    rows, columns, height, width, _ = frames.shape
    image = np.empty(
        (
            rows * (height + separator) + separator,
            columns * (width + separator) + separator,
            3,
        ),
        np.uint8,
    )
    image[:] = SEEN if seen else UNSEEN
    for row, column in np.ndindex(rows, columns):
        top = separator + row * (height + separator)
        left = separator + column * (width + separator)
        image[top : top + height, left : left + width] = frames[row, column]
    return image


def _index_colors(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns indices `[T, H, W]` into a palette `[N, 3]`, both uint8."""
    # Colours that agree in five bits per channel become one, their mean.
    bins = (frames[..., 0] >> 3).astype(np.uint16) << 10
    bins |= (frames[..., 1] >> 3).astype(np.uint16) << 5
    bins |= frames[..., 2] >> 3
    flat = bins.ravel().astype(np.intp)
    counts = np.bincount(flat, minlength=1 << 15)
    used = np.flatnonzero(counts)
    sums = [
        np.bincount(flat, frames[..., channel].ravel(), 1 << 15)[used]
        for channel in range(3)
    ]
    colors = np.stack(sums, -1) / counts[used, None]
    colors = np.rint(colors).astype(np.float32)  # [C, 3]
    palette = _choose_palette(colors, counts[used])
    # The square of the distance, but for what all entries have in common.
    centers = palette.astype(np.float32)
    distances = (centers**2).sum(-1) - 2 * colors @ centers.T
    table = np.zeros(1 << 15, np.uint8)
    table[used] = distances.argmin(-1)
    return table[bins], palette


def _choose_palette(colors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Chooses at most 256 colours, uint8 `[N, 3]`, that stand for many."""
    colors = colors.astype(np.uint8)
    if len(colors) <= _NUM_COLORS:
        return colors
    # The root keeps large backgrounds from taking all colours, so that small
    # things, which are what moves, keep theirs.
    pixels = colors.repeat(np.ceil(np.sqrt(counts)).astype(int), 0)
    image = Image.fromarray(pixels[None]).quantize(
        _NUM_COLORS, Image.Quantize.MEDIANCUT
    )
    return np.array(image.getpalette(), np.uint8).reshape(-1, 3)


def _check_video(name: str, video: np.ndarray) -> np.ndarray:
    video = np.asarray(video)
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
        raise ValueError(
            f"{name} is {video.dtype} {list(video.shape)}, but a video is"
            " uint8 [T, H, W, 3]."
        )
    if not video.size:
        raise ValueError(f"{name} is empty: {list(video.shape)}.")
    return video


def _check_equal(
    name: str, videos: Sequence[np.ndarray], rank: int = 4
) -> np.ndarray:
    shapes = sorted({np.shape(video) for video in videos})
    if len(shapes) != 1 or len(shapes[0]) != rank:
        raise ValueError(
            f"{name} have the shapes {[list(s) for s in shapes]}, but need one"
            f" in common, {'[N, ' if rank == 5 else '['}T, H, W, 3]."
        )
    return np.stack([_check_uint8(name, video) for video in videos])


def _check_uint8(name: str, video: np.ndarray) -> np.ndarray:
    video = np.asarray(video)
    if video.dtype != np.uint8:
        raise ValueError(f"{name} are {video.dtype}, but have to be uint8.")
    return video
