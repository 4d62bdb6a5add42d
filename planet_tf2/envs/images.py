"""The forms in which environments observe images, told by their spaces."""

from collections.abc import Callable
from typing import NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import InterfaceError

# Fewer pixels or more channels may well be something else than an image.
_SMALLEST_SIDE = 16
_MOST_CHANNELS = 16


class Form(NamedTuple):
    """How to read an image.

    Attributes:
      what: What of it is taken, in words, or ''.
      read: Returns uint8 `[h, w]` or `[h, w, 1 or 3]` of a value of the space.
    """

    what: str
    read: Callable[[np.ndarray], np.ndarray]


def find_form(space: gymnasium.Space, named: bool = True) -> Form | None:
    """Returns how to read the images of a space, or None if it is not clear.

    Of a stack of frames the newest is taken, which is the last.

    Args:
      space: What an environment observes.
      named: Whether it is called an image. Otherwise it may be a table.
    """
    if not isinstance(space, spaces.Box) or 0 in space.shape:
        return None
    is_byte = space.dtype == np.uint8
    bounds = float(space.low.min()), float(space.high.max())
    scale = 255 if bounds == (0, 1) else 1
    found = _layout(space.shape)
    if found is None or scale == 1 and bounds != (0, 255) and not is_byte:
        return None
    if not (is_byte or named):
        is_table = len(space.shape) == 2 and scale != 1
        if is_table or sorted(space.shape)[-2] < _SMALLEST_SIDE:
            return None
    what, pick = found

    def read(value: np.ndarray) -> np.ndarray:
        frame = pick(value)
        if is_byte and scale == 1:
            return frame
        if not np.isfinite(frame).all():
            raise InterfaceError(
                "The environment returned an image with values that are not"
                " finite."
            )
        return np.clip(np.rint(frame * scale), 0, 255).astype(np.uint8)

    return Form(what, read)


def _layout(
    shape: tuple[int, ...],
) -> tuple[str, Callable[[np.ndarray], np.ndarray]] | None:
    """Tells in words and by a function what of an array is the frame."""
    if len(shape) == 2 or len(shape) == 3 and shape[2] in (1, 3):
        return "", lambda value: value
    if len(shape) == 4:
        newest = f"the last of {shape[0]} frames"
        # The fourth channel would tell how opaque it is.
        if shape[3] in (1, 3, 4) and _are_channels(shape[3], shape[1:3]):
            return newest, lambda value: value[-1, ..., :3]
        if shape[1] in (1, 3) and _are_channels(shape[1], shape[2:]):
            return newest, lambda value: np.moveaxis(value[-1], 0, -1)
    if len(shape) != 3:
        return None
    first, last = shape[0], shape[2]
    if last % 3 == 0 and _are_channels(last, shape[:2]):
        return f"the last of {last // 3} frames", lambda value: value[..., -3:]
    if not _are_channels(first, shape[1:]):
        return None
    size = 1 if first % 3 else 3
    newest = f"the last of {first // size} frames" if first > size else ""
    return newest, lambda value: np.moveaxis(value[-size:], 0, -1)


def _are_channels(number: int, sides: tuple[int, ...]) -> bool:
    smallest = max(_SMALLEST_SIDE, number + 1)
    return number <= _MOST_CHANNELS and min(sides) >= smallest
