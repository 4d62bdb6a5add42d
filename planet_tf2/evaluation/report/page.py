"""Pages that need nothing but themselves: templates, and pictures in them."""

import base64
import datetime
import io
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jinja2
import numpy as np
from markupsafe import Markup, escape
from PIL import Image, ImageSequence

from planet_tf2.tools import video
from planet_tf2.version import __version__


class Chart(NamedTuple):
    """A chart of a page: the drawing as SVG, and what is written below."""

    svg: str
    caption: str = ""


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


def render(template: str, content: Mapping[str, Any]) -> str:
    """Returns a page of a file in `templates/` and what it shows.

    Everything from outside is escaped; drawings, which are our own, are not.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planet_tf2.evaluation.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "time": time,
        "percent": percent,
        "drawing": Markup,
        "codes": codes,
    }
    now = datetime.datetime.now(datetime.UTC)
    made = {"version": __version__, "made": f"{now:%Y-%m-%d %H:%M} UTC"}
    return environment.get_template(template).render({**made, **content})


def number(value: float | None, digits: int = 1) -> str:
    """Writes a number, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """Writes a part of 1 in percent."""
    return "–" if value is None else f"{100 * value:.0f}%"


def time(hours: float | None) -> str:
    """Writes a time in the unit that suits it."""
    if hours is None:
        return "–"
    seconds = 3600 * hours
    for limit, size, unit in ((100, 1, "s"), (6000, 60, "min")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def codes(text: str) -> Markup:
    """Escapes a text, and shows what is between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


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
    return video.encode_png(pixels, video.choose_palette(pixels))


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
