"""The charts of a report."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from planet_tf2.agents.loss_info import LossInfo, loss_info
from planet_tf2.evaluation import curves as curve_tools
from planet_tf2.evaluation import figures
from planet_tf2.evaluation.curves import AXES, Curve
from planet_tf2.evaluation.figures import COLORS, GREY
from planet_tf2.evaluation.plot import draw_returns
from planet_tf2.evaluation.report import timing
from planet_tf2.evaluation.report.gather import RunData

_MAX_LOSSES = 12
_IN_LEGEND = 10  # Runs.
# What has the loss of a constant prediction, by what is predicted.
_OF_MEANS = {
    "image": "of the frames: a model that paints the mean frame",
    "reward": "of the rewards: a head that always says the mean",
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
    known = [f"{name}_loss" for name in group[0].loss_table]
    order = [name for name in known if name in names]
    # The sum of all, each with its scale, is mostly constants.
    order += [n for n in names if n not in known and n != "total_loss"]
    return [_loss(group, n, n == order[0]) for n in order[:_MAX_LOSSES]]


def explained_losses(found: Sequence[RunData]) -> list[LossInfo]:
    """Returns what is known of the losses that have to be explained."""
    measured = {name for run in found for name in run.losses}
    infos = {
        name: info
        for run in found
        for name, info in run.loss_table.items()
        if info.meaning and f"{name}_loss" in measured
    }
    return list(infos.values())


def speed(group: Sequence[RunData]) -> list[Chart]:
    """Draws updates per second and the time of decisions over the run."""
    updates, ax = figures.panel("Updates per second", "updates")
    for number, run in enumerate(group):
        _line(ax, *run.series("train", "updates_per_second"), number, run.name)
    decisions, ax = figures.panel(
        "Milliseconds per decision", "training episodes"
    )
    for number, run in enumerate(group):
        if times := timing.decisions(run):
            x, whole, planning = times
            _line(ax, x, 1000 * planning, number, "planner")
            _line(ax, x, 1000 * whole, number, "with simulator", "--")
    if len(group) == 1:
        figures.legend(ax)
    charts = []
    for figure, caption in (
        (updates, ""),
        (decisions, "Dashed: planner and simulator together."),
    ):
        (ax,) = figure.axes
        ax.set_ylim(bottom=0)
        text = f"{ax.get_title('left')} against {ax.get_xlabel()}."
        if ax.lines:
            charts.append(Chart(figures.to_svg(figure, text), caption))
    return charts


def _returns_of(
    task: str, curves: Sequence[Curve], names: dict[str, str]
) -> list[Chart]:
    chosen = [c for c in curves if c.task == task]
    last = [
        f"{names[str(c.run.path)]} {c.run.path.name}, {c.split}: "
        f"{c.score[-1]:.0f}"
        for c in chosen
    ]
    charts = []
    for axis in ("steps", "hours"):
        if axis == "hours" and any(np.isnan(c.hours).any() for c in chosen):
            continue
        title = f"{task}: return"
        figure, ax = figures.panel(title, AXES[axis], axis != "hours")
        draw_returns(ax, chosen, names, axis, "std")
        figures.legend(ax)
        text = (
            f"Return of {task} against {AXES[axis]}; last: {', '.join(last)}."
        )
        charts.append(Chart(figures.to_svg(figure, text)))
    return charts


def _loss(group: Sequence[RunData], name: str, with_legend: bool) -> Chart:
    """Draws a loss; constants that nothing can be learned of are left out."""
    info = loss_info(group[0].loss_table, name)
    figure, ax = figures.panel(info.title, "updates")
    offset = group[0].constant(name) or 0.0
    ends = []
    for number, run in enumerate(group):
        for phase, style in (("train", "-"), ("test", "--")):
            updates, values = run.series(phase, name)
            label = phase if len(group) == 1 else run.name
            if len(group) > 1 and phase == "test":
                label = None
            _line(ax, updates, values - offset, number, label, style)
            if len(updates):
                ends.append(f"{run.name} {phase}: {values[-1] - offset:.3g}")
    _zoom(ax)
    caption = " ".join(_about_loss(group[0], name))
    of_mean = group[0].loss_of_mean(name)
    if of_mean is not None:
        ax.axhline(of_mean, color=GREY, linestyle=":", linewidth=1.2)
    if with_legend and len(group) <= _IN_LEGEND:
        figures.legend(ax)
    text = f"{info.title} against updates; last: {', '.join(ends)}. {caption}"
    return Chart(figures.to_svg(figure, text), caption)


def _about_loss(run: RunData, name: str) -> Iterator[str]:
    """Yields sentences on what is drawn of a loss."""
    info = loss_info(run.loss_table, name)
    floor = info.floor(run.params)
    if info.about:
        beyond = f" beyond the {floor:g} free nats" if floor else ""
        yield f"{info.about}{beyond}."
    if run.constant(name):
        yield "Without its constant, which nothing can be learned of."
    if run.loss_of_mean(name) is not None:
        words = _OF_MEANS.get(info.target, f"of the {info.target}")
        yield f"Dotted: half the variance {words}."


def _line(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    number: int,
    label: str | None,
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
