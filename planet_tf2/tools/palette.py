"""Pictures with few colours, as GIF has them, and as small PNG files."""

import numpy as np
from PIL import Image

_NUM_COLORS = 256
# Colours that agree in five bits per channel count as one.
_NUM_BINS = 1 << 15


class Palette:
    """At most 256 colours that stand for all those of some pictures.

    Every colour has one stand-in, and nothing is dithered, so that what does
    not move does not flicker either. Choosing the colours takes longer than
    using them: pictures with much in common can share a palette, and it can be
    chosen from some of their frames.

    Args:
      frames: pictures to choose the colours for, uint8 `[..., H, W, 3]`.
      exact: colours to keep as they are, each `(red, green, blue)`.

    Attributes:
      colors: uint8 `[N, 3]`.
    """

    def __init__(
        self,
        frames: np.ndarray,
        exact: tuple[tuple[int, int, int], ...] = (),
    ):
        pixels = np.asarray(frames).reshape(-1, 3)
        bins = _bins(pixels)
        # One of the colours of each bin stands for the others.
        self._examples = _centers(np.arange(_NUM_BINS))
        for channel in range(3):
            self._examples[:, channel][bins] = pixels[:, channel]
        counts = np.bincount(bins, minlength=_NUM_BINS)
        used = np.flatnonzero(counts)
        chosen = _choose(
            self._examples[used], counts[used], _NUM_COLORS - len(exact)
        )
        exact_colors = np.array(exact, np.uint8).reshape(-1, 3)
        self.colors = np.concatenate([exact_colors, chosen])
        self._table = np.zeros(_NUM_BINS, np.uint8)
        self._known = np.zeros(_NUM_BINS, bool)
        self._learn(used)
        for position, color in enumerate(exact_colors):
            self._table[_bins(color)] = position
            self._known[_bins(color)] = True

    def index(self, frames: np.ndarray) -> np.ndarray:
        """Returns the positions in `colors`, uint8 `[...]`, of `[..., 3]`."""
        bins = _bins(frames)
        seen = np.zeros(_NUM_BINS, bool)
        seen[bins] = True
        new = np.flatnonzero(seen & ~self._known)
        if len(new):
            self._learn(new)
        return self._table[bins]

    def images(self, frames: np.ndarray) -> list[Image.Image]:
        """Returns pictures that can be encoded.

        Args:
          frames: uint8 `[T, H, W, 3]`, or positions in `colors`, `[T, H, W]`.
        """
        indices = self.index(frames) if frames.ndim == 4 else frames
        images = [Image.fromarray(image) for image in indices]
        for image in images:
            image.putpalette(self.colors.tobytes())
        return images

    def _learn(self, bins: np.ndarray) -> None:
        """Chooses the nearest colour for those of some bins, `[N]`."""
        colors = self._examples[bins].astype(np.float32)
        centers = self.colors.astype(np.float32)
        # The square of the distance, but for what all entries have in common.
        distances = (centers**2).sum(-1) - 2 * colors @ centers.T
        self._table[bins] = distances.argmin(-1)
        self._known[bins] = True


def _bins(colors: np.ndarray) -> np.ndarray:
    """Numbers colours `[..., 3]` by their upper five bits, `[...]`."""
    bins = (colors[..., 0] >> 3).astype(np.uint16) << 10
    bins |= (colors[..., 1] >> 3).astype(np.uint16) << 5
    bins |= colors[..., 2] >> 3
    return bins


def _centers(bins: np.ndarray) -> np.ndarray:
    """Returns the middle colour of bins `[N]`, uint8 `[N, 3]`."""
    parts = [bins >> 10, bins >> 5 & 31, bins & 31]
    return (np.stack(parts, -1) * 8 + 4).astype(np.uint8)


def _choose(colors: np.ndarray, counts: np.ndarray, amount: int) -> np.ndarray:
    """Chooses at most `amount` colours, uint8 `[N, 3]`, to stand for many."""
    if len(colors) <= amount:
        return colors
    # The root keeps large backgrounds from taking all colours, so that small
    # things, which are what moves, keep theirs.
    pixels = colors.repeat(np.ceil(np.sqrt(counts)).astype(int), 0)
    image = Image.fromarray(pixels[None]).quantize(
        amount, Image.Quantize.MEDIANCUT
    )
    return np.array(image.getpalette(), np.uint8).reshape(-1, 3)
