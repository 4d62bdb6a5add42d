"""Turns templates into pages that need nothing but themselves."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup, escape

from planet_tf2.version import __version__


def render(template: str, content: Mapping[str, Any]) -> str:
    """Returns a page of a file in `templates/` and what it shows.

    Everything from outside is escaped; drawings, which are our own, are not.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planet_tf2.evaluation.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "time": time,
        "percent": percent,
        "drawing": Markup,
        "codes": codes,
    }
    now = datetime.datetime.now(datetime.UTC)
    made = {"version": __version__, "made": f"{now:%Y-%m-%d %H:%M} UTC"}
    return environment.get_template(template).render({**made, **content})


def number(value: float | None, digits: int = 1) -> str:
    """Writes a number, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """Writes a part of 1 in percent."""
    return "–" if value is None else f"{100 * value:.0f}%"


def time(seconds: float | None) -> str:
    """Writes a time in the unit that suits it."""
    if seconds is None:
        return "–"
    for limit, size, unit in ((100, 1, "s"), (6000, 60, "min")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def codes(text: str) -> Markup:
    """Escapes a text, and shows what is between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
