"""Do predicted rewards and returns agree with what was received?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planet_tf2.evaluation.held_out import (
    AGENT,
    FRESH,
    GIVEN,
    HeldOut,
    by_source,
)
from planet_tf2.evaluation.predictions import Filtered, Predictor

Figures = dict[str, Any]


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
        keys = ("explained_variance", "correlation", "bias", "rmse")
        return {**dict.fromkeys((*keys, "mean", "stddev")), "count": 0}
    error = predicted - received
    # A reward that is always the same in float32 differs in the last digits.
    varies = np.ptp(received) > 1e-6 * max(1, np.abs(received).max())
    moves = np.ptp(predicted) > 0
    return {
        "explained_variance": (
            float(1 - error.var() / received.var()) if varies else None
        ),
        "correlation": (
            float(np.corrcoef(predicted, received)[0, 1])
            if varies and moves
            else None
        ),
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

    def figures(positions: Sequence[int]) -> Figures:
        return fit(
            np.concatenate([filtered[p].reward[1:] for p in positions]),
            np.concatenate(
                [episodes[p].arrays["reward"][1:] for p in positions]
            ),
        )

    return {
        **figures(range(len(episodes))),
        "by_source": {
            source: figures(positions)
            for source, positions in by_source(episodes).items()
        },
    }


def check_returns(
    predictor: Predictor,
    episodes: Sequence[HeldOut],
    filtered: Sequence[Filtered],
    decisions: int = 20,
    max_planned: int = 3,
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
      max_planned: episodes to plan in, at most.

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
    positions = _to_plan_in(episodes, horizon)[-max_planned:]
    hoped, got = [np.zeros([0])], [np.zeros([0])]
    for position in positions:
        sums = _received(episodes[position], horizon)
        count = min(decisions, len(sums))
        times = np.linspace(0, len(sums) - 1, count).round().astype(int)
        hoped.append(predictor.plan(filtered[position], times).value)
        got.append(sums[times])
    hoped, got = np.concatenate(hoped), np.concatenate(got)
    sources = {episodes[position].source for position in positions}
    return {
        "horizon": horizon,
        "executed": fit(np.concatenate(predicted), np.concatenate(received)),
        "planned": {
            **fit(hoped, got),
            "source": ", ".join(sorted(sources)) or None,
            "predicted": hoped.tolist(),
            "received": got.tolist(),
        },
    }


def _received(episode: HeldOut, horizon: int) -> np.ndarray:
    """Sums of the rewards of the next time steps, `[T + 1 - horizon]`."""
    sums = np.cumsum(episode.arrays["reward"], dtype=np.float64)
    return sums[horizon:] - sums[:-horizon]


def _to_plan_in(episodes: Sequence[HeldOut], horizon: int) -> list[int]:
    """Chooses the episodes of an agent, fresh ones if there are any."""
    for source in (FRESH, AGENT, GIVEN):
        positions = [
            position
            for position, episode in enumerate(episodes)
            if episode.source == source and episode.length >= horizon
        ]
        if positions:
            return positions
    return []
