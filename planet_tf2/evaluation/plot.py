"""Draws learning curves, and writes them as tables."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from planet_tf2.configs.anchors import get_anchors
from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.evaluation import curves as curve_tools
from planet_tf2.evaluation.curves import AXES, SPLITS, Band, Curve
from planet_tf2.evaluation.figures import (
    COLORS,
    GREY,
    new_figure,
    write_figure,
)
from planet_tf2.evaluation.output import check_outside, csv_text
from planet_tf2.tools.files import write_atomically

BANDS = ("std", "minmax", "none")

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
) -> list[Curve]:
    """Draws the curves of runs as a PNG and writes them as CSV.

    Beside `out` come a CSV file of the same name with the returns as they are,
    and one that ends in `-mean` with the means over the runs of an experiment
    that are drawn.

    Args:
      folders: the runs, see `runs.find_runs`.
      out: PNG file.
      axes: what to draw against: `episodes`, `steps`, `hours`.
      splits: `test` or `train` or both.
      band: spread around the mean: `std`, `minmax` or `none`.
      smooth: how many returns to average, each with those before it.
      labels: names of the experiments, in the order of the folders.

    Returns:
      The curves, not smoothed.

    Raises:
      ValueError: a name is unknown, or there is nothing to draw.
    """
    _check_names("x", axes, tuple(AXES))
    _check_names("split", splits, SPLITS)
    _check_names("band", [band], BANDS)
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
    write_atomically(mean_path, mean_table(means))
    print(f"Written: {out}, {out.stem}.csv and {mean_path.name}")
    return curves


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
        found = [
            curve
            for split in splits
            for curve in curve_tools.read_curves(folder, split)
        ]
        if not found:
            print(f"Left out {folder.path}: it has no {kind} return.")
        if any(np.isnan(curve.hours).any() for curve in found):
            print(f"{folder.path} does not tell how long it was worked on.")
        curves += found
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
      axes: what to draw against.
      band: spread around the mean.

    Returns:
      The figure, and the means that are drawn in it.
    """
    splits = list(dict.fromkeys(curve.split for curve in curves))
    tasks = list(dict.fromkeys(curve.task for curve in curves))
    figure, grid = new_figure(len(tasks), len(axes), 4.4, 3.4)
    means: list[Mean] = []
    for task, row in zip(tasks, grid, strict=True):
        chosen = [curve for curve in curves if curve.task == task]
        for axis, ax in zip(axes, row, strict=True):
            means += draw_returns(ax, chosen, names, axis, band)
            ax.set_xlabel(AXES[axis])
            ax.set_title(task)
        row[0].set_ylabel(
            "return" if len(splits) > 1 else f"{splits[0]} return"
        )
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

    Args:
      ax: where to draw.
      curves: at least one.
      names: name of the experiment by path of the run.
      axis: `episodes`, `steps` or `hours`.
      band: spread around the mean: `std`, `minmax` or `none`.
    """
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        key = names[str(curve.run.path)], curve.split
        groups.setdefault(key, []).append(curve)
    experiments = list(dict.fromkeys(names.values()))
    means = []
    for (name, split), group in groups.items():
        color = COLORS[experiments.index(name) % len(COLORS)]
        label = name if len(group) == 1 else f"{name} ({len(group)} runs)"
        if split == "train":
            label += ", training"
        mean = curve_tools.average(group, axis)
        _draw_runs(ax, group, axis, color, None if mean else label)
        if mean is not None:
            _draw_band(ax, mean, band, color, split, label)
            means.append((name, group[0].task, split, axis, mean))
    _draw_anchors(ax, curves[0].task)
    bottom, top = ax.get_ylim()
    # Room for the words above the highest line.
    ax.set_ylim(min(0, bottom), top + 0.05 * (top - bottom))
    if axis == "steps":
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    return means


def curve_table(curves: Sequence[Curve], names: dict[str, str]) -> str:
    """Lists the returns of all curves as CSV.

    Args:
      curves: the curves.
      names: name of the experiment by path of the run.
    """
    columns = "experiment,run,task,split,episodes,steps,hours,return"
    rows = []
    for curve in curves:
        who = names[str(curve.run.path)], curve.run.path.name
        points = (curve.episodes, curve.steps, curve.hours, curve.score)
        for episodes, steps, hours, score in zip(*points, strict=True):
            numbers = f"{episodes:.0f}", f"{steps:.0f}", f"{hours:.4f}"
            rows.append(
                (*who, curve.task, curve.split, *numbers, f"{score:.3f}")
            )
    return csv_text(columns.split(","), rows)


def mean_table(means: Sequence[Mean]) -> str:
    """Lists what the runs of experiments have in common as CSV."""
    columns = "experiment,task,split,axis,x,mean,stddev,min,max,runs"
    rows = []
    for *who, band in means:
        spread = (band.mean, band.stddev, band.low, band.high)
        for x, *numbers in zip(band.x, *spread, strict=True):
            texts = [f"{number:.3f}" for number in numbers]
            rows.append((*who, f"{x:.6g}", *texts, band.runs))
    return csv_text(columns.split(","), rows)


def _draw_runs(
    ax: Axes, group: Sequence[Curve], axis: str, color: str, label: str | None
) -> None:
    """Draws the runs of an experiment thinly."""
    for number, curve in enumerate(group):
        ax.plot(
            getattr(curve, axis),
            curve.score,
            _DASHES[curve.split],
            color=color,
            linewidth=0.6,
            alpha=0.5,
            label=label if number == 0 else None,
            # A line through one point could not be seen.
            marker="o" if len(curve.score) == 1 else None,
            markersize=4,
        )


def _draw_band(
    ax: Axes, mean: Band, band: str, color: str, split: str, label: str
) -> None:
    """Draws the mean of an experiment and its spread."""
    # Returns with exploration noise go up and down a lot.
    width, alpha = (1.8, 1.0) if split == "test" else (1.0, 0.75)
    ax.plot(
        mean.x,
        mean.mean,
        _DASHES[split],
        color=color,
        linewidth=width,
        alpha=alpha,
        label=label,
    )
    low, high = mean.low, mean.high
    if band == "std":
        low, high = mean.mean - mean.stddev, mean.mean + mean.stddev
    if band != "none":
        ax.fill_between(mean.x, low, high, color=color, alpha=0.18, linewidth=0)


def _draw_anchors(ax: Axes, task: str) -> None:
    anchors, _ = get_anchors(task)
    if anchors is None:
        return
    lines = [("random", anchors.random, ":")]
    if anchors.published is not None:
        lines.append(("published, 1,000 episodes", anchors.published, "-."))
    for label, value, dashes in lines:
        ax.axhline(value, color=GREY, linestyle=dashes, linewidth=1)
        ax.annotate(
            f"{label}: {value:g}",
            (1, value),
            (-3, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            color=GREY,
            fontsize=7,
        )


def _name(
    folders: Sequence[RunFolder], labels: Sequence[str]
) -> dict[str, str]:
    """Returns the names of the experiments by path of the run."""
    names = curve_tools.label_experiments(folders)
    if not labels:
        return names
    experiments = list(dict.fromkeys(names.values()))
    if len(labels) != len(experiments) or len(set(labels)) < len(labels):
        raise ValueError(
            f"labels are {', '.join(labels)}, but there have to be "
            f"{len(experiments)} different ones, for {', '.join(experiments)}."
        )
    new = dict(zip(experiments, labels, strict=True))
    return {path: new[name] for path, name in names.items()}


def _check_names(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    wrong = [name for name in names if name not in known]
    if wrong or not names or len(set(names)) < len(names):
        raise ValueError(
            f"{what} is {','.join(names) or 'empty'}, but has to be of: "
            f"{', '.join(known)}."
        )
