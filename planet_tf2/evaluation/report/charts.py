"""The charts of a report."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.evaluation import curves as curve_tools
from planet_tf2.evaluation import figures
from planet_tf2.evaluation.curves import AXES, Curve
from planet_tf2.evaluation.figures import COLORS, GREY
from planet_tf2.evaluation.plot import draw_returns
from planet_tf2.evaluation.report import alarms
from planet_tf2.evaluation.report.gather import RunData
from planet_tf2.evaluation.report.timing import planning_times

_MAX_LOSSES = 12
_IN_LEGEND = 10  # Runs.
_TITLES = {
    "image_loss": "Image loss",
    "reward_loss": "Reward loss",
    "divergence_loss": "Divergence",
    "gradient_norm": "Gradient norm",
}


class Chart(NamedTuple):
    """A chart of a page.

    Attributes:
      svg: the drawing.
      caption: what is written below.
    """

    svg: str
    caption: str = ""


def read_curves(found: Sequence[RunData]) -> list[Curve]:
    """Reads the returns of all runs, as far as their journals can be read."""
    curves = []
    for run in found:
        for split in curve_tools.SPLITS if not run.broken else ():
            curves += curve_tools.read_curves(run.folder, split)
    return curves


def returns(
    curves: Sequence[Curve], found: Sequence[RunData]
) -> list[tuple[str, list[Chart]]]:
    """Draws the returns of each task against steps, and against hours.

    Where there are returns of tests, those of training are left out of charts
    of several experiments, and drawn dashed in those of one.
    """
    names = {str(run.folder.path): run.experiment for run in found}
    chosen = [c for c in curves if str(c.run.path) in names]
    if len(set(names.values())) > 1 and any(c.split == "test" for c in chosen):
        chosen = [c for c in chosen if c.split == "test"]
    tasks = dict.fromkeys(c.task for c in chosen)
    return [(task, _returns_of(task, chosen, names)) for task in tasks]


def losses(group: Sequence[RunData]) -> list[Chart]:
    """Draws the losses of the runs of an experiment against updates."""
    names = list(dict.fromkeys(n for run in group for n in run.losses))
    # The sum of all, each with its scale, is mostly constants.
    names = [name for name in names if name != "total_loss"]
    order = [n for n in _TITLES if n in names]
    order += [n for n in names if n not in _TITLES]
    charts = [
        _loss(group, name, name == order[0]) for name in order[:_MAX_LOSSES]
    ]
    return [chart for chart in charts if chart is not None]


def speed(group: Sequence[RunData]) -> list[Chart]:
    """Draws updates per second and the time of decisions over the run."""
    figure, ax = figures.panel("Updates per second", "updates")
    drawn = False
    for number, run in enumerate(group):
        updates, values = run.series("train", "updates_per_second")
        drawn |= bool(len(updates))
        _line(ax, updates, values, number, run.name)
    charts = []
    if drawn:
        ax.set_ylim(bottom=0)
        text = "Updates per second against updates."
        charts.append(Chart(figures.to_svg(figure, text)))
    return charts + _decisions(group)


def _decisions(group: Sequence[RunData]) -> list[Chart]:
    figure, ax = figures.panel("Milliseconds per decision", "training episodes")
    estimated = drawn = False
    for number, run in enumerate(group):
        times = planning_times(run)
        if times is None:
            continue
        drawn, estimated = True, estimated or times.estimated
        x = times.episodes
        if times.planning is not None:
            _line(ax, x, 1000 * times.planning, number, "planner")
        _line(ax, x, 1000 * times.whole, number, "with simulator", "--")
    if not drawn:
        return []
    ax.set_ylim(bottom=0)
    if len(group) == 1:
        figures.legend(ax)
    caption = "Dashed: planner and simulator together."
    if estimated:
        caption += (
            " Estimated from the times in metrics.jsonl, since this run did "
            "not measure it."
        )
    text = "Milliseconds per decision against training episodes."
    return [Chart(figures.to_svg(figure, text), caption)]


def _returns_of(
    task: str, curves: Sequence[Curve], names: dict[str, str]
) -> list[Chart]:
    chosen = [c for c in curves if c.task == task]
    charts = []
    for axis in ("steps", "hours"):
        if axis == "hours" and any(np.isnan(c.hours).any() for c in chosen):
            continue
        figure, ax = figures.panel(
            f"{task}: return", AXES[axis], axis != "hours"
        )
        draw_returns(ax, chosen, names, axis, "std")
        figures.legend(ax)
        text = (
            f"Return of {task} against {AXES[axis]}; last: "
            + ", ".join(_last(c, names) for c in chosen)
            + "."
        )
        charts.append(Chart(figures.to_svg(figure, text)))
    return charts


def _last(curve: Curve, names: dict[str, str]) -> str:
    name = f"{names[str(curve.run.path)]} {curve.run.path.name}"
    return f"{name}, {curve.split}: {curve.score[-1]:.0f}"


def _loss(
    group: Sequence[RunData], name: str, with_legend: bool
) -> Chart | None:
    """Draws a loss; constants that nothing can be learned of are left out."""
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    figure, ax = figures.panel(title, "updates")
    offset = _offset(group[0], name)
    ends = []
    for number, run in enumerate(group):
        for phase, style in (("train", "-"), ("test", "--")):
            updates, values = run.series(phase, name)
            if not len(updates):
                continue
            label = phase if len(group) == 1 else run.name
            if len(group) > 1 and phase == "test":
                label = None
            _line(ax, updates, values - offset, number, label, style)
            ends.append(f"{run.name} {phase}: {values[-1] - offset:.3g}")
    if not ends:
        return None
    _zoom(ax)
    caption = _mark(ax, group[0], name)
    if with_legend and len(group) <= _IN_LEGEND:
        figures.legend(ax)
    text = f"{title} against updates; last: {', '.join(ends)}. {caption}"
    return Chart(figures.to_svg(figure, text), caption)


def _offset(run: RunData, name: str) -> float:
    if name == "image_loss":
        return alarms.image_constant(run)
    if name == "reward_loss":
        return alarms.reward_constant(run) or 0.0
    return 0.0


def _mark(ax: Axes, run: RunData, name: str) -> str:
    """Draws what the loss is to be compared with; returns words on it."""
    if name == "divergence_loss":
        free = run.params["free_nats"]
        return f"KL of posterior and prior beyond the {free:g} free nats."
    if name == "image_loss":
        half = run.half_image_variance
        text = "Without its constants, which nothing can be learned of."
        words = "of the frames: a model that paints the mean frame."
    elif name == "reward_loss" and alarms.reward_constant(run) is not None:
        variance, half = run.reward_variance, None
        if variance is not None and run.params["reward_head_stddev"] == 1:
            half = variance / 2
        text = "Without its constant."
        words = "of the rewards: a head that always says the mean."
    else:
        return ""
    if half is None:
        return text
    ax.axhline(half, color=GREY, linestyle=":", linewidth=1.2)
    return f"{text} Dotted: half the variance {words}"


def _line(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    number: int,
    label: str | None,
    style: str = "-",
) -> None:
    """Draws one of many lines, thinned out, from where it makes sense."""
    thin = figures.stride(len(x))
    ax.plot(
        x[::-thin][::-1],
        _smooth(y, thin)[::-thin][::-1],
        style,
        color=COLORS[number % (len(COLORS) - 1)],
        linewidth=1.3,
        alpha=1.0 if style == "-" else 0.7,
        label=label,
        marker="o" if len(x) == 1 else None,
        markersize=4,
    )


def _zoom(ax: Axes) -> None:
    """Leaves out the first few values where they would flatten the others."""
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    values = values[np.isfinite(values)]
    if len(values) < 20:
        return
    low, top = values.min(), np.quantile(values, 0.97)
    span = max(top - low, 1e-9)
    if values.max() > top + 2 * span:
        ax.set_ylim(low - 0.05 * span, top + 0.3 * span)


def _smooth(values: np.ndarray, size: int) -> np.ndarray:
    """Averages each value with those before it that are left out."""
    if size == 1 or not np.isfinite(values).all():
        return values
    sums = np.cumsum(np.concatenate([[0.0], values]))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - size, 0)
    return (sums[end] - sums[start]) / (end - start)
