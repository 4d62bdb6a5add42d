"""The 256 colours of GIF files and of small PNG files.

Pillow chooses them and looks them up. Every colour has one stand-in, and
nothing is dithered, so that what does not move does not flicker either.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

_NUM_COLORS = 256
_APART = 8  # Palette colours keep this distance to those that are exact.


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
