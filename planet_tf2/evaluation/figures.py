"""What all figures have in common: size, colours, and how they are written."""

import io
import os

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from planet_tf2.tools.files import write_atomically

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
GREY = "#777777"


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
        ax.grid(True, color="#dddddd", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
        ax.title.set_size(10)
    return figure, axes.tolist()


def write_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Writes a figure as a PNG, whole or not at all."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    write_atomically(path, file.getvalue())
