"""Does a world model see, foresee, know rewards, and keep its promises?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2.evaluation import held_out
from planet_tf2.evaluation.frames import half_variance, true_image
from planet_tf2.evaluation.held_out import AGENT, FRESH, GIVEN, HeldOut
from planet_tf2.evaluation.judgements import FAINT
from planet_tf2.evaluation.predictions import (
    BATCH,
    Filtered,
    Predictor,
    Window,
    cut,
    cut_images,
)

# A squared error per pixel in which nothing can be seen.
_STILL = 1e-5

Figures = dict[str, Any]

FUTURES = 8  # Their mean stands for what a model expects.
_KEYS = "explained_variance", "correlation", "bias", "rmse", "mean", "stddev"
_PLANNED_IN = (GIVEN, AGENT, FRESH)  # The best source last.
_PLANNED = 3  # Episodes to plan in, at most.


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
      episodes, windows: the sequences, `context + horizon` long.
      context, horizon: time steps that the model sees, and predicts.
      seed: determines the random actions.

    Returns:
      Figures on images, see `_image_figures`, or None where there are none;
      and on rewards, with lists over the steps ahead.
    """
    length = context + horizon
    has_images = episodes[0].shown is not None
    if has_images:
        mean_frame = _mean_frame(predictor, episodes, windows, length)
    action = cut(episodes, windows, "action", length)
    _draw_actions(action[:, context:], seed)
    predicted, errors = [], {}
    for first in range(0, len(windows), BATCH):
        part, moves = (x[first : first + BATCH] for x in (windows, action))
        sequences = episodes, part, context, length
        loops = {
            "model": predictor.open_loop(*sequences, futures=FUTURES),
            "one_future": predictor.open_loop(*sequences),
            "random_actions": predictor.open_loop(*sequences, moves, FUTURES),
        }
        predicted.append(loops["model"].reward[:, context:])
        if not has_images:
            continue
        truth = true_image(cut_images(episodes, part, length), predictor.bits)
        images = {name: loop.image[:, context:] for name, loop in loops.items()}
        images["no_change"] = truth[:, context - 1 : context]
        images["mean_frame"] = mean_frame
        for name, image in images.items():
            error = np.square(image - truth[:, context:]).mean((2, 3, 4))
            errors.setdefault(name, []).append(error)
    received = cut(episodes, windows, "reward", length)[:, context:]
    rewards = _reward_figures(np.concatenate(predicted), received)
    if not has_images:
        return None, rewards
    figures = _image_figures({k: np.concatenate(v) for k, v in errors.items()})
    return {"context": context, "horizon": horizon, **figures}, rewards


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
    if episodes[0].shown is not None:
        error = np.concatenate([states.image_error for states in filtered])
        error = float(error.mean())
        images = (episode.shown for episode in episodes)
        variance = half_variance(images, predictor.bits)
    divergence = np.concatenate([states.divergence for states in filtered])
    return {
        "image_error": error,
        "half_variance": variance,
        "ratio": error / variance if (variance or 0) > FAINT else None,
        "divergence": float(divergence.mean()),
        "floor": floor,
        "above_floor": float((divergence > floor).mean()),
    }


def fit(predicted: np.ndarray, received: np.ndarray) -> Figures:
    """Tells how well predictions agree with what was received.

    Args:
      predicted: `[N]`.
      received: `[N]`.

    Returns:
      `explained_variance`, 1 - Var(received - predicted) / Var(received), which
      overlooks a constant error; `correlation`; `bias`, the mean of predicted
      minus received; `rmse`; the mean and `stddev` of what was received; and
      the `count` N. What is not defined is None.
    """
    predicted = np.asarray(predicted, np.float64)
    received = np.asarray(received, np.float64)
    if not len(received):
        return dict.fromkeys(_KEYS) | {"count": 0}
    error = predicted - received
    explained = correlation = None
    # A reward that is always the same in float32 differs in the last digits.
    if np.ptp(received) > 1e-6 * max(1, np.abs(received).max()):
        explained = float(1 - error.var() / received.var())
        if np.ptp(predicted) > 0:
            correlation = float(np.corrcoef(predicted, received)[0, 1])
    return {
        "explained_variance": explained,
        "correlation": correlation,
        "bias": float(error.mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "mean": float(received.mean()),
        "stddev": float(received.std()),
        "count": len(received),
    }


def check_filtered_reward(
    episodes: Sequence[HeldOut], filtered: Sequence[Filtered]
) -> Figures:
    """Compares rewards, predicted from states that saw all up to then.

    The reset is left out: its reward of 0 is none.

    Returns:
      What `fit` says of all time steps, and `by_source` of those of a source.
    """
    predicted = [states.reward[1:] for states in filtered]
    received = [episode.arrays["reward"][1:] for episode in episodes]
    by_source = {
        source: fit(
            np.concatenate([predicted[p] for p in positions]),
            np.concatenate([received[p] for p in positions]),
        )
        for source, positions in held_out.by_source(episodes).items()
    }
    whole = fit(np.concatenate(predicted), np.concatenate(received))
    return {**whole, "by_source": by_source}


def check_returns(
    predictor: Predictor,
    episodes: Sequence[HeldOut],
    filtered: Sequence[Filtered],
    decisions: int = 20,
) -> Figures | None:
    """Compares returns that the model expects with those that followed.

    Returns are sums over the planner's horizon, from stored episodes alone. For
    the actions that were `executed` they are predicted from all time steps of
    all episodes. The `planned` ones are what the model expects of the plan that
    it makes at some time steps of the latest episodes of an agent, and what the
    agent received from there on; it planned anew at each step, and if it was
    an earlier one, with another model.

    Args:
      predictor: runs the model and the planner.
      episodes: the episodes.
      filtered: what the model makes of them.
      decisions: plans for each of those episodes.

    Returns:
      `horizon`; `executed` and `planned`, what `fit` says; the pairs of planned
      `predicted` and `received` returns; and the source of the latter. None if
      the agent does not plan.
    """
    horizon = predictor.horizon
    if not horizon:
        return None
    predicted, received = [], []
    for episode, states in zip(episodes, filtered, strict=True):
        predicted.append(predictor.values(episode, states))
        received.append(_received(episode, horizon)[: len(predicted[-1])])
    long = [p for p, e in enumerate(episodes) if e.length >= horizon]
    found = {episodes[p].source for p in long} - {held_out.RANDOM}
    source = max(found, key=_PLANNED_IN.index, default=None)
    chosen = [p for p in long if episodes[p].source == source]
    hoped, got = [np.zeros([0])], [np.zeros([0])]
    for position in chosen[-_PLANNED:]:
        sums = _received(episodes[position], horizon)
        count = min(decisions, len(sums))
        times = np.linspace(0, len(sums) - 1, count).round().astype(int)
        hoped.append(predictor.plan(filtered[position], times)[1])
        got.append(sums[times])
    hoped, got = np.concatenate(hoped), np.concatenate(got)
    return {
        "horizon": horizon,
        "executed": fit(np.concatenate(predicted), np.concatenate(received)),
        "planned": {
            **fit(hoped, got),
            "source": source,
            "predicted": hoped.tolist(),
            "received": got.tolist(),
        },
    }


def _draw_actions(action: np.ndarray, seed: int) -> None:
    """Puts others into the place of actions `[N, L, ...]`.

    They are the random policy's: all models have learned from some of them.
    Choices are taken in another order, as often as before.
    """
    random = np.random.default_rng(seed)
    if action.dtype.kind == "f":
        action[:] = random.uniform(-1, 1, action.shape)
    else:
        flat = action.reshape(-1, *action.shape[2:])
        action[:] = random.permutation(flat).reshape(action.shape)


def _mean_frame(
    predictor: Predictor,
    episodes: Sequence[HeldOut],
    windows: Sequence[Window],
    length: int,
) -> np.ndarray:
    frames = (cut_images(episodes, [one], length)[0] for one in windows)
    total = sum(true_image(x, predictor.bits).mean(0) for x in frames)
    return total / len(windows)


def _reward_figures(predicted: np.ndarray, received: np.ndarray) -> Figures:
    steps = [fit(*pair) for pair in zip(predicted.T, received.T, strict=True)]
    keys = ("explained_variance", "correlation", "rmse")
    return {
        **{key: [step[key] for step in steps] for key in keys},
        "overall": fit(predicted.ravel(), received.ravel()),
    }


def _image_figures(errors: dict[str, np.ndarray]) -> Figures:
    """Sums up the errors of all sequences, `[N, H]` by name.

    Returns:
      For each number of steps ahead (1 to H), the error of the `model`, of
      `one_future` that it samples, of `no_change` (the last frame that was
      seen, repeated), of `mean_frame` (the mean of all frames of the
      sequences), and of the model with `random_actions` in place of those that
      were taken; the ratios of their means over all steps; and `useful_steps`,
      how many steps ahead the model beats both `no_change` and `mean_frame`.
    """
    total = {name: float(value.mean()) for name, value in errors.items()}
    steps = {name: value.mean(0) for name, value in errors.items()}
    worse = steps["model"] >= np.minimum(
        steps["no_change"], steps["mean_frame"]
    )

    def ratio(name: str, other: str) -> float | None:
        return total[name] / total[other] if total[other] > _STILL else None

    return {
        **{name: value.tolist() for name, value in steps.items()},
        "ratio_to_no_change": ratio("model", "no_change"),
        "ratio_to_mean_frame": ratio("model", "mean_frame"),
        "ratio_to_random_actions": ratio("model", "random_actions"),
        "one_future_ratio_to_no_change": ratio("one_future", "no_change"),
        "useful_steps": int(worse.argmax()) if worse.any() else len(worse),
    }


def _received(episode: HeldOut, horizon: int) -> np.ndarray:
    """Sums of the rewards of the next time steps, `[T + 1 - horizon]`."""
    sums = np.cumsum(episode.arrays["reward"], dtype=np.float64)
    return sums[horizon:] - sums[:-horizon]
