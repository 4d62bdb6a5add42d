"""Figures as SVG inside of a page, in the colours of the page."""

import hashlib
import io
import re
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from planet_tf2.evaluation.figures import COLORS, GREY, new_figure

GRID, GROUND = "#dddddd", "#ffffff"
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
# The page says what these are, in light and in dark.
_VARIABLES = {
    **{
        color.lower(): f"var(--series-{number})"
        for number, color in enumerate(COLORS)
    },
    GREY: "var(--muted)",
    GRID: "var(--grid)",
    GROUND: "var(--card)",
}
_COLOR = re.compile("|".join(_VARIABLES), re.IGNORECASE)
_REFERENCE = re.compile(r"url\(#([^)]+)\)")

_MAX_POINTS = 500


def panel(title: str, x_label: str, counts: bool = True) -> tuple[Figure, Axes]:
    """Makes a figure with one part, of a size that phones can show.

    Args:
      title: what is written above it.
      x_label: what is written below it.
      counts: whether large numbers below it are shortened, as in `10k`.
    """
    figure, ((ax,),) = new_figure(1, 1, 4.0, 2.7)
    ax.set_title(title, loc="left", fontweight="bold")
    ax.set_xlabel(x_label, fontsize=9)
    if counts:
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    return figure, ax


def legend(ax: Axes) -> None:
    """Adds a legend over what is drawn, if there is something to say in it."""
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend(
            fontsize=8, facecolor=GROUND, edgecolor="none", framealpha=0.8
        )


def stride(length: int) -> int:
    """Returns how many points to step over so that few enough remain."""
    return -(-length // _MAX_POINTS) or 1


def render(figure: Figure, description: str) -> str:
    """Returns a figure as SVG to stand in an HTML page.

    Letters stay letters, names that could be those of another figure are
    changed, and colours become variables of the page.

    Args:
      figure: made by `new_figure`.
      description: what is to be seen, for those who do not see it.
    """
    file = io.BytesIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": description}
    with matplotlib.rc_context(settings):
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    root = ElementTree.fromstring(file.getvalue())
    for child in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(child)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", description)
    digest = hashlib.sha256(description.encode() + file.getvalue())
    _rename(root, f"f{digest.hexdigest()[:8]}-")
    _recolor(root)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Keeps the names that are referred to, with a prefix, and no others."""
    link = f"{{{_XLINK}}}href"
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            used |= set(_REFERENCE.findall(value))
            if key == link:
                used.add(value.removeprefix("#"))
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id" and value not in used:
                del element.attrib[key]
            elif key == "id":
                element.set(key, prefix + value)
            elif key == link:
                element.set(key, f"#{prefix}{value.removeprefix('#')}")
            elif "url(#" in value:
                element.set(key, _REFERENCE.sub(rf"url(#{prefix}\1)", value))


def _recolor(root: ElementTree.Element) -> None:
    """Puts variables in the place of colours. Black is the text's."""
    for element in root.iter():
        style = element.get("style")
        if style:
            # Attributes know no variables, styles do.
            style = _COLOR.sub(lambda m: _VARIABLES[m[0].lower()], style)
            element.set("style", style)
