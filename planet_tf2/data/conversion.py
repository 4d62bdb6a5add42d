"""Arrays as other programs store them, where they can mean one thing only."""

from typing import Any, NamedTuple

import numpy as np


class StepType(NamedTuple):
    """What an array holds for each time step."""

    dtype: Any
    shape: tuple[int, ...] = ()
    finite: bool = True  # Whether floats have to be.


def fit(entry: Any, steps: int, wanted: StepType) -> np.ndarray:
    """Converts an array.

    Numbers get another type where that keeps their values, but for rounding;
    images are also made of floats from 0 to 1. Axes of length 1 do not matter.
    Images may have their channels first, or be grey. One-hot vectors become
    whole numbers, and these become such vectors.

    Args:
      entry: an array `[steps, ...]`, or what `np.asarray` makes one of, with
        its `shape` and `dtype`. It is only read if these can be converted.
      steps: length of the first axis.
      wanted: what it is to be.

    Raises:
      ValueError: that is not possible. Says what there is, and what is needed.
    """
    dtype = np.dtype(wanted.dtype)
    problem = ""
    if entry.dtype.kind in "biuf" and entry.shape[:1] == (steps,):
        array = _reshape(entry, wanted)
        if array is not None:
            array, problem = _cast(array, dtype, wanted.finite)
            if not problem:
                return np.ascontiguousarray(array)
    needed = f"{dtype} of shape {[steps, *wanted.shape]}"
    if dtype == np.uint8:
        needed += ", or floats from 0 to 1,"
    elif dtype.kind == "f":
        needed = f"finite {needed}"
    hint = "" if problem else " (is it of another task or program?)"
    raise ValueError(
        f"{entry.dtype} of shape {list(entry.shape)}{problem}, but {needed} is"
        f" needed{hint}"
    )


def one_hots(array: np.ndarray) -> bool:
    """Whether all rows of `[steps, n]` are one-hot, but for the first."""
    ones = (array == 1).sum(-1) == 1
    zeros = (array == 0).sum(-1) == array.shape[-1] - 1
    return bool((ones & zeros)[1:].all())


def _reshape(entry: Any, kind: StepType) -> np.ndarray | None:
    steps, *shape = entry.shape
    wanted = kind.shape
    sizes = [size for size in shape if size != 1]
    if sizes == [size for size in wanted if size != 1]:
        return np.asarray(entry).reshape(steps, *wanted)
    if len(wanted) == 3 and wanted[-1] == 3:
        if shape == [3, *wanted[:-1]]:
            return np.moveaxis(np.asarray(entry), 1, -1)
        if sizes == list(wanted[:-1]):
            grey = np.asarray(entry).reshape(steps, *sizes, 1)
            return grey.repeat(3, -1)
    is_choice = not shape and entry.dtype.kind in "iu"
    if is_choice and len(wanted) == 1 and np.dtype(kind.dtype).kind == "f":
        array = np.asarray(entry)
        if 0 <= array.min() <= array.max() < wanted[0]:
            array = np.eye(wanted[0], dtype=np.float32)[array]
            array[0] = 0  # As of what nobody did before a reset.
            return array
    if len(shape) == 1 and not wanted and np.dtype(kind.dtype).kind in "iu":
        array = np.asarray(entry)
        return array.argmax(-1) if one_hots(array) else None
    return None


def _cast(
    array: np.ndarray, wanted: np.dtype, finite_only: bool
) -> tuple[np.ndarray, str]:
    """Returns values of a type, and what is wrong with them, if anything."""
    if array.dtype == wanted != np.float32 or not finite_only:
        return array.astype(wanted, copy=False), ""
    finite = np.isfinite(array)
    if not finite.all():
        step = np.argwhere(~finite)[0][0]
        return array, f" that is not finite at time step {step}"
    if array.dtype == wanted or not array.size:
        return array.astype(wanted, copy=False), ""
    low, high = float(array.min()), float(array.max())
    kind = array.dtype.kind
    if wanted == np.uint8 and kind in "bf" and 0 <= low <= high <= 1:
        return np.rint(array.astype(np.float32) * 255).astype(wanted), ""
    least, most = 0, 1
    if wanted.kind != "b":
        limits = np.finfo(wanted) if wanted.kind == "f" else np.iinfo(wanted)
        least, most = float(limits.min), float(limits.max)
    if not least <= low <= high <= most:
        return array, f" with values from {low:g} to {high:g}"
    if "f" == kind != wanted.kind and (array != np.rint(array)).any():
        return array, " with fractions"
    return array.astype(wanted), ""
