"""The figures of a diagnosis as a picture."""

import os
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.evaluation.figures import (
    COLORS,
    GREY,
    legend_name,
    new_figure,
    write_figure,
)
from planet_tf2.evaluation.judgements import REWARD_TARGET

Figures = dict[str, Any]

_IMAGES = {
    "model": COLORS[0],
    "one_future": COLORS[3],
    "no_change": COLORS[1],
    "mean_frame": GREY,
    "random_actions": COLORS[2],
}


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
    figure, ((images, rewards), (returns, episode)) = new_figure(2, 2, 5, 3.6)
    figure.suptitle(f"{', '.join(figures['tasks'])}, step {figures['step']:,}")
    if figures["images"]:
        _draw_images(images, figures["images"])
    elif figures.get("vectors"):
        _draw_vectors(images, figures["vectors"])
    _draw_rewards(rewards, figures["rewards"])
    if figures["returns"]:
        _draw_returns(returns, figures["returns"])
    times = np.arange(1, len(received))
    episode.set(title="Reward in the latest episode", xlabel="decision")
    episode.plot(times, received[1:], color=GREY, label="received")
    episode.plot(times, predicted[1:], color=COLORS[0], label="while looking")
    for ax in (images, rewards, returns, episode):
        ax.set_visible(ax.has_data())
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, frameon=False)
    write_figure(path, figure)


def _draw_images(ax: Axes, images: Figures) -> None:
    ax.set(title="Image error without looking")
    ax.set_xlabel(f"steps ahead, after {images['context']} frames")
    ax.set_ylabel("mean squared error of a pixel")
    steps = range(1, images["horizon"] + 1)
    for name, color in _IMAGES.items():
        label = name.replace("_", " ")
        ax.plot(steps, images[name], color=color, label=label)
    ax.set_ylim(bottom=0)


def _draw_vectors(ax: Axes, vectors: Figures) -> None:
    ax.set(title="Vectors: explained variance", ylim=(-0.5, 1.05))
    ax.set_xlabel("steps ahead")
    for color, (name, one) in zip(COLORS, vectors.items(), strict=False):
        values = np.array(one["open_loop"], np.float64)
        steps = range(1, len(values) + 1)
        ax.plot(steps, values, color=color, label=legend_name(name))


def _draw_rewards(ax: Axes, rewards: Figures) -> None:
    # What is worse than predicting the mean is of no interest.
    ax.set(title="Reward: explained variance", ylim=(-0.5, 1.05))
    ax.set_xlabel("steps ahead")
    values = np.array(rewards["open_loop"]["explained_variance"], np.float64)
    steps = range(1, len(values) + 1)
    ax.plot(steps, values, color=COLORS[0], label="without looking")
    looking = rewards["filtered"]["explained_variance"]
    if looking is not None:
        ax.axhline(looking, color=COLORS[2], label="while looking")
    ax.axhline(REWARD_TARGET, color=GREY, linestyle=":", label="target of that")


def _draw_returns(ax: Axes, returns: Figures) -> None:
    ax.set(title=f"Return of {returns['horizon']} decisions")
    ax.set(xlabel="promised by the plan", ylabel="received")
    planned = returns["planned"]
    ax.scatter(planned["predicted"], planned["received"], 12, COLORS[0])
    for promised in planned["predicted"][:1]:
        start = promised, promised
        ax.axline(start, slope=1, color=GREY, linestyle=":")
