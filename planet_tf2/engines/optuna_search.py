"""Optuna chooses the parameters of trials, from what those before came to."""

from collections.abc import Callable
from typing import Any

from optuna import distributions
from optuna.samplers import TPESampler
from ray.tune.search.optuna import OptunaSearch

from planet_tf2.engines.space import Entry
from planet_tf2.engines.sweep import Sweep, Trial


def make_optuna(
    sweep: Sweep,
    name: str,
    configure: Callable[[Trial], dict[str, Any]],
    waiting: list[Trial],
    over: list[Trial],
) -> OptunaSearch:
    """Makes a search by Optuna that knows the trials there are.

    Args:
      sweep: the sweep.
      name: of the metric, in results.
      configure: makes of a trial what Ray is to hand to `RunTrial`.
      waiting: trials to go on with before there are others.
      over: trials that are not trained any more.
    """
    told, space = sweep.settings, sweep.space
    searched = {n: e for n, e in space.items() if e.kind != "grid"}

    def params(trial: Trial) -> dict[str, Any]:
        return {key: trial.params[key] for key in searched}

    class Search(OptunaSearch):
        def suggest(self, trial_id: str) -> dict[str, Any]:
            drawn = super().suggest(trial_id)
            if waiting:
                return configure(waiting.pop(0))
            return configure(sweep.add(len(sweep.trials()) + 1, drawn))

    # Else it would draw once more what an earlier one has drawn.
    sampler = TPESampler(seed=told["seed"] + len(waiting) + len(over))
    search = Search(
        {key: _distribution(entry) for key, entry in searched.items()},
        metric=name,
        mode=told["mode"],
        sampler=sampler,
        points_to_evaluate=[params(trial) for trial in waiting],
    )
    for trial in over:
        results = trial.results(told["metric"])
        if results:
            search.add_evaluated_point(params(trial), results[-1].value)
    return search


def _distribution(entry: Entry) -> distributions.BaseDistribution:
    if entry.kind == "choice":
        return distributions.CategoricalDistribution(entry.values)
    low, high = entry.values
    if entry.kind == "integer":
        return distributions.IntDistribution(low, high)
    is_log = entry.kind == "loguniform"
    return distributions.FloatDistribution(low, high, log=is_log)
