"""Turns image strips, with time to the right, back to videos.

Such strips are what TensorBoard shows: those of this program, whose frames have
lines around them, and those of the original, whose frames touch.
"""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from planet_tf2.data.run_folder import make_folder
from planet_tf2.tools import video

_LINES = np.array([video.SEEN, video.UNSEEN], np.uint8)


def create_videos(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    fps: float = 10,
    rows: int | None = None,
    scale: int = 1,
    frame_size: Sequence[int] | None = None,
) -> None:
    """Turns strips to videos, one for each.

    Args:
      paths: PNG files, or folders of them.
      out: file to write; of several strips a folder, for GIF files.
      fps: frames per second.
      rows: rows of a strip that stay below each other; each so many more go to
        the right of them. By default all stay below each other.
      scale: times to enlarge the frames.
      frame_size: see `cut_strip`.

    Raises:
      ValueError: a path or an argument does not fit.
    """
    found = find_strips(paths)
    out = pathlib.Path(out)
    single = len(found) == 1 and not (out.is_dir() or not out.suffix)
    if out.suffix not in ((".gif", ".mp4") if single else ("",)):
        raise ValueError(
            f"--out is {out}, but must be a folder, or for a single strip a "
            f"file that ends in .gif or .mp4. Strips: {len(found)}."
        )
    for source in found:
        target = out if single else out / f"{source.stem}.gif"
        try:
            with Image.open(source) as image:
                pixels = np.asarray(image.convert("RGB"))
            videos, context = cut_strip(pixels, frame_size)
        except (OSError, ValueError) as error:
            raise ValueError(f"{source} is no strip: {error}") from None
        count, length = videos.shape[:2]
        height = rows or count
        if count % height:
            raise ValueError(
                f"The strip has {count} rows, which cannot be laid out in "
                f"columns of {height}. Choose a --rows that divides {count}."
            )
        # Row r of the layout has the videos r, r + height, ...
        layout = [videos[row::height] for row in range(height)]
        frames = video.side_by_side(*layout, context=context)
        make_folder(target.parent)
        write = video.write_gif if target.suffix == ".gif" else video.write_mp4
        write(target, video.enlarge(frames, scale), fps)
        print(f"{target}: {length} frames of {count} rows")


def find_strips(paths: Sequence[str | os.PathLike[str]]) -> list[pathlib.Path]:
    """Returns the PNG files among files and in folders.

    Of a folder in which some have a name with `strip`, as TensorBoard's have
    that are strips, the others are left out.

    Raises:
      ValueError: there is none in a folder.
    """
    found: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        inside = sorted(path.glob("*.png")) if path.is_dir() else [path]
        found += [p for p in inside if "strip" in p.name] or inside
        if not inside:
            raise ValueError(
                f"There is no PNG file in the folder {path}. "
                "scripts/fetch_events.py --type image writes some."
            )
    if not found:
        raise ValueError("Name a PNG file, or a folder of some.")
    return list(dict.fromkeys(found))


def cut_strip(
    pixels: np.ndarray, frame_size: Sequence[int] | None = None
) -> tuple[np.ndarray, int]:
    """Cuts a strip, uint8 `[H, W, 3]`, into its frames.

    Args:
      pixels: the strip.
      frame_size: height and width of the frames. By default the lines around
        them tell; where there are none, frames are as high and wide as they
        can be at the same time, at most 64 pixels.

    Returns:
      Videos, uint8 `[N, T, H, W, 3]`, one for each row; and the number of
      frames that are marked as seen.

    Raises:
      ValueError: it does not consist of such frames.
    """
    on_line = (pixels[:, :, None] == _LINES).all(-1).any(-1)  # [H, W]
    rows, columns = _between(on_line.all(1)), _between(on_line.all(0))
    if not (rows and columns):
        sides = (
            s for s in range(64, 7, -1) if not any(np.mod(on_line.shape, s))
        )
        height, width = frame_size or 2 * [next(sides, 0)]
        rows = _every(len(pixels), height)
        columns = _every(pixels.shape[1], width)
    sizes = {(b - t, r - x) for t, b in rows for x, r in columns}
    expected = tuple(frame_size) if frame_size else None
    if len(sizes) != 1 or expected not in (None, *sizes) or len(columns) < 2:
        raise ValueError(
            f"{pixels.shape[1]} x {len(pixels)} pixels have frames of "
            f"{sorted(sizes) or 'no size'}, {len(columns)} in a row. Tell "
            "their height and width with --frame_size."
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
    return np.array(videos), sum(seen)


def _between(lines: np.ndarray) -> list[tuple[int, int]]:
    """Returns what lies between lines, `[L]`, if both ends are lines."""
    if not (lines[0] and lines[-1]):
        return []
    edges = np.flatnonzero(np.diff(lines.astype(int))) + 1
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _every(total: int, step: int) -> list[tuple[int, int]]:
    """Returns the parts of a length, or none if they leave a rest."""
    if not step or total % step:
        return []
    return [(start, start + step) for start in range(0, total, step)]
