"""Does a world model see, and does it foresee?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2.evaluation.frames import half_variance, true_image
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.predictions import (
    BATCH,
    Filtered,
    OpenLoop,
    Predictor,
    Window,
    cut,
)
from planet_tf2.evaluation.reward_checks import fit

Figures = dict[str, Any]

FUTURES = 8  # Their mean stands for what a model expects.


def check_open_loop(
    predictor: Predictor,
    episodes: Sequence[HeldOut],
    windows: Sequence[Window],
    context: int,
    horizon: int,
    seed: int = 0,
) -> tuple[Figures | None, Figures]:
    """Compares open-loop predictions with what happened.

    Image errors are means over pixels of the squared difference to the true
    frame, `true_image`, whose values lie between -0.5 and 0.5.

    The model's prediction is the mean of `FUTURES` sampled futures. A model
    that cannot know which way a pole will fall says so by falling either way,
    and one sample of that has up to twice the squared error of its expectation.

    Args:
      predictor: runs the model.
      episodes: the episodes.
      windows: sequences of them, `context + horizon` long.
      context, horizon: time steps that the model sees, and predicts.
      seed: determines the random actions.

    Returns:
      Figures on images, see `_image_figures`, or None where there are none;
      and on rewards, with lists over the steps ahead.
    """
    length = context + horizon
    has_images = "image" in episodes[0].arrays
    if has_images:
        frames = (cut(episodes, [one], "image", length)[0] for one in windows)
        total = sum(true_image(x, predictor.bits).mean(0) for x in frames)
        mean_frame = total / len(windows)
    action = cut(episodes, windows, "action", length)
    # The random policy's: all models have learned from some of them.
    action[:, context:] = np.random.default_rng(seed).uniform(
        -1, 1, action[:, context:].shape
    )
    predicted, errors = [], []
    for first in range(0, len(windows), BATCH):
        part = slice(first, first + BATCH)
        moves = action[part]
        sequences = episodes, windows[part], context, length
        loops = {
            "model": predictor.open_loop(*sequences, futures=FUTURES),
            "one_future": predictor.open_loop(*sequences),
            "random_actions": predictor.open_loop(*sequences, moves, FUTURES),
        }
        predicted.append(loops["model"].reward[:, context:])
        if has_images:
            frames = cut(episodes, windows[part], "image", length)
            truth = true_image(frames, predictor.bits)
            errors.append(_errors(loops, truth, context, mean_frame))
    received = cut(episodes, windows, "reward", length)[:, context:]
    rewards = _reward_figures(np.concatenate(predicted), received)
    if not has_images:
        return None, rewards
    images = {"context": context, "horizon": horizon, **_image_figures(errors)}
    return images, rewards


def check_sight(
    predictor: Predictor,
    episodes: Sequence[HeldOut],
    filtered: Sequence[Filtered],
    floor: float,
) -> Figures:
    """Tells whether the model sees, or paints the mean of all frames.

    The image loss without its constant (½·log 2π per pixel) is half the squared
    error, summed over pixels; here the noise is left out that is added to
    frames against their quantisation, and so is what it adds to the loss. A
    model that always paints the mean frame has a loss of half the frames'
    variance.

    Args:
      predictor: runs the model.
      episodes: the episodes.
      filtered: what the model makes of them.
      floor: nats of divergence per time step that cost nothing.

    Returns:
      `image_error`, `half_variance` and their `ratio`; `divergence`, the mean
      KL of posterior and prior in nats per step, `floor`, and the fraction of
      steps `above_floor`. What the agent does not predict is None.
    """
    error = variance = None
    if "image" in episodes[0].arrays:
        error = np.concatenate([states.image_error for states in filtered])
        error = float(error.mean())
        images = (episode.arrays["image"] for episode in episodes)
        variance = half_variance(images, predictor.bits)
    divergence = np.concatenate([states.divergence for states in filtered])
    return {
        "image_error": error,
        "half_variance": variance,
        "ratio": error / variance if variance else None,
        "divergence": float(divergence.mean()),
        "floor": floor,
        "above_floor": float((divergence > floor).mean()),
    }


def _errors(
    loops: dict[str, OpenLoop],
    truth: np.ndarray,
    context: int,
    mean_frame: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns mean squared errors of images by name, `[N, H]`."""
    images = {name: loop.image[:, context:] for name, loop in loops.items()}
    images["no_change"] = truth[:, context - 1 : context]
    images["mean_frame"] = mean_frame
    return {
        name: np.square(image - truth[:, context:]).mean((2, 3, 4))
        for name, image in images.items()
    }


def _reward_figures(predicted: np.ndarray, received: np.ndarray) -> Figures:
    steps = [fit(*pair) for pair in zip(predicted.T, received.T, strict=True)]
    keys = ("explained_variance", "correlation", "rmse")
    return {
        **{key: [step[key] for step in steps] for key in keys},
        "overall": fit(predicted.ravel(), received.ravel()),
    }


def _image_figures(parts: Sequence[dict[str, np.ndarray]]) -> Figures:
    """Sums up the errors of all sequences, `[N, H]` by name in each part.

    Returns:
      For each number of steps ahead (1 to H), the error of the `model`, of
      `one_future` that it samples, of `no_change` (the last frame that was
      seen, repeated), of `mean_frame` (the mean of all frames of the
      sequences), and of the model with `random_actions` in place of those that
      were taken; the ratios of their means over all steps; and `useful_steps`,
      how many steps ahead the model beats both `no_change` and `mean_frame`.
    """
    errors = {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }
    total = {name: float(value.mean()) for name, value in errors.items()}
    steps = {name: value.mean(0) for name, value in errors.items()}
    worse = steps["model"] >= np.minimum(
        steps["no_change"], steps["mean_frame"]
    )

    def ratio(name: str, other: str) -> float | None:
        return total[name] / total[other] if total[other] > 0 else None

    return {
        **{name: value.tolist() for name, value in steps.items()},
        "ratio_to_no_change": ratio("model", "no_change"),
        "ratio_to_mean_frame": ratio("model", "mean_frame"),
        "ratio_to_random_actions": ratio("model", "random_actions"),
        "one_future_ratio_to_no_change": ratio("one_future", "no_change"),
        "useful_steps": int(worse.argmax()) if worse.any() else len(worse),
    }
