"""Sums up returns: of the episodes of a run, and of several runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats


def summarise(returns: Sequence[float]) -> dict[str, Any]:
    """Sums up the episodes of one run.

    Args:
      returns: return of every episode, at least one.

    Returns:
      `episodes`, `mean`, `stddev` (of the sample, so that n - 1 is in its
      denominator), `stderr` (of the mean), `confidence_interval` (95%, of the
      mean, by Student's t), `median`, `min` and `max`. What needs two episodes
      is None where there is one.
    """
    values = np.asarray(returns, np.float64)
    several = len(values) > 1
    return {
        "episodes": len(values),
        "mean": float(values.mean()),
        "stddev": float(values.std(ddof=1)) if several else None,
        "stderr": float(stats.sem(values)) if several else None,
        "confidence_interval": _t_interval(values) if several else None,
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def summarise_runs(means: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """Sums up several runs of the same task and settings.

    The interquartile mean leaves out the lowest and the highest quarter of the
    runs, rounded down, so that of fewer than four runs it is the plain mean
    (Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice").

    Args:
      means: mean return of every run, at least one.
      seed: determines the samples of the bootstrap.

    Returns:
      `runs`, `mean`, `stddev`, `interquartile_mean`, and its
      `confidence_interval` (95%, percentile bootstrap over the runs). What
      needs two runs is None where there is one.
    """
    values = np.asarray(means, np.float64)
    several = len(values) > 1
    return {
        "runs": len(values),
        "mean": float(values.mean()),
        "stddev": float(values.std(ddof=1)) if several else None,
        "interquartile_mean": float(stats.trim_mean(values, 0.25)),
        "confidence_interval": _bootstrap(values, seed) if several else None,
    }


def _t_interval(values: np.ndarray) -> list[float]:
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    return [float(values.mean() - half), float(values.mean() + half)]


def _bootstrap(values: np.ndarray, seed: int) -> list[float]:
    if np.ptp(values) == 0:
        return [float(values[0])] * 2
    interval = stats.bootstrap(
        (values,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return [float(interval.low), float(interval.high)]
