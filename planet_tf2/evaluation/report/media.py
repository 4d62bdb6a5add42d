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


def picture(content: bytes, description: str, caption: str = "") -> Picture:
    """Makes a picture of what is in a GIF or PNG file."""
    with Image.open(io.BytesIO(content)) as image:
        (width, height), still = image.size, content
        if image.format == "GIF":
            still = png(np.asarray(image.convert("RGB")))
    addresses = _address(content), _address(still)
    return Picture(*addresses, width, height, description, caption)


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
    room = max_bytes - len(png(frames[0]))  # That is in the page, too.
    for smaller in _candidates(content, frames, duration):
        if len(smaller) <= room:
            return picture(smaller, description, caption)
    return None


def png(pixels: np.ndarray) -> bytes:
    """Encodes pixels, uint8 `[H, W, 3]`, in at most 256 colours."""
    return video.encode_png(pixels, choose_palette(pixels))


def _address(content: bytes) -> str:
    kind = "gif" if content.startswith(b"GIF") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


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
    yield png(frames[0])
