"""Figures: how they look, and how they become PNG files and parts of pages."""

import io
import os
import re

import matplotlib
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.plain_text import one_line

# A `$` is part of a name; nothing is written in formulas.
matplotlib.rcParams["text.parse_math"] = False

# Told apart by people with any colour vision (Okabe and Ito, 2008).
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
SEEN = "#D6F0DC"  # Behind what a model sees.
GREY, _GRID, _GROUND = "#777777", "#dddddd", "#ffffff"

# In a page these colours are variables, with values for light and for dark.
_VARIABLES = {
    **{c.lower(): f"var(--series-{n})" for n, c in enumerate(COLORS)},
    GREY: "var(--muted)",
    _GRID: "var(--grid)",
    _GROUND: "var(--card)",
}
_STYLE = re.compile(r'style="[^"]*"')
_COLOR = re.compile("|".join(_VARIABLES))
_ID = re.compile(r' id="([^"]+)"')
_SIZE = re.compile(r' (width|height)="[\d.]+pt"')

_MAX_POINTS = 500


def new_figure(
    rows: int, columns: int, width: float = 4.2, height: float = 3.2
) -> tuple[Figure, list[list[Axes]]]:
    """Makes a figure of equal parts, drawn without any screen.

    Args:
      rows: number of rows.
      columns: number of columns.
      width: width of a part in inches, at 100 pixels each.
      height: height of a part.

    Returns:
      The figure and its parts by row and column.
    """
    figure = Figure((columns * width, rows * height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.ravel():
        ax.grid(True, color=_GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
        ax.title.set_size(10)
    return figure, axes.tolist()


def panel(title: str, x_label: str, counts: bool = True) -> Axes:
    """Makes a figure with one part, small enough for the page on a phone.

    Args:
      title: what is written above it.
      x_label: what is written below it.
      counts: whether large numbers below it are shortened, as in `10k`.
    """
    _, ((ax,),) = new_figure(1, 1, 4.0, 2.7)
    ax.set_title(one_line(title, 44), loc="left", fontweight="bold")
    ax.set_xlabel(x_label, fontsize=9)
    if counts:
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    return ax


def legend_name(name: str) -> str:
    """Returns a name as legends show it, which leave out those with `_`."""
    return f" {name}" if name.startswith("_") else name


def legend(ax: Axes) -> None:
    """Adds a legend over what is drawn, if there is more than one line."""
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend(
            fontsize=8, facecolor=_GROUND, edgecolor="none", framealpha=0.8
        )


def stride(length: int) -> int:
    """Returns how many points to step over so that few enough remain."""
    return -(-length // _MAX_POINTS) or 1


def write_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Writes a figure as a PNG, whole or not at all."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    write_atomically(path, file.getvalue())


def to_svg(figure: Figure, description: str) -> str:
    """Returns a figure as SVG to stand in an HTML page.

    Text stays text, and colours become variables of the page. The ids are
    random, so that those of several figures in a page differ.

    Args:
      figure: made by `new_figure` or `panel`.
      description: what is to be seen, for those who do not see it.
    """
    file = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(
            file, format="svg", transparent=True, metadata=no_metadata
        )
    _, _, drawing = file.getvalue().partition("<svg")
    head, _, body = drawing.partition(">")
    referred = set(re.findall(r'[("]#([^)"]+)[)"]', body))
    body = _ID.sub(lambda m: m[0] if m[1] in referred else "", body)
    # Attributes know no variables, but styles do.
    body = _STYLE.sub(
        lambda style: _COLOR.sub(lambda color: _VARIABLES[color[0]], style[0]),
        body,
    )
    head = _SIZE.sub("", head)
    return f'<svg role="img" aria-label="{escape(description)}"{head}>{body}'
