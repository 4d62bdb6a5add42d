"""Figures in pages: the page's colours, a description, ids of their own."""

from xml.etree import ElementTree

import pytest

from planet_tf2.evaluation import figures, output
from planet_tf2.evaluation.figures import COLORS, GREY


def draw(description="A line."):
    ax = figures.panel("Title <&>", "x")
    ax.plot([0, 1], [0, 1], color=COLORS[0], marker="o", label="a")
    ax.plot([0, 1], [1, 0], color=GREY, label="b")
    figures.legend(ax)
    return figures.to_svg(ax.figure, description)


def test_colours_and_description_are_those_of_the_page():
    text = draw('What is "<there>"')
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'What is "<there>"'
    assert "width" not in root.attrib and "viewBox" in root.attrib
    # Lines around the drawing have the last one, which is that of letters.
    for name in ("--series-0", "--series-6", "--muted", "--grid"):
        assert f"var({name})" in text
    assert "#000000" not in text
    assert COLORS[0].lower() not in text and GREY not in text


def test_ids_of_two_figures_differ():
    found = []
    for root in (ElementTree.fromstring(draw()) for _ in range(2)):
        ids = {e.get("id") for e in root.iter()} - {None}
        referred = {
            value.partition("#")[2].rstrip(")")
            for e in root.iter()
            for value in e.attrib.values()
            if "url(#" in value or value.startswith("#")
        }
        assert ids and ids == referred
        found.append(ids)
    assert not found[0] & found[1]


@pytest.mark.parametrize("task", ["m:f?maze=" + 90 * "[0, 1], ", 300 * "x"])
def test_long_names_of_tasks(task):
    """A title leaves room for the axes, a file's name fits its folder."""
    ax = figures.panel(f"{task}: return", "hours")
    assert ax.get_title("left").endswith(": return")
    assert len(figures.to_svg(ax.figure, "")) > 0
    assert ax.get_position().width > 0.5
    name = output.file_name(["evaluation", task, 15])
    assert len(name) < 200 and name.endswith("-15")
