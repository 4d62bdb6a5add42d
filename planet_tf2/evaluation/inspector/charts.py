"""The charts and pictures of an inspection."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.evaluation import figures
from planet_tf2.evaluation.figures import COLORS, GREY
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.inspector.inspection import Decision
from planet_tf2.evaluation.predictions import Filtered
from planet_tf2.evaluation.report import page
from planet_tf2.evaluation.report.page import Chart, Picture
from planet_tf2.tools import video

_ACTIONS = 4  # Entries of an action that are drawn.
_FRAME = 96  # Height of a frame in pixels, about.
_VECTORS = 3  # Vectors that are drawn.
_ROWS = ("happened", "expected", "plan")
# What agents expect of plans: title, caption, and the range of values.
_HOPES = {
    "value": (
        "Value",
        "The return that the agent expects from each state of its plan on. "
        "What came is the sum of rewards up to the end of the episode; the "
        "agent may discount those that are far off.",
        None,
    ),
    "cont": (
        "Continuation",
        "The probability that the episode goes on.",
        (-0.05, 1.05),
    ),
}


def over_time(
    episode: HeldOut, filtered: Filtered, decisions: Sequence[Decision]
) -> list[Chart]:
    """Draws divergence, reward and image error of the whole episode."""
    rewards = {
        "received": episode.arrays["reward"][1:],
        "predicted": filtered.reward[1:],
    }
    charts = []
    for title, lines, caption in (
        (
            "Divergence",
            {"KL": filtered.divergence},
            "KL of posterior and prior in nats: how much each frame tells "
            "beyond what was predicted.",
        ),
        ("Reward", rewards, "Predicted when the frame has been seen."),
        (
            "Image error",
            {"error": filtered.image_error},
            "Half the squared error of the frame that is seen, summed over "
            "pixels.",
        ),
    ):
        if any(values is None for values in lines.values()):
            continue
        ax = figures.panel(title, "frame", counts=False)
        for color, (name, values) in zip(COLORS, lines.items(), strict=False):
            # The last value is that of the last frame.
            start = len(filtered.reward) - len(values)
            thin = slice(None, None, figures.stride(len(values)))
            steps = start + np.arange(len(values))
            ax.plot(steps[thin], values[thin], color=color, lw=1.2, label=name)
        for decision in decisions:
            ax.axvline(decision.time, color=GREY, linestyle=":", linewidth=1.2)
        means = ", ".join(f"{k} {v.mean():.2f}" for k, v in lines.items())
        charts.append(_finish(ax, f"{caption} On average: {means}."))
    return charts


def of_decision(decision: Decision) -> list[Chart]:
    """Draws the search for a plan, the plan, and the rewards."""
    charts = [_plan(decision), _rewards(decision)]
    charts += [
        _hope(decision, name) for name in _HOPES if name in decision.hoped
    ]
    charts += list(_vectors(decision))
    if decision.trace is not None and len(decision.trace.best):
        charts = [_first_action(decision), _returns(decision), *charts]
    return charts


def frames(decision: Decision) -> Picture | None:
    """Lays out what happened, what was expected, and the plan."""
    plan = decision.planned.image
    if plan is None:
        return None
    length = len(plan)  # Nothing reaches further.
    videos = np.full((3, *plan.shape), 24, np.uint8)
    for row, future in enumerate(
        (decision.happened, decision.expected, decision.planned)
    ):
        videos[row, : len(future.image)] = future.image
    strip = video.image_strip(video.magnify(videos, plan.shape[1], _FRAME))
    strip = video.add_labels(strip[None], _ROWS)[0]
    return page.picture(
        page.png(strip),
        f"Frames after decision {decision.time}: those that happened, those "
        "that the model expected of the same actions, and those it expects of "
        "its plan.",
        f"From left to right 1 to {length} decisions ahead. Expected: imagined "
        "without looking, for the actions that were taken. Plan: imagined for "
        "the actions of the plan.",
    )


def _first_action(decision: Decision) -> Chart:
    """Draws mean and spread of the first action, iteration by iteration."""
    mean, stddev = decision.trace.mean[:, 0], decision.trace.stddev[:, 0]
    ax = figures.panel("The search: first action", "iteration", False)
    iterations = np.arange(len(mean))
    _draw_actions(ax, iterations, mean, stddev)
    taken = decision.happened.action[0, :_ACTIONS]
    for color, entry in zip(COLORS, taken, strict=False):
        ax.plot(iterations[-1], entry, "D", color=color, ms=5, clip_on=False)
    ax.set_xticks(iterations[:: -(-len(iterations) // 8)])
    return _finish(
        ax,
        "The normal that candidates are drawn from: mean, and a standard "
        "deviation to both sides. Diamond: the action that was taken.",
    )


def _returns(decision: Decision) -> Chart:
    """Draws the returns of candidates, iteration by iteration."""
    trace = decision.trace
    ax = figures.panel("The search: returns", "iteration", False)
    iterations = np.arange(1, len(trace.best) + 1)
    for color, values, name in (
        (COLORS[0], trace.best, "best candidate"),
        (COLORS[1], trace.elite, "those refit to"),
        (COLORS[2], trace.average, "all candidates"),
    ):
        ax.plot(iterations, values, "o-", color=color, markersize=3, label=name)
    ax.set_xticks(iterations[:: -(-len(iterations) // 8)])
    return _finish(
        ax,
        "What the planner maximises. The search has found something as long as "
        "the curves rise, and has ended where they meet.",
    )


def _plan(decision: Decision) -> Chart:
    """Draws the plan beside what was done."""
    plan, taken = (
        future.action.reshape(len(future.action), -1)
        for future in (decision.planned, decision.happened)
    )
    ax = figures.panel("The plan", "decisions ahead", False)
    steps = np.arange(1, len(plan) + 1)
    stddev = None if decision.trace is None else decision.trace.stddev[-1]
    _draw_actions(ax, steps, plan, stddev)
    for color, entry in zip(COLORS, taken.T[:_ACTIONS], strict=False):
        style = ":" if plan.dtype.kind == "f" else "x"
        ax.plot(steps[: len(entry)], entry, style, color=color, linewidth=1.2)
    if plan.dtype.kind == "f":
        ax.set_ylim(-1.15, 1.15)
    shaded = "Shaded: what the search leaves open in the end. "
    dotted = "Dotted" if plan.dtype.kind == "f" else "Crosses"
    return _finish(
        ax,
        f"{shaded if stddev is not None else ''}{dotted}: the actions "
        "that were taken; the agent plans anew after each of them.",
    )


def _rewards(decision: Decision) -> Chart:
    ax = figures.panel("Rewards", "decisions ahead", False)
    sums = []
    for color, future, name, style in (
        (COLORS[0], decision.happened, "received", "-"),
        (COLORS[1], decision.expected, "expected of the same actions", "-"),
        (COLORS[2], decision.planned, "expected of the plan", "--"),
    ):
        reward = future.reward
        marker = "o" if len(reward) == 1 else None
        steps = np.arange(1, len(reward) + 1)
        ax.plot(steps, reward, style, color=color, label=name, marker=marker)
        sums.append(f"{reward.sum():.2f} {name}")
    return _finish(ax, f"In sum: {', '.join(sums)}.")


def _hope(decision: Decision, name: str) -> Chart:
    """Draws what else is expected of the plan, beside what came."""
    title, caption, limits = _HOPES[name]
    ax = figures.panel(title, "decisions ahead", False)
    for color, values, label, style in (
        (COLORS[0], decision.came.get(name), "came", "-"),
        (COLORS[2], decision.hoped[name], "expected of the plan", "--"),
    ):
        if values is not None:
            steps = np.arange(len(values))
            ax.plot(steps, values, style, color=color, label=label)
    if limits is not None:
        ax.set_ylim(*limits)
    first, last = decision.hoped[name][[0, -1]]
    ends = f"{first:.2f} at the decision, {last:.2f} at the end."
    return _finish(ax, f"{caption} Expected: {ends}")


def _vectors(decision: Decision) -> Iterator[Chart]:
    """Draws the first entries of vectors: what came, and what was expected."""
    for name in list(decision.happened.vectors)[:_VECTORS]:
        ax = figures.panel(name, "decisions ahead", False)
        came, expected = (
            future.vectors[name]
            for future in (decision.happened, decision.expected)
        )
        for entry in range(min(_ACTIONS, came.shape[1])):
            for values, style in ((came, "-"), (expected, "--")):
                steps = np.arange(1, len(values) + 1)
                label = f"entry {entry + 1}" if style == "-" else None
                ax.plot(
                    steps,
                    values[:, entry],
                    style,
                    color=COLORS[entry],
                    label=label,
                )
        yield _finish(
            ax,
            "Solid: observed. Dashed: expected of the actions that were taken.",
        )


def _draw_actions(
    ax: Axes, x: np.ndarray, mean: np.ndarray, stddev: np.ndarray | None
) -> None:
    """Draws actions `[N, A]`, and around them their standard deviations."""
    for entry in range(min(_ACTIONS, mean.shape[1])):
        color, values = COLORS[entry], mean[:, entry]
        label = f"entry {entry + 1}" if mean.shape[1] > 1 else "action"
        # Nothing lies between two choices.
        style = "-" if mean.dtype.kind == "f" else "o"
        ax.plot(x, values, style, color=color, label=label)
        if stddev is not None:
            low, high = values - stddev[:, entry], values + stddev[:, entry]
            ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)


def _finish(ax: Axes, caption: str) -> Chart:
    figures.legend(ax)
    description = f"{ax.get_title('left')}. {caption}"
    return Chart(figures.to_svg(ax.figure, description), caption)
