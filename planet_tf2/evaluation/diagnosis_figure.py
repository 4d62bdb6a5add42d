"""The figures of a diagnosis as a picture."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.evaluation.figures import (
    COLORS,
    GREY,
    new_figure,
    write_figure,
)
from planet_tf2.evaluation.judgements import REWARD_TARGET

Figures = dict[str, Any]


def draw(
    path: str | os.PathLike[str],
    figures: Figures,
    received: np.ndarray,
    predicted: np.ndarray,
) -> None:
    """Writes a PNG with up to four parts, as far as the agent has them.

    Args:
      path: file to write.
      figures: what `diagnose` found.
      received: rewards of the latest episode, `[T+1]`.
      predicted: those that the model predicts while it looks, `[T+1]`.
    """
    parts: list[Callable[[Axes], None]] = []
    if figures["images"]:
        parts.append(lambda ax: _images(ax, figures["images"]))
    parts.append(lambda ax: _reward_ahead(ax, figures["rewards"]))
    if figures["returns"]:
        parts.append(lambda ax: _returns(ax, figures["returns"]))
    parts.append(lambda ax: _episode(ax, received, predicted))
    figure, axes = new_figure(-(-len(parts) // 2), 2, 5.0, 3.6)
    figure.suptitle(
        f"{', '.join(figures['tasks'])}, step {figures['step']:,}", size=11
    )
    for ax in itertools.chain(*axes):
        if parts:
            parts.pop(0)(ax)
        else:
            ax.set_axis_off()
    write_figure(path, figure)


def _images(ax: Axes, images: Figures) -> None:
    ratio = images["ratio_to_no_change"]
    title = "Image error without looking"
    if ratio is not None:
        title += f": {ratio:.2f} of no change"
    ax.set_title(title)
    for key, label, color in (
        ("model", "model", COLORS[0]),
        ("one_future", "model, one future", COLORS[3]),
        ("no_change", "no change", COLORS[1]),
        ("mean_frame", "mean frame", GREY),
        ("random_actions", "model, random actions", COLORS[2]),
    ):
        values = images[key]
        ax.plot(range(1, len(values) + 1), values, color=color, label=label)
    ax.set_xlabel(f"steps ahead, after {images['context']} frames")
    ax.set_ylabel("mean squared error of a pixel")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8, frameon=False)


def _reward_ahead(ax: Axes, rewards: Figures) -> None:
    filtered = rewards["filtered"]["explained_variance"]
    title = "Reward: explained variance"
    if filtered is not None:
        title += f", {filtered:.2f} while looking"
        ax.axhline(filtered, color=COLORS[2], label="while looking")
    ax.set_title(title)
    values = rewards["open_loop"]["explained_variance"]
    values = [np.nan if value is None else value for value in values]
    ax.plot(
        range(1, len(values) + 1),
        values,
        color=COLORS[0],
        label="without looking",
    )
    ax.axhline(
        REWARD_TARGET, color=GREY, linestyle=":", label="target while looking"
    )
    ax.set_xlabel("steps ahead")
    # What is worse than predicting the mean is of no interest.
    ax.set_ylim(-0.5, 1.05)
    ax.legend(fontsize=8, frameon=False)


def _returns(ax: Axes, returns: Figures) -> None:
    planned = returns["planned"]
    ax.set_title(f"Return of {returns['horizon']} decisions")
    ax.set_xlabel("promised by the plan")
    ax.set_ylabel("received")
    if not planned["count"]:
        ax.text(0.5, 0.5, "no episode of an agent", ha="center", color=GREY)
        return
    hoped, got = planned["predicted"], planned["received"]
    ax.scatter(hoped, got, s=12, color=COLORS[0])
    ends = [min(*hoped, *got), max(*hoped, *got)]
    ax.plot(ends, ends, color=GREY, linestyle=":")


def _episode(ax: Axes, received: np.ndarray, predicted: np.ndarray) -> None:
    ax.set_title("Reward in the latest episode")
    times = np.arange(1, len(received))
    ax.plot(times, received[1:], color=GREY, label="received")
    ax.plot(times, predicted[1:], color=COLORS[0], label="model, while looking")
    ax.set_xlabel("decision")
    ax.legend(fontsize=8, frameon=False)
