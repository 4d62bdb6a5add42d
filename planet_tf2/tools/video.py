"""Videos as arrays: laid out for the eye, and encoded as GIF, MP4 and PNG.

A video is uint8 `[T, H, W, 3]`. Frames that a model sees before it predicts,
its context, have green lines around them, and its predictions dark ones.

GIF files and small PNG files have 256 colours. Pillow chooses them and looks
them up. Every colour has one stand-in, and nothing is dithered, so that what
does not move does not flicker either.
"""

import functools
import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from planet_tf2.tools.files import write_atomically

SEEN = (60, 200, 90)
UNSEEN = (24, 24, 32)
TEXT = (235, 235, 235)

_NUM_COLORS = 256
_APART = 8  # Palette colours keep this distance to those that are exact.

# Most players refuse odd widths and heights: those get a dark line more.
_MAKE_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=#{:02x}{:02x}{:02x}"

# Parsing the font takes longer than writing a word with it.
load_font = functools.cache(ImageFont.load_default)


def choose_palette(
    pixels: np.ndarray, exact: Sequence[tuple[int, int, int]] = ()
) -> Image.Image:
    """Chooses at most 256 colours to stand for all those of some pictures.

    Choosing takes longer than `to_images`. Pictures with much in common can
    share a palette, and a part of their pixels is enough to choose it.

    Args:
      pixels: uint8 `[..., 3]`.
      exact: colours `(red, green, blue)` to keep as they are.

    Returns:
      Image that has the palette.
    """
    pixels = np.reshape(pixels, [-1, 3])
    # Colours that agree in five bits per channel count as one.
    bins = pixels.astype(np.uint16) >> 3
    bins = bins[:, 0] << 10 | bins[:, 1] << 5 | bins[:, 2]
    _, inverse, counts = np.unique(
        bins, return_inverse=True, return_counts=True
    )
    sums = [np.bincount(inverse, channel) for channel in pixels.T]
    means = np.rint(np.stack(sums, -1) / counts[:, None]).astype(np.uint8)
    # The root keeps large backgrounds from taking all colours, so that small
    # things, which are what moves, keep theirs.
    weights = np.ceil(np.sqrt(counts)).astype(int)
    picture = Image.fromarray(means.repeat(weights, 0)[None])
    picture = picture.quantize(
        _NUM_COLORS - len(exact), Image.Quantize.MEDIANCUT, kmeans=1
    )
    chosen = np.reshape(picture.getpalette(), [-1, 3])
    kept = np.reshape(np.array(exact, int), [-1, 3])
    distances = np.abs(chosen[:, None] - kept).max(-1)  # [chosen, exact]
    chosen = chosen[(distances >= _APART).all(-1)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        np.concatenate([kept, chosen]).astype(np.uint8).tobytes()
    )
    return palette


def to_images(frames: np.ndarray, palette: Image.Image) -> list[Image.Image]:
    """Returns frames in the nearest colours of a palette, ready to be encoded.

    Args:
      frames: uint8 `[T, H, W, 3]`.
      palette: from `choose_palette`.
    """
    # In one picture, since Pillow prepares its search for each anew.
    length, height, width, _ = frames.shape
    tall = Image.fromarray(np.reshape(frames, [-1, width, 3]))
    tall = tall.quantize(palette=palette, dither=Image.Dither.NONE)
    return [
        tall.crop((0, top, width, top + height))
        for top in range(0, length * height, height)
    ]


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
