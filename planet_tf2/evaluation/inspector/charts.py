"""The charts and pictures of an inspection."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.evaluation import figures
from planet_tf2.evaluation.figures import COLORS, GREY
from planet_tf2.evaluation.inspector.inspection import Decision, Inspection
from planet_tf2.evaluation.report import media
from planet_tf2.evaluation.report.charts import Chart
from planet_tf2.evaluation.report.media import Picture
from planet_tf2.tools import video

_ACTIONS = 4  # Entries of an action that are drawn.
_FRAME = 96  # Height of a frame in pixels, about.
_ROWS = ("happened", "expected", "plan")


def over_time(inspection: Inspection) -> list[Chart]:
    """Draws divergence, reward and image error of the whole episode."""
    filtered = inspection.filtered
    times = [decision.time for decision in inspection.decisions]
    received = inspection.episode.arrays["reward"]
    charts = []
    for title, lines, text, caption in (
        (
            "Divergence",
            {"KL": filtered.divergence},
            f"{filtered.divergence.mean():.2f} nats on average",
            "KL of posterior and prior in nats: how much each frame tells "
            "beyond what was predicted.",
        ),
        (
            "Reward",
            {"received": received[1:], "predicted": filtered.reward[1:]},
            f"{received[1:].mean():.2f} received and "
            f"{filtered.reward[1:].mean():.2f} predicted on average",
            "Predicted when the frame has been seen.",
        ),
        (
            "Image error",
            {"error": filtered.image_error},
            f"{filtered.image_error.mean():.2f} on average",
            "Half the squared error of the frame that is seen, summed over "
            "pixels.",
        ),
    ):
        figure, ax = figures.panel(title, "frame", counts=False)
        first = 1 if title == "Reward" else 0
        for number, (name, values) in enumerate(lines.items()):
            steps = first + np.arange(len(values))
            thin = figures.stride(len(values))
            ax.plot(
                steps[::thin],
                values[::thin],
                color=COLORS[number],
                linewidth=1.2,
                label=name,
            )
        for time in times:
            ax.axvline(time, color=GREY, linestyle=":", linewidth=1.2)
        figures.legend(ax)
        description = f"{title} over the frames of the episode: {text}."
        charts.append(Chart(figures.to_svg(figure, description), caption))
    return charts


def of_decision(decision: Decision) -> list[Chart]:
    """Draws the search for a plan, the plan, and the rewards."""
    charts = [_plan(decision), _rewards(decision)]
    if decision.trace is not None and len(decision.trace.best):
        charts = [_first_action(decision), _returns(decision), *charts]
    return charts


def frames(decision: Decision) -> Picture:
    """Lays out what happened, what was expected, and the plan."""
    rows = [
        decision.happened.image,
        decision.expected.image,
        decision.planned.image,
    ]
    length = max(len(row) for row in rows)
    size = rows[0].shape[1]
    videos = np.full((len(rows), length, *rows[0].shape[1:]), 24, np.uint8)
    for target, row in zip(videos, rows, strict=True):
        target[: len(row)] = row
    strip = video.image_strip(video.magnify(videos, size, _FRAME))
    strip = video.add_labels(strip[None], _ROWS)[0]
    return media.image(
        strip,
        f"Frames after decision {decision.time}: those that happened, those "
        "that the model expected of the same actions, and those it expects of "
        "its plan.",
        f"From left to right 1 to {length} decisions ahead. Expected: imagined "
        "without looking, for the actions that were taken. Plan: imagined for "
        "the actions of the plan.",
    )


def _first_action(decision: Decision) -> Chart:
    """Draws mean and spread of the first action, iteration by iteration."""
    trace = decision.trace
    figure, ax = figures.panel("The search: first action", "iteration", False)
    iterations = np.arange(len(trace.mean))
    for entry in range(_shown(trace.mean)):
        mean, stddev = trace.mean[:, 0, entry], trace.stddev[:, 0, entry]
        color = COLORS[entry]
        ax.plot(iterations, mean, color=color, label=_name(trace.mean, entry))
        ax.fill_between(
            iterations,
            mean - stddev,
            mean + stddev,
            color=color,
            alpha=0.18,
            linewidth=0,
        )
        _mark(ax, iterations[-1], decision.happened.action[0, entry], color)
    ax.set_xticks(iterations[:: -(-len(iterations) // 8)])
    figures.legend(ax)
    text = (
        "Mean and standard deviation of the first action in each iteration of "
        f"the search; in the end {_numbers(trace.mean[-1, 0])} ± "
        f"{_numbers(trace.stddev[-1, 0])}."
    )
    caption = (
        "The normal that candidates are drawn from: mean, and a standard "
        "deviation to both sides. Diamond: the action that was taken."
    )
    return Chart(figures.to_svg(figure, text), caption)


def _returns(decision: Decision) -> Chart:
    trace = decision.trace
    figure, ax = figures.panel("The search: returns", "iteration", False)
    iterations = np.arange(1, len(trace.best) + 1)
    for number, (name, values) in enumerate(
        (
            ("best candidate", trace.best),
            ("those refit to", trace.elite),
            ("all candidates", trace.average),
        )
    ):
        ax.plot(
            iterations,
            values,
            color=COLORS[number],
            marker="o",
            markersize=3,
            label=name,
        )
    ax.set_xticks(iterations[:: -(-len(iterations) // 8)])
    figures.legend(ax)
    text = (
        "Returns of candidates in each iteration; in the end "
        f"{trace.best[-1]:.2f} for the best, {trace.elite[-1]:.2f} for those "
        f"that were refit to, {trace.average[-1]:.2f} for all."
    )
    return Chart(
        figures.to_svg(figure, text),
        "What the planner maximises. The search has found something as long as "
        "the curves rise, and has ended where they meet.",
    )


def _plan(decision: Decision) -> Chart:
    """Draws the plan beside what was done."""
    plan, taken = decision.planned.action, decision.happened.action
    figure, ax = figures.panel("The plan", "decisions ahead", False)
    steps = np.arange(1, len(plan) + 1)
    for entry in range(_shown(plan)):
        color = COLORS[entry]
        ax.plot(steps, plan[:, entry], color=color, label=_name(plan, entry))
        if decision.trace is not None:
            stddev = decision.trace.stddev[-1, :, entry]
            ax.fill_between(
                steps,
                plan[:, entry] - stddev,
                plan[:, entry] + stddev,
                color=color,
                alpha=0.18,
                linewidth=0,
            )
        ax.plot(
            steps[: len(taken)],
            taken[:, entry],
            ":",
            color=color,
            linewidth=1.2,
        )
    ax.set_ylim(-1.15, 1.15)
    figures.legend(ax)
    text = f"The actions of the plan; the first is {_numbers(plan[0])}."
    return Chart(
        figures.to_svg(figure, text),
        "Shaded: what the search leaves open in the end. Dotted: the actions "
        "that were taken; the agent plans anew after each of them.",
    )


def _rewards(decision: Decision) -> Chart:
    figure, ax = figures.panel("Rewards", "decisions ahead", False)
    for number, (name, future, style) in enumerate(
        (
            ("received", decision.happened, "-"),
            ("expected of the same actions", decision.expected, "-"),
            ("expected of the plan", decision.planned, "--"),
        )
    ):
        ax.plot(
            np.arange(1, len(future.reward) + 1),
            future.reward,
            style,
            color=COLORS[number],
            label=name,
            marker="o" if len(future.reward) == 1 else None,
        )
    figures.legend(ax)
    sums = [
        f"{future.reward.sum():.2f} {words}"
        for future, words in (
            (decision.happened, "received"),
            (decision.expected, "expected of the same actions"),
            (decision.planned, "expected of the plan"),
        )
    ]
    return Chart(
        figures.to_svg(figure, f"Rewards ahead, in sum: {', '.join(sums)}."),
        f"In sum: {', '.join(sums)}.",
    )


def _shown(actions: np.ndarray) -> int:
    return min(_ACTIONS, actions.shape[-1])


def _name(actions: np.ndarray, entry: int) -> str:
    return f"entry {entry + 1}" if actions.shape[-1] > 1 else "action"


def _mark(ax: Axes, x: float, y: float, color: str) -> None:
    ax.plot([x], [y], "D", color=color, markersize=5, clip_on=False)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
