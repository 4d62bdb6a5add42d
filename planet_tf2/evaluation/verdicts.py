"""Says in plain words what the figures of a world model mean."""

from typing import Any, NamedTuple

IMAGE_TARGET = 0.5
REWARD_TARGET = 0.8
_FEW_STEPS = 5


class Verdict(NamedTuple):
    """What a check found.

    Attributes:
      check: what was asked.
      good: whether the answer is good; None where there is none.
      text: the answer, in one or two sentences.
    """

    check: str
    good: bool | None
    text: str


def judge(figures: dict[str, Any]) -> list[Verdict]:
    """Judges the figures of `diagnose`."""
    return [
        judge_sight(figures["sight"]),
        judge_divergence(figures["sight"]),
        judge_images(figures["images"]),
        judge_actions(figures["images"]),
        judge_reward(figures["rewards"]),
        judge_blind_reward(figures["rewards"], figures["returns"]),
        judge_plans(figures["returns"]),
    ]


def targets(figures: dict[str, Any]) -> list[str]:
    """The two figures that a trained model is held to, as lines."""
    images, rewards = figures["images"], figures["rewards"]["filtered"]
    ratio = images["ratio_to_no_change"]
    one_future = images["one_future_ratio_to_no_change"]
    explained = rewards["explained_variance"]
    return [
        f"Image error over {images['horizon']} steps after {images['context']} "
        f"frames of context: {_number(ratio)} of the no-change baseline's "
        f"(of one sampled future {_number(one_future)}; target: at most "
        f"{IMAGE_TARGET:.2f}): "
        f"{_met(ratio is not None and ratio <= IMAGE_TARGET)}",
        f"Reward explained variance on held-out episodes: "
        f"{_number(explained)} (target: at least {REWARD_TARGET:.2f}): "
        f"{_met(explained is not None and explained >= REWARD_TARGET)}",
    ]


def judge_sight(sight: dict[str, Any]) -> Verdict:
    """Does it see, or does it paint the mean frame?"""
    check, ratio = "sees what is there", sight["ratio"]
    if ratio is None:
        return Verdict(check, None, "All frames are the same.")
    share = f"{100 * ratio:.0f}% of half the frames' variance"
    if ratio > 1.5:
        return Verdict(
            check,
            False,
            f"It paints worse than the mean frame: the image error is {share}. "
            "It has hardly learned yet, or never saw such frames.",
        )
    if ratio > 0.9:
        return Verdict(
            check,
            False,
            f"It paints the mean frame: the image error is {share}. Plans are "
            "blind until that falls; if it does not within some hundred "
            "updates, look at decoder, precision and learning rate.",
        )
    if ratio > 0.5:
        return Verdict(
            check,
            None,
            f"It sees part of it: the image error is {share}. It should fall "
            "further.",
        )
    return Verdict(check, True, f"It sees: the image error is {share}.")


def judge_divergence(sight: dict[str, Any]) -> Verdict:
    """Does what is seen reach the latent state, and not run away?"""
    check, free = "uses its latent state", sight["free_nats"]
    nats = f"{sight['divergence']:.1f} nats per step, {free:g} are free"
    blind = sight["ratio"] is not None and sight["ratio"] > 0.9
    if sight["divergence"] > 100 + 10 * free:
        return Verdict(
            check,
            False,
            f"The divergence is very large ({nats}): prior and posterior have "
            "come apart. Lower the learning rate or the gradient clipping.",
        )
    if blind and sight["divergence"] <= 1.1 * free:
        return Verdict(
            check,
            False,
            f"The divergence stays at the free nats ({nats}) and the images do "
            "not follow: the posterior says nothing of what is seen.",
        )
    return Verdict(
        check,
        True,
        f"The divergence is {nats}; {100 * sight['above_free_nats']:.0f}% of "
        "the steps have more than that.",
    )


def judge_images(images: dict[str, Any]) -> Verdict:
    """Do predictions without looking beat a still picture?"""
    check, ratio = "predicts images", images["ratio_to_no_change"]
    if ratio is None:
        return Verdict(check, None, "Nothing moves in these episodes.")
    mean_frame, useful = images["ratio_to_mean_frame"], images["useful_steps"]
    text = (
        f"The open-loop error is {ratio:.2f} of a still picture's and "
        f"{_number(mean_frame)} of the mean frame's; it beats both for the "
        f"first {useful} of {images['horizon']} steps"
    )
    # A model that has forgotten everything paints the mean. Where frames have
    # nothing to do with each other, that has half a still picture's error.
    remembers = mean_frame is not None and mean_frame <= 0.9
    if ratio <= IMAGE_TARGET and remembers:
        return Verdict(check, True, f"{text}.")
    if useful >= _FEW_STEPS or (ratio <= 0.9 and remembers):
        return Verdict(check, None, f"{text}. The error should fall further.")
    return Verdict(
        check,
        False,
        f"{text}: it predicts nothing that moves. If it does see what is "
        "there, the transition has not learned yet.",
    )


def judge_actions(images: dict[str, Any]) -> Verdict:
    """Do predictions depend on the actions?"""
    check, ratio = "minds the actions", images["ratio_to_random_actions"]
    if ratio is None:
        return Verdict(check, None, "The model makes no error at all.")
    text = (
        f"With random actions in place of those that were taken the error is "
        f"{1 / max(ratio, 1e-6):.2f} times as large"
    )
    if ratio > 0.98:
        return Verdict(
            check,
            False,
            f"{text}: predictions do not depend on the actions, so that no "
            "plan is better than another. Check how actions and frames are "
            "aligned.",
        )
    return Verdict(check, True, f"{text}.")


def judge_reward(rewards: dict[str, Any]) -> Verdict:
    """Does it know the reward of what it sees?"""
    check = "knows the reward"
    explained = rewards["filtered"]["explained_variance"]
    if explained is None:
        return Verdict(check, None, "The reward is always the same.")
    text = f"It explains {100 * explained:.0f}% of the reward's variance"
    if explained >= REWARD_TARGET:
        return Verdict(check, True, f"{text}.")
    if explained > 0.3:
        return Verdict(check, None, f"{text}, which should rise further.")
    return Verdict(
        check,
        False,
        f"{text}: the reward head knows next to nothing. If images are good, "
        "too few rewards were seen or the scale of the reward loss is low.",
    )


def judge_blind_reward(
    rewards: dict[str, Any], returns: dict[str, Any]
) -> Verdict:
    """Does it know the reward of what it imagines, as far as plans reach?"""
    check = "imagines the reward"
    series = rewards["open_loop"]["explained_variance"][: returns["horizon"]]
    known = [value for value in series if value is not None]
    if not known:
        return Verdict(check, None, "The reward is always the same.")
    explained = sum(known) / len(known)
    text = (
        f"1 to {len(series)} steps ahead without looking it explains "
        f"{100 * explained:.0f}% of the variance on average"
    )
    seen = rewards["filtered"]["explained_variance"] or 0.0
    if explained >= 0.5:
        return Verdict(check, True, f"{text}.")
    if seen >= REWARD_TARGET:
        return Verdict(
            check,
            False,
            f"{text}, though it knows the reward of what it sees: the "
            "transition is the weak part.",
        )
    return Verdict(check, None, f"{text}.")


def judge_plans(returns: dict[str, Any]) -> Verdict:
    """Do plans bring what the planner expects of them?"""
    check, planned = "keeps its promises", returns["planned"]
    if not planned["count"]:
        return Verdict(
            check, None, "There is no episode of an agent to compare with."
        )
    mean, bias = planned["mean"], planned["bias"]
    text = (
        f"Over {returns['horizon']} decisions plans promise {mean + bias:.2f} "
        f"and the agent received {mean:.2f} on average"
    )
    # What counts is small against the whole, and against how it varies.
    scale = max(abs(mean), planned["stddev"], 1e-6)
    if bias > 0.5 * scale:
        return Verdict(
            check,
            False,
            f"{text}: the planner finds faults of the model, or the episodes "
            "are of a weaker agent. Collect fresh ones to tell.",
        )
    if bias < -0.5 * scale:
        return Verdict(
            check, None, f"{text}: the model underrates what it can do."
        )
    correlation = planned["correlation"]
    if correlation is not None and correlation < 0.5:
        return Verdict(
            check,
            None,
            f"{text}, but it hardly knows better moments from worse ones "
            f"(correlation {correlation:.2f}).",
        )
    return Verdict(check, True, f"{text}.")


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def _met(good: bool) -> str:
    return "met" if good else "not met"
