"""Do predicted rewards and returns agree with what was received?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2.evaluation import held_out
from planet_tf2.evaluation.held_out import AGENT, FRESH, GIVEN, HeldOut
from planet_tf2.evaluation.predictions import Filtered, Predictor

Figures = dict[str, Any]

_KEYS = "explained_variance", "correlation", "bias", "rmse", "mean", "stddev"
_PLANNED_IN = (GIVEN, AGENT, FRESH)  # The best source last.
_PLANNED = 3  # Episodes to plan in, at most.


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


def _received(episode: HeldOut, horizon: int) -> np.ndarray:
    """Sums of the rewards of the next time steps, `[T + 1 - horizon]`."""
    sums = np.cumsum(episode.arrays["reward"], dtype=np.float64)
    return sums[horizon:] - sums[:-horizon]
