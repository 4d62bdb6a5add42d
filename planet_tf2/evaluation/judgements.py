"""What the figures of a run and of its model mean.

The diagnosis shows all of these findings, the report those that are bad, among
its alarms. What is bad enough is decided here for both; the words for it are in
`findings.yaml`.
"""

import math
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

BAD, WARNING, NOTE, GOOD = "bad", "warning", "note", "good"
LEVELS = (BAD, WARNING, NOTE, GOOD)  # The worst first.

IMAGE_TARGET = 0.5
REWARD_TARGET = 0.8

# Half the variance of frames in which nothing can be seen, summed over pixels.
FAINT = 0.1
_STUCK = 0.9  # Of the loss of a constant prediction.
_USELESS = 1.5
_HUGE_NATS = 100.0
_SILENT_NATS = 0.1
_RISE, _RISE_NATS = 3.0, 5.0
_FEW_STEPS = 5

Figures = dict[str, Any]
_WORDS = yaml.safe_load(
    pathlib.Path(__file__).with_name("findings.yaml").read_text("utf-8")
)


class Finding(NamedTuple):
    """Something that figures tell.

    Attributes:
      title: what was asked, or what was found, in a few words.
      level: `bad`, `warning`, `note` (undecided, or worth a look) or `good`.
      text: the figures in one or two sentences with what to do; code is in
        backticks.
    """

    title: str
    level: str
    text: str


def finding(name: str, **figures: Any) -> Finding:
    """Returns a finding of `findings.yaml` with figures filled in."""
    entry = _WORDS[name]
    text = entry["text"].format(**figures)
    return Finding(entry.get("title", ""), entry["level"], text)


def judge(figures: Figures) -> list[Finding]:
    """Judges the figures of `diagnose`, as far as the agent has them."""
    sight, images = figures["sight"], figures["images"]
    rewards, returns = figures["rewards"], figures["returns"]
    found = {}
    if sight["image_error"] is not None:
        found["sees what is there"] = judge_sight(sight["ratio"])
    found["uses its latent state"] = judge_divergence(
        sight["divergence"] - sight["floor"], is_stuck(sight["ratio"])
    )
    if images:
        found["predicts images"] = judge_images(images)
        found["minds the actions"] = judge_actions(images)
    if vectors := figures.get("vectors"):
        found["predicts vectors"] = judge_vectors(vectors)
    if (ends := figures.get("ends")) and ends["count"]:
        found["knows the end"] = judge_ends(ends)
    explained = rewards["filtered"]["explained_variance"]
    found["knows the reward"] = judge_reward(explained)
    horizon = returns["horizon"] if returns else None
    found["imagines the reward"] = judge_blind_reward(rewards, horizon)
    if returns:
        found["keeps its promises"] = judge_plans(returns)
    return [one._replace(title=title) for title, one in found.items()]


def is_stuck(share: float | None) -> bool:
    """Whether a loss is no better than that of always predicting the mean.

    Args:
      share: the loss as a share of that one; None if there is no such loss.
    """
    return share is not None and share >= _STUCK


def judge_sight(share: float | None) -> Finding:
    """Does it see, or paint the mean frame?

    Args:
      share: image loss without its constant, as a share of half the variance
        of the frames; None if these hardly vary, see `FAINT`.
    """
    name = "sees"
    if share is None:
        name = "frames_are_the_same"
    elif share > _USELESS:
        name = "sees_nothing"
    elif is_stuck(share):
        name = "paints_the_mean"
    elif share > IMAGE_TARGET:
        name = "sees_partly"
    return finding(name, share=share)


def judge_divergence(
    beyond: float, is_blind: bool, lowest: float = math.inf
) -> Finding:
    """Does what is seen reach the latent state, and not run away?

    Args:
      beyond: nats per time step beyond those that cost nothing.
      is_blind: whether the images are not predicted either.
      lowest: the lowest value of `beyond` in the course of training.
    """
    name = "latent_used"
    if beyond > _HUGE_NATS:
        name = "divergence_huge"
    elif beyond > _RISE * lowest and beyond > lowest + _RISE_NATS:
        name = "divergence_grows"
    elif is_blind and beyond <= _SILENT_NATS:
        name = "latent_unused"
    return finding(name, beyond=beyond, lowest=lowest)


def judge_images(images: Figures) -> Finding:
    """Do predictions without looking beat a still picture?"""
    ratio, to_mean = images["ratio_to_no_change"], images["ratio_to_mean_frame"]
    if ratio is None or to_mean is None:
        return finding("nothing_moves")
    # A model that has forgotten everything paints the mean. Where frames have
    # nothing to do with each other, that has half a still picture's error.
    remembers = to_mean <= _STUCK
    if ratio <= IMAGE_TARGET and remembers:
        name = "foresees"
    elif ratio <= _STUCK and remembers or images["useful_steps"] >= _FEW_STEPS:
        name = "foresees_partly"
    else:
        name = "foresees_nothing"
    return finding(name, **images)


def judge_actions(images: Figures) -> Finding:
    """Do predictions depend on the actions?"""
    ratio = images["ratio_to_random_actions"]
    if ratio is None:
        return finding("no_error")
    name = "minds_actions" if ratio <= 0.98 else "ignores_actions"
    return finding(name, factor=1 / max(ratio, 1e-6))


def judge_vectors(vectors: Mapping[str, Figures]) -> Finding:
    """Does it know the vectors that it sees, and foresee them?"""
    seen = [one["filtered"] for one in vectors.values()]
    ahead = [value for one in vectors.values() for value in one["open_loop"]]
    means = [
        [value for value in values if value is not None]
        for values in (seen, ahead)
    ]
    if not all(means):
        return finding("nothing_moves")
    seen, ahead = (max(0, sum(values) / len(values)) for values in means)
    if seen < 1 - _STUCK:
        name = "vectors_unknown"
    elif ahead < 0.5:
        name = "vectors_not_foreseen"
    else:
        name = "vectors_foreseen"
    steps = len(next(iter(vectors.values()))["open_loop"])
    return finding(name, seen=seen, ahead=ahead, steps=steps)


def judge_ends(ends: Figures) -> Finding:
    """Does it know when an episode is over?"""
    is_known = ends["at_ends"] < 0.5 < ends["elsewhere"]
    return finding("ends_known" if is_known else "ends_unknown", **ends)


def judge_reward(explained: float | None) -> Finding:
    """Does it know the reward of what it sees?

    Args:
      explained: share of the reward's variance that it explains; None if all
        rewards are the same.
    """
    if explained is None:
        name = "reward_constant"
    elif explained >= REWARD_TARGET:
        name = "reward_known"
    else:
        name = "reward_unknown" if is_stuck(1 - explained) else "reward_partly"
    return finding(name, explained=explained)


def judge_blind_reward(rewards: Figures, horizon: int | None) -> Finding:
    """Does it know the reward of what it imagines, as far as plans reach?"""
    series = rewards["open_loop"]["explained_variance"][:horizon]
    known = [value for value in series if value is not None]
    if not known:
        return finding("reward_constant")
    explained = sum(known) / len(known)
    seen = rewards["filtered"]["explained_variance"] or 0.0
    if explained >= 0.5:
        name = "reward_imagined"
    elif seen < REWARD_TARGET:
        name = "reward_imagined_partly"
    else:
        name = "reward_not_imagined"
    return finding(name, explained=explained, steps=len(series))


def judge_plans(returns: Figures) -> Finding:
    """Do plans bring what the planner expects of them?"""
    planned = returns["planned"]
    if not planned["count"]:
        return finding("no_episode_of_an_agent")
    mean, bias = planned["mean"], planned["bias"]
    correlation = planned["correlation"]
    # What counts is small against the whole, and against how it varies.
    scale = max(abs(mean), planned["stddev"], 1e-6)
    if bias > 0.5 * scale:
        name = "promises_too_much"
    elif bias < -0.5 * scale:
        name = "promises_too_little"
    elif correlation is not None and correlation < 0.5:
        name = "promises_at_random"
    else:
        name = "keeps_promises"
    return finding(
        name, horizon=returns["horizon"], promised=mean + bias, **planned
    )
