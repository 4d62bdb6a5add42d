"""Stored images as a model should predict them at best, and their variance."""

from collections.abc import Iterable, Sequence

import gymnasium
import numpy as np

_COLORS = 3


def is_image(space: gymnasium.Space) -> bool:
    """Whether what is observed is an image, and no vector."""
    return space.dtype == np.uint8 and len(space.shape) == 3


def beside(images: Sequence[np.ndarray]) -> np.ndarray:
    """Lays images beside each other, as one.

    Args:
      images: at least one, `[..., H, W, C]` of one height. Of others than three
        channels, the last three are shown, or the last one as grey.

    Returns:
      `[..., H, W, 3]` with the sum of the widths.
    """
    shown = [
        image[..., -_COLORS:]
        if image.shape[-1] >= _COLORS
        else np.repeat(image[..., -1:], _COLORS, -1)
        for image in images
    ]
    return shown[0] if len(shown) == 1 else np.concatenate(shown, -2)


def true_image(image: np.ndarray, bits: int) -> np.ndarray:
    """Returns stored images as the model should predict them at best.

    They are quantised to so many bits, without the noise that the model sees on
    top: each level is at its centre, the mean over that noise.

    Args:
      image: uint8 `[...]`.
      bits: bits per colour.

    Returns:
      Images, float32 `[...]` in -0.5 to 0.5.
    """
    level = (image >> (8 - bits)).astype(np.float32)
    return (level + 0.5) / 2**bits - 0.5


def half_variance(videos: Iterable[np.ndarray], bits: int) -> float:
    """Returns half the variance of all frames, summed over pixels.

    That is the image loss without its constant of a model that always paints
    the mean frame.

    Args:
      videos: at least one, uint8 `[T, H, W, 3]`.
      bits: bits per colour that the model sees.
    """
    count, total, squares = 0, 0.0, 0.0
    for video in videos:
        image = true_image(video, bits)
        count += len(image)
        total = total + image.sum(0, dtype=np.float64)
        squares = squares + np.square(image).sum(0, dtype=np.float64)
    variance = squares / count - np.square(total / count)
    return float(np.maximum(variance, 0).sum() / 2)
