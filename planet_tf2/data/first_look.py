"""Tells of first episodes what keeps an agent from learning."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# A constant prediction of 64 x 64 pixels with that standard deviation, of 255,
# costs 1.5 nats.
_SPREAD = 4.0
_FRAMES = 20  # To look at.
_LARGE = 1000.0
_BOUNDED = ("truncated_normal", "tanh_normal")


def remarks(
    episode: Mapping[str, np.ndarray], params: Mapping[str, Any]
) -> list[str]:
    """Says what an agent cannot see or predict.

    Args:
      episode: Arrays `[T, ...]`: uint8 `image`, if there is one, the `reward`
        of one or several episodes without that of resets, and vectors.
      params: Parameters of the run, of which those matter that its agent has.
    """
    found = list(_reward_remarks(episode["reward"]))
    if "image" in episode:
        bits = params.get("image_bits", 8)
        found.insert(0, image_remark(episode["image"], bits))
    heads = {"reward": "reward_head"}
    if params.get("state_diagnostics"):
        for name, values in episode.items():
            if values.ndim > 1 and values.dtype.kind == "f":
                heads[name] = "state_head"
        heads.pop("action", None)
    for name, head in sorted(heads.items()):
        if params.get(f"{head}_dist") in _BOUNDED:
            bounds = params[f"{head}_bounds"]
            found.append(_bounds_remark(name, episode[name], head, bounds))
    return [text for text in found if text]


def image_remark(frames: np.ndarray, bits: int = 8) -> str:
    """Says that there is next to nothing to see in images, or returns ''.

    Args:
      frames: uint8 `[T, H, W, 3]` of an episode.
      bits: Bits per channel that the agent sees.
    """
    sample = frames[:: max(1, len(frames) // _FRAMES)]
    levels = sample.astype(np.int32) >> (8 - bits)
    colors = len(np.unique(levels @ np.array([65536, 256, 1])))
    spread = sample.std((0, 1, 2), dtype=np.float64).max()
    least, most = sample.min(), sample.max()
    if colors < 3:
        what = f"they hold {colors} color{'s'[: colors - 1]}"
        what += f" at image_bits: {bits}" if bits < 8 else ""
    elif spread < _SPREAD:
        what = f"they vary by {spread:.1f} of 255"
    elif len(frames) > 1 and (frames == frames[0]).all():
        what = "they never change"
    else:
        return ""
    return (
        f"The agent may see next to nothing in its images: {what}, with values"
        f" {f'from {least} to {most}' if least < most else f'of {least}'}. Look"
        " at what draws them, and whether they are symbols, or colors of"
        " another range."
    )


def _reward_remarks(rewards: np.ndarray) -> Iterator[str]:
    least, most = rewards.min(), rewards.max()
    if least == most:
        yield (
            f"All rewards so far are {least:g}. While there is no"
            " other one, there is nothing to plan for."
        )
    if max(-least, most) > _LARGE:
        yield (
            f"Rewards are from {least:g} to {most:g}. Parameters suit sizes"
            " around 1: scale them, or lower reward_loss_scale."
        )


def _bounds_remark(
    name: str, values: np.ndarray, head: str, bounds: list[float]
) -> str:
    least, most = values.min(), values.max()
    if bounds[0] <= least <= most <= bounds[1]:
        return ""
    return (
        f"The {name} is from {least:g} to {most:g}, but {head}_bounds are"
        f" {list(bounds)}, so that its loss becomes infinite. Widen them."
    )
