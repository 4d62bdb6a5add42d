"""Videos as MP4 files, for players that do not like GIFs."""

import os

import imageio.v3 as imageio
import numpy as np

from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.video import UNSEEN, check_video

# Most players refuse odd widths and heights: those get a dark line more.
_MAKE_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=#{:02x}{:02x}{:02x}"


def write_mp4(
    path: str | os.PathLike[str], frames: np.ndarray, fps: float = 20
) -> None:
    """Writes a video so that readers see the old or the new file, whole.

    Args:
      path: file to write; its folder exists.
      frames: uint8 `[T, H, W, 3]`.
      fps: frames per second, above 0.

    Raises:
      ValueError: the frames are no video, or `fps` is out of range.
    """
    frames = check_video(frames)
    if not fps > 0:
        raise ValueError(f"fps is {fps!r}, but must be above 0.")
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
