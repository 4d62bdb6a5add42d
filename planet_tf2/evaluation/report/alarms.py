"""What is wrong with a run, or might be, as far as its figures tell."""

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np

from planet_tf2.agents.loss_info import loss_info
from planet_tf2.data.run_folder import failure_reason
from planet_tf2.evaluation import judgements, runs
from planet_tf2.evaluation.judgements import GOOD, Finding, finding
from planet_tf2.evaluation.report.gather import STALE, RunData

_EARLY_UPDATES = 500  # Until then nothing has to be learned.
_FEW_UPDATES = 10  # Too few to tell how a loss goes on.
_SHOWN = 3
_IDLE_SECONDS = 600.0


def check(found: Sequence[RunData]) -> list[tuple[RunData, Finding]]:
    """Returns everything that is to be said of runs, the worst first."""
    checks = (_state, _not_finite, _losses, _returns)
    alarms = [
        (run, alarm) for run in found for look in checks for alarm in look(run)
    ]
    return sorted(
        alarms, key=lambda pair: judgements.LEVELS.index(pair[1].level)
    )


def _state(run: RunData) -> Iterator[Finding]:
    if run.state == runs.FAILED:
        yield finding("failed", reason=failure_reason(run.failure))
    if run.state == STALE:
        yield finding("stale")
    if run.broken:
        yield finding("damaged", broken=run.broken)
    if run.logged:
        yield finding("logged", line=run.logged[-1])
    times = [
        r["elapsed_seconds"] for r in run.records if "elapsed_seconds" in r
    ]
    longest = float(np.diff(times).max(initial=0))
    limit = max(_IDLE_SECONDS, 10 * longest)
    if run.state == runs.RUNNING and run.records:
        idle = time.time() - run.folder.metrics.stat().st_mtime
        if idle > limit:
            yield finding("idle", minutes=idle / 60)


def _not_finite(run: RunData) -> Iterator[Finding]:
    found = [
        f"{name} {record[name]} at step {record['step']}"
        for record in run.records
        for name in [*run.losses, "return"]
        if not math.isfinite(float(record.get(name, 0)))
    ]
    if len(found) > _SHOWN:
        found[_SHOWN:] = [f"and {len(found) - _SHOWN} more"]
    if found:
        yield finding("not_finite", found="; ".join(found))


def _losses(run: RunData) -> Iterator[Finding]:
    """Looks for losses that run away, or say no more than a mean."""
    infos = {name: loss_info(run.loss_table, name) for name in run.losses}
    has_learned = run.totals["updates"] >= _EARLY_UPDATES
    is_blind = False
    for name, info in infos.items():
        if not has_learned:
            break
        share = run.share_of_mean(name)
        faint = run.targets[1].get("image", 1) <= judgements.FAINT
        if info.target == "image" and (faint or judgements.is_stuck(share)):
            is_blind = True
            yield judgements.judge_sight(None if faint else share)
        if info.target == "reward":
            if run.targets[1].get("reward") == 0:
                yield finding("reward_never_changes")
            elif judgements.is_stuck(share):
                yield judgements.judge_reward(1 - share)
    for name in [name for name, info in infos.items() if info.may_run_away]:
        _, values = run.series("train", name)
        values = values[np.isfinite(values)] - (run.constant(name) or 0.0)
        if len(values) < _FEW_UPDATES:
            continue
        size = len(values) // 10
        means = np.convolve(values, np.ones(size) / size, "valid")
        alarm = judgements.judge_divergence(means[-1], is_blind, means.min())
        if alarm.level != GOOD:
            yield alarm


def _returns(run: RunData) -> Iterator[Finding]:
    random, tested = run.returns("seed"), run.returns("test")[-5:]
    if len(set(run.params["tasks"])) > 1 or len(random) < 2 or len(tested) < 5:
        return
    mean, spread = np.mean(random), np.std(random, ddof=1)
    if np.mean(tested) < mean + spread:
        yield finding(
            "no_better_than_random",
            count=len(tested),
            tested=np.mean(tested),
            mean=mean,
            spread=spread,
        )
