"""Videos as MP4 files, for players that do not like GIFs."""

import contextlib
import os
import pathlib

import imageio.v2 as imageio
import numpy as np

from planet_tf2.tools.video import UNSEEN


def write_mp4(
    path: str | os.PathLike[str], frames: np.ndarray, fps: float = 20
) -> None:
    """Writes a video so that readers see the old or the new file, whole.

    Odd widths and heights, which most players refuse, get a dark line more.

    Args:
      path: file to write; its folder exists.
      frames: uint8 `[T, H, W, 3]`.
      fps: frames per second, above 0.

    Raises:
      ValueError: the frames are no video, or `fps` is out of range.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(
            f"frames is {frames.dtype} {list(frames.shape)}, but a video is"
            " uint8 [T, H, W, 3]."
        )
    if not frames.size:
        raise ValueError(f"frames is empty: {list(frames.shape)}.")
    if not fps > 0:
        raise ValueError(f"fps is {fps!r}, but must be above 0.")
    path = pathlib.Path(path)
    # The end of the name tells the format.
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.mp4")
    try:
        with imageio.get_writer(
            temporary,
            fps=fps,
            codec="libx264",
            quality=8,
            macro_block_size=1,
            ffmpeg_log_level="error",
        ) as writer:
            for frame in _make_even(frames):
                writer.append_data(frame)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _make_even(frames: np.ndarray) -> np.ndarray:
    length, height, width, _ = frames.shape
    even = np.empty((length, height + height % 2, width + width % 2, 3), "u1")
    even[:] = UNSEEN
    even[:, :height, :width] = frames
    return even
