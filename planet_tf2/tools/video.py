"""Videos as arrays: laid out for the eye, and encoded as GIF, MP4 and PNG.

A video is uint8 `[T, H, W, 3]`. Frames that a model sees before it predicts,
its context, have green lines around them, and its predictions dark ones.
"""

import functools
import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.palette import choose_palette, to_images

SEEN = (60, 200, 90)
UNSEEN = (24, 24, 32)
TEXT = (235, 235, 235)

# Most players refuse odd widths and heights: those get a dark line more.
_MAKE_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=#{:02x}{:02x}{:02x}"

# Parsing the font takes longer than writing a word with it.
load_font = functools.cache(ImageFont.load_default)


def encode_gif(
    frames: np.ndarray, fps: float = 20, palette: Image.Image | None = None
) -> bytes:
    """Encodes a video as an endlessly repeating GIF.

    Args:
      frames: uint8 `[T, H, W, 3]`.
      fps: frames per second, at most 50: browsers play more far too slowly.
      palette: of the frames; by default the best for their colours.

    """
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


def encode_png(image: np.ndarray, palette: Image.Image | None = None) -> bytes:
    """Encodes an image as a PNG.

    Args:
      image: uint8 `[H, W, 3]`.
      palette: colours to make do with, which takes less than half the space.
    """
    encodable = Image.fromarray(image)
    if palette is not None:
        (encodable,) = to_images(image[None], palette)
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


def write_mp4(
    path: str | os.PathLike[str], frames: np.ndarray, fps: float = 20
) -> None:
    """Writes an MP4, for players that do not like GIFs; see `write_gif`."""
    # Takes a while, and few need it.
    import imageio.v3 as imageio

    encoded = imageio.imwrite(
        "<bytes>",
        frames,
        plugin="FFMPEG",
        extension=".mp4",
        fps=fps,
        codec="libx264",
        quality=8,
        macro_block_size=1,
        ffmpeg_log_level="error",
        output_params=["-vf", _MAKE_EVEN.format(*UNSEEN)],
    )
    write_atomically(path, encoded)


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
    rows = np.stack(videos)[:, None, ::stride]
    seen = -(-context // stride)
    columns = list(side_by_side(*rows, context=seen, separator=separator))
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
    videos = np.stack(rows)  # [R, N, T, H, W, 3]
    height, width = videos.shape[3:5]
    down, right = height + separator, width + separator
    shape = (
        videos.shape[2],
        videos.shape[0] * down + separator,
        videos.shape[1] * right + separator,
        3,
    )
    result = np.full(shape, UNSEEN, np.uint8)
    result[:context] = SEEN
    for row, column in np.ndindex(videos.shape[:2]):
        top, left = separator + row * down, separator + column * right
        result[:, top : top + height, left : left + width] = videos[row, column]
    return result


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
      Video, uint8 `[T, H + U, W + M, 3]`, with a caption of U pixels and a
      margin of M pixels.
    """
    font = load_font(12)
    margin = 12 + int(max(map(font.getlength, labels)))
    top = 22 if len(captions) else 0
    result = np.pad(video, ((0, 0), (top, 0), (margin, 0), (0, 0)))
    image = Image.new("RGB", result.shape[2:0:-1], UNSEEN)
    draw = ImageDraw.Draw(image)
    for row, label in enumerate(labels):
        place = (margin - 6, top + (row + 0.5) * video.shape[1] / len(labels))
        draw.text(place, label, TEXT, font, anchor="rm")
    result[:, :, :margin] = np.asarray(image)[:, :margin]
    for frame, caption in zip(result, captions, strict=False):
        draw.rectangle((0, 0, image.width, top - 1), UNSEEN)
        draw.text((margin, top / 2), caption, TEXT, font, anchor="lm")
        frame[:top] = np.asarray(image)[:top]
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
