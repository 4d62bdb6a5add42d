"""Pictures inside of a page, no larger than there is room for."""

import base64
import io
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageSequence

from planet_tf2.tools import video

_SMALL_FPS = 10


class Picture(NamedTuple):
    """A picture that is part of the page.

    Attributes:
      source: `data:` address of the picture.
      still: that of its first frame, for those who want nothing to move.
      width, height: in pixels.
      description: what is to be seen, for those who do not see it.
      caption: what is written below.
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
            size = image.size
            first = _png(np.asarray(image.convert("RGB")))
            for candidate in _candidates(content, image, first):
                if len(candidate) + len(first) <= max_bytes:
                    break
            else:
                return None
    except (OSError, ValueError, SyntaxError):
        return None
    kind = "gif" if candidate.startswith(b"GIF") else "png"
    return Picture(
        address(candidate, kind),
        address(first, "png"),
        *size,
        description,
        caption,
    )


def image(pixels: np.ndarray, description: str, caption: str = "") -> Picture:
    """Makes a picture of pixels, uint8 `[H, W, 3]`."""
    source = address(video.encode_png(pixels, reduce_colors=True), "png")
    height, width = pixels.shape[:2]
    return Picture(source, source, width, height, description, caption)


def movie(
    frames: np.ndarray, fps: float, description: str, caption: str = ""
) -> Picture:
    """Makes an animation of frames, uint8 `[T, H, W, 3]`."""
    source = address(video.encode_gif(frames, fps), "gif")
    still = address(video.encode_png(frames[0], reduce_colors=True), "png")
    height, width = frames.shape[1:3]
    return Picture(source, still, width, height, description, caption)


def address(content: bytes, kind: str) -> str:
    """Returns a `data:` address."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _candidates(
    content: bytes, image: Image.Image, first: bytes
) -> Iterator[bytes]:
    """Yields smaller and smaller versions; the last one does not move."""
    yield content
    frames = np.stack(
        [
            np.asarray(frame.convert("RGB"))
            for frame in ImageSequence.Iterator(image)
        ]
    )
    duration = image.info.get("duration") or 1000 / _SMALL_FPS
    for max_frames in (120, 60, 30, 15):
        if max_frames < len(frames):
            chosen = video.limit_length(frames, max_frames)
            slower = duration * len(frames) / len(chosen)
            yield video.encode_gif(chosen, min(50.0, 1000 / slower))
    yield first


def _png(pixels: np.ndarray) -> bytes:
    return video.encode_png(pixels, reduce_colors=True)
