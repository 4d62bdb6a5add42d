"""What is wrong with a run, or might be, as far as its figures tell."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from planet_tf2.evaluation import runs
from planet_tf2.evaluation.report.gather import STALE, RunData
from planet_tf2.training import collects

BAD, WARNING, NOTE = "bad", "warning", "note"

# Of the density of a normal of variance 1, for each number that is predicted.
HALF_LOG_2PI = math.log(2 * math.pi) / 2

_EARLY_UPDATES = 500  # Until then nothing has to be learned.
_STUCK = 0.9  # Of what a constant prediction has.
_RISE = 3.0
_RISE_NATS = 5.0
_HUGE_NATS = 100.0
_SHOWN = 3
_IDLE_SECONDS = 600.0


class Alarm(NamedTuple):
    """Something to look at.

    Attributes:
      level: `bad`, `warning` or `note`.
      title: what it is, in a few words.
      text: what the figures are, and what to do; code is in backticks.
    """

    level: str
    title: str
    text: str


def check(run: RunData) -> list[Alarm]:
    """Returns everything that is to be said of a run, the worst first."""
    found = [alarm for look in _CHECKS for alarm in look(run)]
    return sorted(found, key=severity)


def severity(alarm: Alarm) -> int:
    """Returns what to sort alarms by, so that the worst come first."""
    return (BAD, WARNING, NOTE).index(alarm.level)


def image_constant(run: RunData) -> float:
    """Returns what the image loss is at best: constants, and added noise.

    Half log 2π for each pixel and colour, and half the variance of the noise
    that is added to frames against their quantisation.
    """
    entries = 3 * run.params["image_size"] ** 2
    noise = 0.25 ** run.params["image_bits"] / 12
    return entries * (HALF_LOG_2PI + noise / 2)


def reward_constant(run: RunData) -> float | None:
    """Returns what the reward loss is at best, or None if that is learned."""
    kind = run.params["reward_head_dist"]
    stddev = run.params["reward_head_stddev"]
    if kind == "deterministic":
        return 0.0
    if kind != "normal" or not isinstance(stddev, int | float):
        return None
    return HALF_LOG_2PI + math.log(stddev)


def reward_share(run: RunData) -> float | None:
    """Returns the reward head's squared error as a share of the variance.

    A head that always says the mean reward has 1.
    """
    constant = reward_constant(run)
    loss = last_mean(run, "reward_loss")
    if constant is None or loss is None or not run.reward_variance:
        return None
    stddev = run.params["reward_head_stddev"]
    scale = stddev if run.params["reward_head_dist"] == "normal" else 1.0
    return 2 * scale**2 * (loss - constant) / run.reward_variance


def image_share(run: RunData) -> float | None:
    """Returns the image loss beyond its constants as a share.

    It is a share of half the variance of the frames, which is what a model has
    that always paints the mean frame.
    """
    loss = last_mean(run, "image_loss")
    if loss is None or not run.half_image_variance:
        return None
    return (loss - image_constant(run)) / run.half_image_variance


def last_mean(run: RunData, name: str) -> float | None:
    """Returns the mean over the last tenth of what training measured."""
    _, values = run.series("train", name)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    return float(values[-max(1, len(values) // 10) :].mean())


def _failed(run: RunData) -> Iterator[Alarm]:
    if run.state == runs.FAILED:
        yield Alarm(
            BAD,
            "The run failed",
            f"{run.reason} Mend the cause and train it again with "
            "`--retry_failed`; it goes on from its last checkpoint.",
        )
    elif run.state == STALE:
        yield Alarm(
            BAD,
            "No sign of life",
            "The process that works on the run has not been heard of for a "
            "while. If it was killed, the same command goes on.",
        )


def _broken(run: RunData) -> Iterator[Alarm]:
    if run.broken:
        yield Alarm(
            BAD,
            "The record of the run is damaged",
            f"{run.broken} What follows it is not in this report.",
        )


def _not_finite(run: RunData) -> Iterator[Alarm]:
    found = []
    for record in run.records:
        for name in [*run.losses, "return"]:
            value = record.get(name)
            if value is not None and not math.isfinite(float(value)):
                found.append(f"{name} {value} at step {record['step']}")
    if found:
        more = f" and {len(found) - _SHOWN} more" * (len(found) > _SHOWN)
        yield Alarm(
            BAD,
            "Numbers are not finite",
            f"{'; '.join(found[:_SHOWN])}{more}. Look at the rewards of the "
            "environment first, at the learning rate next.",
        )


def _divergence(run: RunData) -> Iterator[Alarm]:
    _, values = run.series("train", "divergence_loss")
    values = values[np.isfinite(values)]
    if len(values) < 10:
        return
    size = max(1, len(values) // 10)
    means = np.convolve(values, np.ones(size) / size, "valid")
    last, lowest = means[-1], means.min()
    risen = last > _RISE * lowest and last > lowest + _RISE_NATS
    if risen or last > _HUGE_NATS:
        yield Alarm(
            BAD if last > _HUGE_NATS else WARNING,
            "The divergence runs away",
            f"It is {last:.1f} nats per step beyond the free ones, and was "
            f"{lowest:.1f} at its lowest: prior and posterior come apart, and "
            "plans rest on the prior. Lower the learning rate or the gradient "
            "clipping.",
        )


def _image(run: RunData) -> Iterator[Alarm]:
    share = image_share(run)
    if share is None or share < _STUCK:
        return
    early = run.updates < _EARLY_UPDATES
    kl = last_mean(run, "divergence_loss")
    silent = kl is not None and kl < 0.1
    text = (
        f"The image loss without its constant is {100 * share:.0f}% of half "
        "the frames' variance: the model paints the mean frame"
    )
    if early:
        yield Alarm(
            NOTE, "It sees nothing yet", f"{text}, as all do in the beginning."
        )
        return
    text += ", and plans are blind."
    if silent:
        text += (
            " The divergence stays at the free nats: nothing of what is seen "
            "reaches the latent state."
        )
    yield Alarm(
        WARNING,
        "The image loss is stuck",
        f"{text} `scripts/diagnose.py` tells more.",
    )


def _reward(run: RunData) -> Iterator[Alarm]:
    if run.updates < _EARLY_UPDATES:
        return
    if run.reward_variance == 0:
        yield Alarm(
            WARNING,
            "The reward never changes",
            "All rewards in the training episodes that were looked at are the "
            "same, so that there is nothing to plan for.",
        )
        return
    share = reward_share(run)
    if share is not None and share >= _STUCK:
        yield Alarm(
            WARNING,
            "The reward head is dead",
            f"Its squared error is {100 * share:.0f}% of the variance of the "
            "rewards: it always says the mean, and no plan is better than "
            "another. If images are good, too few rewards were seen or "
            "`reward_loss_scale` is low.",
        )


def _collection(run: RunData) -> Iterator[Alarm]:
    every = [
        max(entry.every, entry.after)
        for entry in collects.train_collects(run.params)
        if entry.until < 0
    ]
    trained = run.episodes("train")
    if not every or not run.records:
        return
    last = max((r["step"] for r in trained), default=0)
    # Steps of both phases are counted, and test phases collect nothing.
    phases = 1 + run.params["test_steps"] / run.params["train_steps"]
    expected = min(every) * phases
    behind = run.step - last
    if behind > 2 * expected + run.params["test_steps"]:
        yield Alarm(
            WARNING,
            "Collection is stalled",
            f"The last training episode was collected at step {last:,}, and "
            f"the run is at {run.step:,}; there should be one every "
            f"{expected:,.0f} steps. Look into `log.txt` for what the "
            "simulator says.",
        )


def _idle(run: RunData) -> Iterator[Alarm]:
    times = [
        r["elapsed_seconds"] for r in run.records if "elapsed_seconds" in r
    ]
    longest = float(np.diff(times).max()) if len(times) > 1 else 0.0
    if run.state != runs.RUNNING:
        return
    if run.idle_seconds > max(_IDLE_SECONDS, 10 * longest):
        yield Alarm(
            WARNING,
            "Nothing happens",
            f"The run has measured nothing for {run.idle_seconds / 60:.0f} "
            "minutes, though its process gives signs of life. The simulator "
            "may hang; see `env_timeout_seconds`.",
        )


def _returns(run: RunData) -> Iterator[Alarm]:
    random = [float(r["return"]) for r in run.episodes("seed")]
    tested = [float(r["return"]) for r in run.episodes("test")][-5:]
    if len(set(run.params["tasks"])) > 1 or len(random) < 2 or len(tested) < 5:
        return
    mean, spread = np.mean(random), np.std(random, ddof=1)
    if np.mean(tested) < mean + spread:
        yield Alarm(
            NOTE,
            "No better than random yet",
            f"The last {len(tested)} test returns are {np.mean(tested):.0f} on "
            f"average; the random policy had {mean:.0f} ± {spread:.0f}.",
        )


def _logged(run: RunData) -> Iterator[Alarm]:
    if run.logged:
        yield Alarm(
            NOTE,
            "Warnings in log.txt",
            f"The last one: {run.logged[-1]}",
        )


_CHECKS: tuple[Callable[[RunData], Iterator[Alarm]], ...] = (
    _failed,
    _broken,
    _not_finite,
    _divergence,
    _image,
    _reward,
    _collection,
    _idle,
    _returns,
    _logged,
)
