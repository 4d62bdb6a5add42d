"""The charts of a report."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.agents.loss_info import loss_info
from planet_tf2.evaluation import figures
from planet_tf2.evaluation.curves import AXES, Curve
from planet_tf2.evaluation.figures import COLORS, GREY
from planet_tf2.evaluation.plot import draw_returns
from planet_tf2.evaluation.report import tables
from planet_tf2.evaluation.report.gather import RunData
from planet_tf2.evaluation.report.page import Chart

_IN_LEGEND = 10  # Runs.


def returns(found: Sequence[RunData]) -> list[Chart]:
    """Draws the returns of each task against steps, and against hours.

    Where there are returns of tests, those of training are left out of charts
    of several experiments, and drawn dashed in those of one.
    """
    names = {str(run.folder.path): run.experiment for run in found}
    chosen = [curve for run in found for curve in run.curves]
    if len(set(names.values())) > 1 and any(c.split == "test" for c in chosen):
        chosen = [c for c in chosen if c.split == "test"]
    by_task: dict[str, list[Curve]] = {}
    for curve in chosen:
        by_task.setdefault(curve.task, []).append(curve)
    return [
        chart
        for task, several in by_task.items()
        for chart in _returns(task, several, names)
    ]


def losses(group: Sequence[RunData]) -> list[Chart]:
    """Draws the losses of the runs of an experiment against updates."""
    names = list(dict.fromkeys(n for run in group for n in run.losses))
    known = [
        name for loss in group[0].loss_table for name in (f"{loss}_loss", loss)
    ]
    order = [name for name in known if name in names]
    # The sum of all, each with its scale, is mostly constants.
    order += [n for n in names if n not in known and n != "total_loss"]
    return [_loss(group, name, name == order[0]) for name in order]


def speed(group: Sequence[RunData]) -> list[Chart]:
    """Draws updates per second and the time of decisions over the run."""
    pace = figures.panel("Updates per second", "updates")
    waits = figures.panel("Milliseconds per decision", "training episodes")
    for number, run in enumerate(group):
        _line(pace, *run.series("train", "updates_per_second"), number)
        times = tables.decisions(run)
        if times is not None:
            x, whole, planning = times
            _line(waits, x, 1000 * planning, number, "planner")
            _line(waits, x, 1000 * whole, number, "with simulator", "--")
    if len(group) == 1:
        figures.legend(waits)
    pace.set_ylim(bottom=0)
    waits.set_ylim(bottom=0)
    return [
        _finish(ax, f"{ax.get_title('left')} against {ax.get_xlabel()}.", about)
        for ax, about in (
            (pace, ""),
            (waits, "Dashed: planner and simulator together."),
        )
        if ax.lines
    ]


def _returns(
    task: str, curves: Sequence[Curve], names: dict[str, str]
) -> list[Chart]:
    last = ", ".join(
        f"{names[str(c.run.path)]} {c.run.path.name}, {c.split}: "
        f"{c.score[-1]:.0f}"
        for c in curves
    )
    charts = []
    for axis in ("steps", "hours"):
        if axis == "hours" and any(np.isnan(c.hours).any() for c in curves):
            continue
        ax = figures.panel(f"{task}: return", AXES[axis], axis != "hours")
        draw_returns(ax, curves, names, axis, "std")
        figures.legend(ax)
        text = f"Return of {task} against {AXES[axis]}; last: {last}."
        charts.append(_finish(ax, text))
    return charts


def _loss(group: Sequence[RunData], name: str, with_legend: bool) -> Chart:
    """Draws a loss; constants that nothing can be learned of are left out."""
    info = loss_info(group[0].loss_table, name)
    ax = figures.panel(info.title, "updates")
    constant, of_mean = group[0].constant(name), group[0].loss_of_mean(name)
    ends = []
    for number, run in enumerate(group):
        for phase, style in (("train", "-"), ("test", "--")):
            updates, values = run.series(phase, name)
            values -= constant or 0.0
            label = phase if len(group) == 1 else run.name
            if len(group) > 1 and phase == "test":
                label = None
            _line(ax, updates, values, number, label, style)
            ends += [f"{run.name} {phase}: {x:.3g}" for x in values[-1:]]
    values = np.concatenate([line.get_ydata() for line in ax.lines])
    values = values[np.isfinite(values)]
    # The first few values are left out where they would flatten the others.
    if len(values) >= 20:
        low, top = values.min(), np.quantile(values, 0.97)
        if values.max() > top + 2 * max(top - low, 1e-9):
            ax.set_ylim(low - 0.05 * (top - low), top + 0.3 * (top - low))
    about = []
    if info.about:
        floor = info.floor(group[0].params)
        beyond = f" beyond the {floor:g} free nats" if floor else ""
        about.append(f"{info.about}{beyond}.")
    if constant:
        about.append("Without its constant, which nothing can be learned of.")
    if of_mean is not None:
        ax.axhline(of_mean, color=GREY, linestyle=":", linewidth=1.2)
        about.append(
            f"Dotted: half the variance of the {info.target}, the loss of "
            "always predicting the mean."
        )
    if with_legend and len(group) <= _IN_LEGEND:
        figures.legend(ax)
    caption = " ".join(about)
    text = f"{info.title} against updates; last: {', '.join(ends)}. {caption}"
    return _finish(ax, text, caption)


def _line(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    number: int,
    label: str | None = None,
    style: str = "-",
) -> None:
    """Draws one of many lines; of very many points, means of neighbours."""
    if not len(x):
        return
    thin = figures.stride(len(x))
    count = len(x) // thin
    ax.plot(
        x[::-1][: count * thin : thin][::-1],
        y[len(y) - count * thin :].reshape(count, thin).mean(1),
        style,
        color=COLORS[number % (len(COLORS) - 1)],
        linewidth=1.3,
        alpha=1.0 if style == "-" else 0.7,
        label=label and figures.legend_name(label),
        marker="o" if len(x) == 1 else None,
        markersize=4,
    )


def _finish(ax: Axes, description: str, caption: str = "") -> Chart:
    return Chart(figures.to_svg(ax.figure, description), caption)
