"""Pictures inside of a page, no larger than there is room for."""

import base64
import io
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageSequence

from planet_tf2.tools import video
from planet_tf2.tools.palette import choose_palette


class Picture(NamedTuple):
    """A picture that is part of the page, with a text to be read instead.

    Its `source` is a `data:` address, and `still` that of the first frame, for
    those who want nothing to move. Sizes are in pixels.
    """

    source: str
    still: str
    width: int
    height: int
    description: str
    caption: str


def animation(
    path: pathlib.Path, max_bytes: int, description: str, caption: str = ""
) -> Picture | None:
    """Reads an animation and makes it small enough.

    Returns:
      The picture, or None if there is none, it is damaged, or not even a
      single frame fits.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            duration = image.info.get("duration") or 100
            frames = np.stack(
                [
                    np.asarray(x.convert("RGB"))
                    for x in ImageSequence.Iterator(image)
                ]
            )
    except (OSError, ValueError, SyntaxError):
        return None
    still = _png(frames[0])
    for source in _candidates(content, frames, duration):
        if len(source) + len(still) <= max_bytes:
            return _picture(source, still, frames, description, caption)
    return None


def image(pixels: np.ndarray, description: str, caption: str = "") -> Picture:
    """Makes a picture of pixels, uint8 `[H, W, 3]`."""
    png = _png(pixels)
    return _picture(png, png, pixels[None], description, caption)


def movie(
    frames: np.ndarray, fps: float, description: str, caption: str = ""
) -> Picture:
    """Makes an animation of frames, uint8 `[T, H, W, 3]`."""
    still = _png(frames[0])
    gif = video.encode_gif(frames, fps)
    return _picture(gif, still, frames, description, caption)


def _picture(
    source: bytes,
    still: bytes,
    frames: np.ndarray,
    description: str,
    caption: str,
) -> Picture:
    kind = "gif" if source.startswith(b"GIF") else "png"
    height, width = frames.shape[1:3]
    return Picture(
        f"data:image/{kind};base64,{base64.b64encode(source).decode()}",
        f"data:image/png;base64,{base64.b64encode(still).decode()}",
        width,
        height,
        description,
        caption,
    )


def _candidates(
    content: bytes, frames: np.ndarray, duration: float
) -> Iterator[bytes]:
    """Yields smaller and smaller versions; the last one does not move."""
    yield content
    for max_frames in (120, 60, 30, 15):
        if max_frames < len(frames):
            chosen = video.limit_length(frames, max_frames)
            slower = duration * len(frames) / len(chosen)
            yield video.encode_gif(chosen, min(50.0, 1000 / slower))
    yield _png(frames[0])


def _png(pixels: np.ndarray) -> bytes:
    return video.encode_png(pixels, choose_palette(pixels))
