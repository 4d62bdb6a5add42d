"""What the figures of a run and of its world model mean, in plain words.

The diagnosis shows all of these findings, the report those that are bad, among
its alarms. What is bad enough is decided here for both.
"""

from typing import Any, NamedTuple

BAD, WARNING, NOTE, GOOD = "bad", "warning", "note", "good"
LEVELS = (BAD, WARNING, NOTE, GOOD)  # The worst first.

IMAGE_TARGET = 0.5
REWARD_TARGET = 0.8

_STUCK = 0.9  # Of the loss of a constant prediction.
_USELESS = 1.5
_HUGE_NATS = 100.0
_SILENT_NATS = 0.1
_RISE, _RISE_NATS = 3.0, 5.0
_FEW_STEPS = 5

Figures = dict[str, Any]
# A level, and the figures in one or two sentences with what to do; code is in
# backticks.
Judgement = tuple[str, str]


class Finding(NamedTuple):
    """Something that figures tell.

    Attributes:
      title: what was asked, or what was found, in a few words.
      level: `bad`, `warning`, `note` (undecided, or worth a look) or `good`.
      text: see `Judgement`.
    """

    title: str
    level: str
    text: str

    @property
    def is_good(self) -> bool | None:
        """Whether it is good; None where that is undecided."""
        return {GOOD: True, NOTE: None}.get(self.level, False)


def judge(figures: Figures) -> list[Finding]:
    """Judges the figures of `diagnose`, as far as the agent has them."""
    sight, images = figures["sight"], figures["images"]
    rewards, returns = figures["rewards"], figures["returns"]
    findings = {}
    if sight["image_error"] is not None:
        findings["sees what is there"] = judge_sight(sight["ratio"])
    words = (
        f"{sight['divergence']:.1f} nats per step, {sight['floor']:g} are "
        f"free; {100 * sight['above_floor']:.0f}% of the steps have more"
    )
    findings["uses its latent state"] = judge_divergence(
        words, sight["divergence"] - sight["floor"], is_stuck(sight["ratio"])
    )
    if images:
        findings["predicts images"] = judge_images(images)
        findings["minds the actions"] = judge_actions(images)
    explained = rewards["filtered"]["explained_variance"]
    findings["knows the reward"] = judge_reward(explained)
    horizon = returns["horizon"] if returns else None
    findings["imagines the reward"] = judge_blind_reward(rewards, horizon)
    if returns:
        findings["keeps its promises"] = judge_plans(returns)
    return [Finding(title, *found) for title, found in findings.items()]


def targets(figures: Figures) -> list[str]:
    """The two figures that a trained model is held to, as lines."""
    lines = []
    if images := figures["images"]:
        ratio = images["ratio_to_no_change"]
        met = ratio is not None and ratio <= IMAGE_TARGET
        one_future = images["one_future_ratio_to_no_change"]
        lines.append(
            f"Image error over {images['horizon']} steps after "
            f"{images['context']} frames of context: {_number(ratio)} of the "
            f"no-change baseline's (of one sampled future "
            f"{_number(one_future)}; target: at most {IMAGE_TARGET:.2f}): "
            f"{'met' if met else 'not met'}"
        )
    explained = figures["rewards"]["filtered"]["explained_variance"]
    met = explained is not None and explained >= REWARD_TARGET
    return [
        *lines,
        f"Reward explained variance on held-out episodes: "
        f"{_number(explained)} (target: at least {REWARD_TARGET:.2f}): "
        f"{'met' if met else 'not met'}",
    ]


def is_stuck(share: float | None) -> bool:
    """Whether a loss is no better than that of always predicting the mean.

    Args:
      share: the loss as a share of that one; None if there is no such loss.
    """
    return share is not None and share >= _STUCK


def judge_sight(share: float | None) -> Judgement:
    """Does it see, or does it paint the mean frame?

    Args:
      share: image loss without its constant, as a share of half the variance
        of the frames; None if all frames are the same.
    """
    if share is None:
        return NOTE, "All frames are the same."
    words = (
        f"the image error is {100 * share:.0f}% of half the frames' variance"
    )
    if share > _USELESS:
        return WARNING, (
            f"It paints worse than the mean frame: {words}. It has hardly "
            "learned yet, or never saw such frames."
        )
    if is_stuck(share):
        return WARNING, (
            f"It paints the mean frame: {words}. Plans are blind until that "
            "falls; if it does not within some hundred updates, look at "
            "decoder, precision and learning rate."
        )
    if share > IMAGE_TARGET:
        return NOTE, f"It sees part of it: {words}. It should fall further."
    return GOOD, f"It sees: {words}."


def judge_divergence(words: str, beyond: float, is_blind: bool) -> Judgement:
    """Does what is seen reach the latent state, and not run away?

    Args:
      words: what the divergence is.
      beyond: nats per time step beyond those that cost nothing.
      is_blind: whether the images are not predicted either.
    """
    if beyond > _HUGE_NATS:
        return BAD, (
            f"The divergence is very large ({words}): prior and posterior have "
            "come apart, and plans rest on the prior. Lower the learning rate "
            "or the gradient clipping."
        )
    if is_blind and beyond <= _SILENT_NATS:
        return WARNING, (
            f"The divergence stays at the free nats ({words}) and the images "
            "do not follow: the posterior says nothing of what is seen."
        )
    return GOOD, f"The divergence is {words}."


def judge_rise(last: float, lowest: float) -> Judgement:
    """Does a divergence grow beyond measure in the course of training?

    Args:
      last, lowest: the latest and the lowest mean over a tenth of the run, in
        nats per time step beyond those that cost nothing.
    """
    words = (
        f"{last:.1f} nats per step beyond the free ones, {lowest:.1f} at the "
        "lowest"
    )
    has_risen = last > _RISE * lowest and last > lowest + _RISE_NATS
    if has_risen and last <= _HUGE_NATS:
        return WARNING, (
            f"The divergence has grown ({words}): prior and posterior come "
            "apart, and plans rest on the prior. Lower the learning rate or "
            "the gradient clipping."
        )
    return judge_divergence(words, last, False)


def judge_images(images: Figures) -> Judgement:
    """Do predictions without looking beat a still picture?"""
    ratio, mean_frame = (
        images["ratio_to_no_change"],
        images["ratio_to_mean_frame"],
    )
    if ratio is None:
        return NOTE, "Nothing moves in these episodes."
    useful = images["useful_steps"]
    text = (
        f"The open-loop error is {ratio:.2f} of a still picture's and "
        f"{_number(mean_frame)} of the mean frame's; it beats both for the "
        f"first {useful} of {images['horizon']} steps"
    )
    # A model that has forgotten everything paints the mean. Where frames have
    # nothing to do with each other, that has half a still picture's error.
    remembers = mean_frame is not None and mean_frame <= _STUCK
    if ratio <= IMAGE_TARGET and remembers:
        return GOOD, f"{text}."
    if useful >= _FEW_STEPS or (ratio <= _STUCK and remembers):
        return NOTE, f"{text}. The error should fall further."
    return WARNING, (
        f"{text}: it predicts nothing that moves. If it does see what is "
        "there, the transition has not learned yet."
    )


def judge_actions(images: Figures) -> Judgement:
    """Do predictions depend on the actions?"""
    ratio = images["ratio_to_random_actions"]
    if ratio is None:
        return NOTE, "The model makes no error at all."
    text = (
        f"With random actions in place of those that were taken the error is "
        f"{1 / max(ratio, 1e-6):.2f} times as large"
    )
    if ratio <= 0.98:
        return GOOD, f"{text}."
    return WARNING, (
        f"{text}: predictions do not depend on the actions, so that no plan is "
        "better than another. Check how actions and frames are aligned."
    )


def judge_reward(explained: float | None) -> Judgement:
    """Does it know the reward of what it sees?

    Args:
      explained: share of the reward's variance that it explains; None if all
        rewards are the same.
    """
    if explained is None:
        return NOTE, "The reward is always the same."
    text = f"It explains {100 * explained:.0f}% of the reward's variance"
    if explained >= REWARD_TARGET:
        return GOOD, f"{text}."
    if not is_stuck(1 - explained):
        return NOTE, f"{text}, which should rise further."
    return WARNING, (
        f"{text}: the reward head knows next to nothing, and no plan is better "
        "than another. If images are good, too few rewards were seen or the "
        "scale of the reward loss is low."
    )


def judge_blind_reward(rewards: Figures, horizon: int | None) -> Judgement:
    """Does it know the reward of what it imagines, as far as plans reach?

    Args:
      rewards: figures on rewards.
      horizon: decisions that plans reach; None if there are no plans.
    """
    series = rewards["open_loop"]["explained_variance"][:horizon]
    known = [value for value in series if value is not None]
    if not known:
        return NOTE, "The reward is always the same."
    explained = sum(known) / len(known)
    text = (
        f"1 to {len(series)} steps ahead without looking it explains "
        f"{100 * explained:.0f}% of the variance on average"
    )
    if explained >= 0.5:
        return GOOD, f"{text}."
    seen = rewards["filtered"]["explained_variance"] or 0.0
    if seen < REWARD_TARGET:
        return NOTE, f"{text}."
    return WARNING, (
        f"{text}, though it knows the reward of what it sees: the transition "
        "is the weak part."
    )


def judge_plans(returns: Figures) -> Judgement:
    """Do plans bring what the planner expects of them?"""
    planned = returns["planned"]
    if not planned["count"]:
        return NOTE, "There is no episode of an agent to compare with."
    mean, bias = planned["mean"], planned["bias"]
    text = (
        f"Over {returns['horizon']} decisions plans promise {mean + bias:.2f} "
        f"and the agent received {mean:.2f} on average"
    )
    # What counts is small against the whole, and against how it varies.
    scale = max(abs(mean), planned["stddev"], 1e-6)
    if bias > 0.5 * scale:
        return WARNING, (
            f"{text}: the planner finds faults of the model, or the episodes "
            "are of a weaker agent. Collect fresh ones to tell."
        )
    if bias < -0.5 * scale:
        return NOTE, f"{text}: the model underrates what it can do."
    correlation = planned["correlation"]
    if correlation is not None and correlation < 0.5:
        return NOTE, (
            f"{text}, but it hardly knows better moments from worse ones "
            f"(correlation {correlation:.2f})."
        )
    return GOOD, f"{text}."


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
