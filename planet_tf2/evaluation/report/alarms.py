"""What is wrong with a run, or might be, as far as its figures tell."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from planet_tf2.agents.loss_info import LossInfo, loss_info
from planet_tf2.configs import collects
from planet_tf2.evaluation import judgements, runs
from planet_tf2.evaluation.judgements import (
    BAD,
    GOOD,
    LEVELS,
    NOTE,
    WARNING,
    Finding,
)
from planet_tf2.evaluation.report.gather import STALE, RunData

_EARLY_UPDATES = 500  # Until then nothing has to be learned.
_FEW_UPDATES = 10  # Too few to tell how a loss goes on.
_SHOWN = 3
_IDLE_SECONDS = 600.0


def check(found: Sequence[RunData]) -> list[tuple[RunData, Finding]]:
    """Returns everything that is to be said of runs, the worst first."""
    findings = [
        (run, finding)
        for run in found
        for look in _CHECKS
        for finding in look(run)
    ]
    return sorted(findings, key=lambda pair: LEVELS.index(pair[1].level))


def _ended(run: RunData) -> Iterator[Finding]:
    if run.state == runs.FAILED:
        yield Finding(
            "The run failed",
            BAD,
            f"{run.reason} Mend the cause and train it again with "
            "`--retry_failed`; it goes on from its last checkpoint.",
        )
    elif run.state == STALE:
        yield Finding(
            "No sign of life",
            BAD,
            "The process that works on the run has not been heard of for a "
            "while. If it was killed, the same command goes on.",
        )


def _recorded(run: RunData) -> Iterator[Finding]:
    if run.broken:
        yield Finding(
            "The record of the run is damaged",
            BAD,
            f"{run.broken} What follows it is not in this report.",
        )
    if run.logged:
        yield Finding(
            "Warnings in log.txt", NOTE, f"The last one: {run.logged[-1]}"
        )


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
        yield Finding(
            "Numbers are not finite",
            BAD,
            f"{'; '.join(found)}. Look at the rewards of the environment "
            "first, at the learning rate next.",
        )


def _losses(run: RunData) -> Iterator[Finding]:
    """Looks for losses that run away, or say no more than a mean."""
    infos = {name: loss_info(run.loss_table, name) for name in run.losses}
    has_learned = run.updates >= _EARLY_UPDATES
    is_blind = False
    for name, info in infos.items():
        share = run.share_of_mean(name)
        if info.target == "image" and share is not None:
            is_blind = has_learned and judgements.is_stuck(share)
            yield from _image(share, has_learned)
        if info.target == "reward" and has_learned:
            yield from _reward(run, share)
    for name, info in infos.items():
        if info.may_run_away:
            yield from _divergence(run, name, info, is_blind)


def _image(share: float, has_learned: bool) -> Iterator[Finding]:
    level, text = judgements.judge_sight(share)
    if level == WARNING and has_learned:
        yield Finding("The image loss is stuck", level, text)
    elif level == WARNING:
        yield Finding("It sees nothing yet", NOTE, text)


def _divergence(
    run: RunData, name: str, info: LossInfo, is_blind: bool
) -> Iterator[Finding]:
    _, values = run.series("train", name)
    values = values[np.isfinite(values)]
    if len(values) < _FEW_UPDATES:
        return
    size = len(values) // 10
    means = np.convolve(values, np.ones(size) / size, "valid")
    last = means[-1]
    level, text = judgements.judge_rise(last, means.min())
    if level != GOOD:
        yield Finding(f"The {info.title.lower()} runs away", level, text)
        return
    words = f"{last:.1f} nats per step beyond them"
    level, text = judgements.judge_divergence(words, last, is_blind)
    if level != GOOD:
        yield Finding("The latent state is not used", level, text)


def _reward(run: RunData, share: float | None) -> Iterator[Finding]:
    if run.half_variances.get("reward") == 0:
        yield Finding(
            "The reward never changes",
            WARNING,
            "All rewards in the training episodes that were looked at are the "
            "same, so that there is nothing to plan for.",
        )
    elif judgements.is_stuck(share):
        level, text = judgements.judge_reward(1 - share)
        yield Finding("The reward head is dead", level, text)


def _collection(run: RunData) -> Iterator[Finding]:
    every = [
        max(entry.every, entry.after)
        for entry in collects.train_collects(run.params)
        if entry.until < 0
    ]
    if not every or not run.records:
        return
    last = max((r["step"] for r in run.episodes("train")), default=0)
    # Steps of both phases are counted, and test phases collect nothing.
    phases = 1 + run.params["test_steps"] / run.params["train_steps"]
    expected = min(every) * phases
    if run.step - last > 2 * expected + run.params["test_steps"]:
        yield Finding(
            "Collection is stalled",
            WARNING,
            f"The last training episode was collected at step {last:,}, and "
            f"the run is at {run.step:,}; there should be one every "
            f"{expected:,.0f} steps. Look into `log.txt` for what the "
            "simulator says.",
        )


def _idle(run: RunData) -> Iterator[Finding]:
    times = [
        r["elapsed_seconds"] for r in run.records if "elapsed_seconds" in r
    ]
    longest = float(np.diff(times).max(initial=0))
    limit = max(_IDLE_SECONDS, 10 * longest)
    if run.state == runs.RUNNING and run.idle_seconds > limit:
        yield Finding(
            "Nothing happens",
            WARNING,
            f"The run has measured nothing for {run.idle_seconds / 60:.0f} "
            "minutes, though its process gives signs of life. The simulator "
            "may hang; see `env_timeout_seconds`.",
        )


def _returns(run: RunData) -> Iterator[Finding]:
    random, tested = run.returns("seed"), run.returns("test")[-5:]
    if len(set(run.params["tasks"])) > 1 or len(random) < 2 or len(tested) < 5:
        return
    mean, spread = np.mean(random), np.std(random, ddof=1)
    if np.mean(tested) < mean + spread:
        yield Finding(
            "No better than random yet",
            NOTE,
            f"The last {len(tested)} test returns are {np.mean(tested):.0f} on "
            f"average; the random policy had {mean:.0f} ± {spread:.0f}.",
        )


_CHECKS = (
    _ended,
    _recorded,
    _not_finite,
    _losses,
    _collection,
    _idle,
    _returns,
)
