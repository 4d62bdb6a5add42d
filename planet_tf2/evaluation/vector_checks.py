"""Does a world model know vectors, and when episodes are over?"""

from collections.abc import Sequence

import numpy as np

from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.model_checks import FUTURES, Figures
from planet_tf2.evaluation.predictions import (
    BATCH,
    Filtered,
    Predictor,
    Window,
    cut,
)


def check_others(
    predictor: Predictor,
    episodes: Sequence[HeldOut],
    filtered: Sequence[Filtered],
    windows: Sequence[Window],
    context: int,
    horizon: int,
) -> dict[str, Figures]:
    """Tells how well vectors and ends of episodes are known.

    Returns:
      `vectors`: for each, the share of the variance that is explained while the
      model looks, `filtered`, and without looking, `open_loop`, a list over the
      steps ahead; means over the entries of the vector that vary at all.
      `ends`: the probability of going on that it tells `at_ends` of episodes
      and `elsewhere`, and the `count` of the former. What it does not predict
      is empty.
    """
    said = filtered[0].others
    result: dict[str, Figures] = {"vectors": {}, "ends": {}}
    if "cont" in said and "terminal" in episodes[0].arrays:
        over = np.concatenate([e.arrays["terminal"] for e in episodes])
        goes_on = np.concatenate([states.others["cont"] for states in filtered])
        result["ends"] = {
            "at_ends": float(goes_on[over].mean()) if over.any() else None,
            "elsewhere": float(goes_on[~over].mean()),
            "count": int(over.sum()),
        }
    names = [name for name in said if name in episodes[0].arrays]
    if not names:
        return result
    length, ahead = context + horizon, {name: [] for name in names}
    for first in range(0, len(windows), BATCH):
        part = windows[first : first + BATCH]
        loop = predictor.open_loop(
            episodes, part, context, length, None, FUTURES
        )
        for name in names:
            ahead[name].append(loop.others[name][:, context:])
    for name in names:
        truth = cut(episodes, windows, name, length)[:, context:]
        predicted = np.concatenate(ahead[name])
        received = np.concatenate([e.arrays[name] for e in episodes])
        seen = np.concatenate([states.others[name] for states in filtered])
        variance = received.var(0, dtype=np.float64)
        result["vectors"][name] = {
            "filtered": _explained(seen, received, variance),
            "open_loop": [
                _explained(predicted[:, step], truth[:, step], variance)
                for step in range(horizon)
            ],
        }
    return result


def _explained(
    predicted: np.ndarray, received: np.ndarray, variance: np.ndarray
) -> float | None:
    """Returns the mean of the explained variances of all entries that vary.

    The variance is that of all frames, so that few sequences will do.
    """
    error = np.square(predicted - received).mean(0, dtype=np.float64)
    varies = variance > 1e-12 * np.square(received).mean(0)
    if not varies.any():
        return None
    return float(np.mean(1 - error[varies] / variance[varies]))
