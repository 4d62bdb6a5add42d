"""Turns image strips, with time to the right, back to videos.

Such strips are what TensorBoard shows: those of this program, whose frames have
lines around them, and those of the original, whose frames touch.
"""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from planet_tf2.data.run_folder import RunFolderError, make_folder
from planet_tf2.tools import movie, video

_LINES = np.array([video.SEEN, video.UNSEEN], np.uint8)

# Beginnings and ends, in pixels.
_Spans = list[tuple[int, int]]


class StripError(RunFolderError):
    """A picture that is no strip. The message fits in one line."""


class Strip(NamedTuple):
    """A strip cut into its frames.

    Attributes:
      videos: uint8 `[N, T, H, W, 3]`, one for each row.
      context: number of frames that are marked as seen.
    """

    videos: np.ndarray
    context: int


def find_strips(paths: Sequence[str | os.PathLike[str]]) -> list[pathlib.Path]:
    """Returns the PNG files among files and in folders.

    Of a folder in which some have a name with `strip`, as TensorBoard's have
    that are strips, the others are left out.

    Raises:
      StripError: there is none, or a path is something else.
    """
    found: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            found += _inside(path)
        elif path.exists():
            found.append(path)
        else:
            raise StripError(f"There is no file {path}.")
    if not found:
        raise StripError("Name a PNG file, or a folder of some.")
    return list(dict.fromkeys(found))


def read_strip(
    path: str | os.PathLike[str], frame_size: Sequence[int] | None = None
) -> Strip:
    """Reads a strip from a file.

    Args:
      path: file of the picture.
      frame_size: height and width of the frames. By default the lines around
        them tell; where there are none, frames are as high and wide as they
        can be at the same time, at most 64 pixels.

    Raises:
      StripError: the file is no picture, or does not consist of such frames.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        text = str(error) or type(error).__name__
        raise StripError(f"{path} is no picture: {text}.") from None
    try:
        return cut_strip(pixels, frame_size)
    except ValueError as error:
        raise StripError(f"{path}: {error}") from None


def cut_strip(
    pixels: np.ndarray, frame_size: Sequence[int] | None = None
) -> Strip:
    """Cuts a strip, uint8 `[H, W, 3]`, into its frames.

    Args:
      pixels: the strip.
      frame_size: see `read_strip`.

    Raises:
      ValueError: it does not consist of such frames.
    """
    on_line = (pixels[:, :, None] == _LINES).all(-1).any(-1)  # [H, W]
    rows, columns = _between(on_line.all(1)), _between(on_line.all(0))
    if not (rows and columns):
        height, width = frame_size or _guess_size(pixels.shape[:2])
        rows = _every(pixels.shape[0], height)
        columns = _every(pixels.shape[1], width)
    sizes = {(b - t, r - x) for t, b in rows for x, r in columns}
    if len(sizes) > 1 or (frame_size and sizes != {tuple(frame_size)}):
        raise ValueError(
            f"its frames have the sizes {sorted(sizes)}, but must have one in "
            f"common{f', {tuple(frame_size)}' if frame_size else ''}."
        )
    if len(columns) < 2:
        raise ValueError(
            f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels has a "
            f"single frame of {columns[0][1] - columns[0][0]} pixels per row, "
            "which makes no video. Tell the size with --frame_size."
        )
    videos = [
        [pixels[top:bottom, left:right] for left, right in columns]
        for top, bottom in rows
    ]
    # The line above a frame has the colour of what is seen.
    above = rows[0][0] - 1
    seen = [
        above >= 0 and tuple(pixels[above, left]) == video.SEEN
        for left, _ in columns
    ]
    return Strip(np.array(videos), sum(seen))


def create_videos(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    fps: float = 10,
    rows: int | None = None,
    scale: int = 1,
    frame_size: Sequence[int] | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Turns strips to videos, one for each.

    Args:
      paths: PNG files, or folders of them.
      out: file to write; of several strips a folder, for GIF files.
      fps: frames per second.
      rows: rows of a strip that stay below each other; each so many more go to
        the right of them. By default all stay below each other.
      scale: times to enlarge the frames.
      frame_size: see `read_strip`.
      report: shows a message.

    Raises:
      StripError: a path or an argument does not fit.
    """
    found = find_strips(paths)
    out = pathlib.Path(out)
    single = len(found) == 1 and not (out.is_dir() or not out.suffix)
    if single and out.suffix not in (".gif", ".mp4"):
        raise StripError(
            f"{out} ends in {out.suffix}, but a video ends in .gif or .mp4."
        )
    if not single and out.suffix:
        raise StripError(
            f"There are {len(found)} strips, but {out} is a single file. Name "
            "a folder with --out."
        )
    for source in found:
        target = out if single else out / f"{source.stem}.gif"
        strip = read_strip(source, frame_size)
        count, length = strip.videos.shape[:2]
        frames = _lay_out(strip, rows or count, scale)
        make_folder(target.parent)
        write = video.write_gif if target.suffix == ".gif" else movie.write_mp4
        write(target, frames, fps)
        report(f"{target}: {length} frames of {count} rows")


def _inside(folder: pathlib.Path) -> list[pathlib.Path]:
    found = sorted(folder.glob("*.png"))
    if found:
        return [path for path in found if "strip" in path.name] or found
    below = sorted(folder.rglob("*.png"))
    advice = "scripts/fetch_events.py --type image writes some."
    if below:
        advice = f"There are some in {below[0].parent}."
    raise StripError(f"There is no PNG file in the folder {folder}. {advice}")


def _lay_out(strip: Strip, height: int, scale: int) -> np.ndarray:
    """Returns the video `[T, H, W, 3]` with so many rows below each other."""
    amount = len(strip.videos)
    if amount % height:
        raise StripError(
            f"The strip has {amount} rows, which cannot be laid out in columns "
            f"of {height}. Choose a --rows that divides {amount}."
        )
    # Row r of the layout has the videos r, r + height, ...
    rows = [strip.videos[row::height] for row in range(height)]
    return video.enlarge(
        video.side_by_side(*rows, context=strip.context), scale
    )


def _between(lines: np.ndarray) -> _Spans:
    """Returns what lies between lines, `[L]`, if both ends are lines."""
    if not (lines[0] and lines[-1]):
        return []
    edges = np.flatnonzero(np.diff(lines.astype(int))) + 1
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _guess_size(shape: tuple[int, int]) -> tuple[int, int]:
    """Returns the largest side of at most 64 that divides both sides."""
    for side in range(64, 7, -1):
        if not shape[0] % side and not shape[1] % side:
            return side, side
    raise ValueError(
        f"{shape[1]} x {shape[0]} pixels cannot be cut into frames. Tell their "
        "size with --frame_size."
    )


def _every(total: int, step: int) -> _Spans:
    if total % step:
        raise ValueError(f"{total} pixels cannot be cut into frames of {step}.")
    return [(start, start + step) for start in range(0, total, step)]
