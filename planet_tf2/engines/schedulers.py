"""Schedulers of Ray Tune that go on where an earlier driver has ended.

What an earlier one has decided stands: the results that it saw are told again,
to be compared with, and not to be decided on.
"""

import random
import types
from typing import Any

from ray import tune
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    PopulationBasedTraining,
    TrialScheduler,
)

from planet_tf2.engines.space import RANGES, Entry, Space
from planet_tf2.engines.sweep import Result, Sweep, Trial

STEP, VALUE = "step", "value"  # Of results, as Ray has them.


class _Remembering:
    """Makes a scheduler of Ray go on where an earlier one has ended."""

    def __init__(self, sweep: Sweep, metric: str, **options: Any):
        super().__init__(time_attr=STEP, metric=VALUE, **options)
        self._sweep, self._what, self._known = sweep, metric, {}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        results = self._sweep.trial(str(trial)).results(self._what)
        self._known[trial.trial_id] = results[-1].step if results else 0
        self.replay(trial, results)

    def replay(self, trial: Any, results: list[Result]) -> None:
        """Tells the scheduler what an earlier one has seen."""

    def on_trial_result(self, controller: Any, trial: Any, result: dict) -> str:
        if result[STEP] <= self._known[trial.trial_id]:
            return TrialScheduler.CONTINUE  # It was decided on before.
        action = super().on_trial_result(controller, trial, result)
        if action == TrialScheduler.STOP:
            name = self._sweep.settings["scheduler"]
            self._sweep.trial(str(trial)).stop_early(result[STEP], name)
        return action


class _Asha(_Remembering, AsyncHyperBandScheduler):
    def __init__(self, *args: Any, over: list[Trial], **options: Any):
        super().__init__(*args, stop_last_trials=False, **options)
        for trial in over:
            stub = types.SimpleNamespace(trial_id=trial.path.name)
            AsyncHyperBandScheduler.on_trial_add(self, None, stub)
            self.replay(stub, trial.results(self._what))

    def replay(self, trial: Any, results: list[Result]) -> None:
        for step, value in results:
            AsyncHyperBandScheduler.on_trial_result(
                self, None, trial, {STEP: step, VALUE: value}
            )


class _Pbt(_Remembering, PopulationBasedTraining):
    pass


def may_change(name: str, space: Space) -> bool:
    """Whether `pbt` may change a parameter of a trial."""
    return name != "seed" and space[name].kind != "grid"


def make_scheduler(
    sweep: Sweep, interval: int, max_steps: int, over: list[Trial]
) -> TrialScheduler:
    """Makes what stops and perturbs trials.

    Args:
      sweep: the sweep.
      interval: steps until the first decision, or between two.
      max_steps: of a run.
      over: trials that are not trained any more.
    """
    told, space = sweep.settings, sweep.space
    what = {"sweep": sweep, "metric": told["metric"], "mode": told["mode"]}
    if told["scheduler"] == "asha":
        return _Asha(
            **what,
            grace_period=interval,
            reduction_factor=3,
            max_t=max_steps,
            over=over,
        )
    if told["scheduler"] == "none":
        return FIFOScheduler()
    changing = {n: e for n, e in space.items() if may_change(n, space)}
    random.seed(told["seed"])
    mutations = {
        name: _domain(entry) if entry.kind in RANGES else list(entry.values)
        for name, entry in changing.items()
    }
    return _Pbt(
        **what,
        perturbation_interval=interval,
        hyperparam_mutations={"run": {"params": mutations}},
    )


def _domain(entry: Entry) -> Any:
    """Returns what Ray calls a range."""
    low, high = entry.values
    if entry.kind == "integer":
        return tune.randint(low, high + 1)
    kinds = {"uniform": tune.uniform, "loguniform": tune.loguniform}
    return kinds[entry.kind](low, high)
