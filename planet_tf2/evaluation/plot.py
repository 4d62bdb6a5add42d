"""Draws learning curves, and writes them as tables."""

import os
import pathlib
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from planet_tf2.agents import name_of_run
from planet_tf2.configs.anchors import get_anchors
from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.evaluation import curves as curve_tools
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.curves import AXES, SPLITS, Band, Curve
from planet_tf2.evaluation.figures import (
    COLORS,
    GREY,
    legend_name,
    new_figure,
    write_figure,
)
from planet_tf2.evaluation.output import check_outside, csv_text
from planet_tf2.evaluation.runs import label_experiments
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.plain_text import one_line

_DASHES = {"test": "-", "train": "--"}

# Experiment, task, split, axis, and what its runs have in common.
Mean = tuple[str, str, str, str, Band]


def plot(
    folders: Sequence[RunFolder],
    out: str | os.PathLike[str],
    axes: Sequence[str] = tuple(AXES),
    splits: Sequence[str] = ("test",),
    band: str = "std",
    smooth: int = 1,
    *,
    labels: Sequence[str] = (),
) -> None:
    """Draws the curves of runs as a PNG and writes them as CSV.

    Beside `out` come a CSV file of the same name with the returns as they are,
    and one that ends in `-mean` with the means that are drawn.

    Args:
      folders: the runs, see `runs.find_runs`.
      out: PNG file.
      axes: what to draw against: `episodes`, `steps`, `hours`.
      splits: `test` or `train` or both.
      band: spread around the mean: `std`, `minmax` or `none`.
      smooth: how many returns to average, each with those before it.
      labels: names of the experiments, in the order of the folders.

    Raises:
      ValueError: an axis or a split is unknown, or there is nothing to draw.
    """
    for what, chosen, known in (("x", axes, AXES), ("split", splits, SPLITS)):
        if not chosen or sorted(chosen) != sorted({*chosen} & {*known}):
            raise ValueError(
                f"{what} is {','.join(chosen) or 'empty'}, but has to be of: "
                f"{', '.join(known)}."
            )
    out = pathlib.Path(out).with_suffix(".png")
    check_outside(out, folders)
    names = _name(folders, labels)
    curves = collect_curves(folders, splits)
    smoothed = [curve_tools.smooth(curve, smooth) for curve in curves]
    figure, means = draw(smoothed, names, axes, band)
    make_folder(out.parent)
    write_figure(out, figure)
    write_atomically(out.with_suffix(".csv"), curve_table(curves, names))
    mean_path = out.with_name(f"{out.stem}-mean.csv")
    write_atomically(mean_path, _mean_table(means))
    print(f"Written: {out}, {out.stem}.csv and {mean_path.name}")


def collect_curves(
    folders: Sequence[RunFolder], splits: Sequence[str]
) -> list[Curve]:
    """Reads the curves of several runs, and says which have none.

    Raises:
      ValueError: none of the runs has a curve.
    """
    kind = " or ".join(splits)
    curves: list[Curve] = []
    for folder in folders:
        found = [x for s in splits for x in curve_tools.read_curves(folder, s)]
        if not found:
            print(f"Left out {folder.path}: it has no {kind} return.")
        curves += found
    if not curves and all(map(runs.plays_nothing, folders)):
        raise ValueError(
            f"Nothing to draw: {folders[0].path} learned from stored episodes "
            "and plays none, so that there are no returns. report.py shows its "
            "losses."
        )
    if not curves:
        raise ValueError(
            f"Nothing to draw: {folders[0].path} is unfinished, it has no "
            f"{kind} return yet. Train it further first."
        )
    return curves


def draw(
    curves: Sequence[Curve],
    names: dict[str, str],
    axes: Sequence[str] = tuple(AXES),
    band: str = "std",
) -> tuple[Figure, list[Mean]]:
    """Draws a row for each task and a column for each axis.

    Args:
      curves: at least one.
      names: name of the experiment by path of the run.
      axes, band: see `plot`.

    Returns:
      The figure, and the means that are drawn in it.
    """
    splits = {curve.split for curve in curves}
    label = "return" if len(splits) > 1 else f"{curves[0].split} return"
    tasks = list(dict.fromkeys(curve.task for curve in curves))
    figure, grid = new_figure(len(tasks), len(axes), 4.4, 3.4)
    means: list[Mean] = []
    for task, row in zip(tasks, grid, strict=True):
        chosen = [curve for curve in curves if curve.task == task]
        for axis, ax in zip(axes, row, strict=True):
            means += draw_returns(ax, chosen, names, axis, band)
            ax.set(xlabel=AXES[axis], title=one_line(task, 48))
        row[0].set_ylabel(label)
        row[0].legend(fontsize=8, frameon=False)
    return figure, means


def draw_returns(
    ax: Axes,
    curves: Sequence[Curve],
    names: dict[str, str],
    axis: str,
    band: str,
) -> list[Mean]:
    """Draws the curves of one task against one axis, and what to compare with.

    See `plot` and `draw`. Returns the means that are drawn.
    """
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        key = names[str(curve.run.path)], curve.split
        groups.setdefault(key, []).append(curve)
    experiments = list(dict.fromkeys(names.values()))
    means = []
    for (name, split), group in groups.items():
        color = COLORS[experiments.index(name) % len(COLORS)]
        label = legend_name(name)
        if len(group) > 1:
            label += f" ({len(group)} runs)"
        if split == "train":
            label += ", training"
        mean = curve_tools.average(group, axis)
        for curve in group:
            x, y = getattr(curve, axis), curve.score
            # A line through one point could not be seen.
            style = _DASHES[split] if len(y) > 1 else "o"
            ax.plot(x, y, style, color=color, lw=0.6, alpha=0.5, ms=4)
        if mean is None:
            ax.lines[-1].set_label(label)
        else:
            _draw_mean(ax, mean, band, split, color, label)
            means.append((name, group[0].task, split, axis, mean))
    agents = {name_of_run(curve.run.read_config()) for curve in curves}
    _draw_anchors(ax, curves[0].task, sorted(agents))
    bottom, top = ax.get_ylim()
    # Room for the words above the highest line.
    ax.set_ylim(min(0, bottom), top + 0.05 * (top - bottom))
    if axis == "steps":
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    return means


def curve_table(curves: Sequence[Curve], names: dict[str, str]) -> str:
    """Lists the returns of all curves as CSV; for the names see `draw`."""
    columns = "experiment,run,task,split,episodes,steps,hours,return"
    rows = [
        (
            names[str(curve.run.path)],
            curve.run.path.name,
            curve.task,
            curve.split,
            f"{episodes:.0f}",
            f"{steps:.0f}",
            f"{hours:.4f}",
            f"{score:.3f}",
        )
        for curve in curves
        for episodes, steps, hours, score in zip(
            curve.episodes, curve.steps, curve.hours, curve.score, strict=True
        )
    ]
    return csv_text(columns.split(","), rows)


def _mean_table(means: Sequence[Mean]) -> str:
    columns = "experiment,task,split,axis,x,mean,stddev,min,max,runs"
    rows = []
    for *who, band in means:
        spread = (band.mean, band.stddev, band.low, band.high)
        for x, *numbers in zip(band.x, *spread, strict=True):
            texts = [f"{number:.3f}" for number in numbers]
            rows.append((*who, f"{x:.6g}", *texts, band.runs))
    return csv_text(columns.split(","), rows)


def _draw_mean(
    ax: Axes, mean: Band, band: str, split: str, color: str, label: str
) -> None:
    """Draws the mean of an experiment and its spread."""
    # Returns with exploration noise go up and down a lot.
    width = 1.8 if split == "test" else 1.0
    ax.plot(mean.x, mean.mean, _DASHES[split], c=color, lw=width, label=label)
    low, high = mean.low, mean.high
    if band == "std":
        low, high = mean.mean - mean.stddev, mean.mean + mean.stddev
    if band != "none":
        ax.fill_between(mean.x, low, high, color=color, alpha=0.18, linewidth=0)


def _draw_anchors(ax: Axes, task: str, agents: Sequence[str]) -> None:
    lines = []
    for agent in agents:
        anchors, _ = get_anchors(task, agent=agent)
        if anchors is None:
            return
        label = f"published, {anchors.after}"
        lines.append((label, anchors.published, "-."))
    for label, value, dashes in (("random", anchors.random, ":"), *lines):
        if value is not None:
            ax.axhline(value, color=GREY, linestyle=dashes, linewidth=1)
            place, text = (0.99, value), f"{label}: {value:g}"
            across = ax.get_yaxis_transform()
            style = {"ha": "right", "va": "bottom", "fontsize": 7}
            ax.text(*place, text, transform=across, color=GREY, **style)


def _name(
    folders: Sequence[RunFolder], labels: Sequence[str]
) -> dict[str, str]:
    """Returns the names of the experiments by path of the run."""
    names = label_experiments(folders)
    experiments = list(dict.fromkeys(names.values()))
    labels = labels or experiments
    if not len(labels) == len({*labels}) == len(experiments):
        raise ValueError(
            f"labels are {', '.join(labels)}, but there have to be "
            f"{len(experiments)} different ones, for {', '.join(experiments)}."
        )
    new = dict(zip(experiments, labels, strict=True))
    return {path: new[name] for path, name in names.items()}
