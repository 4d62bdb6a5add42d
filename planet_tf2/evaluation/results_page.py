"""The published runs as a page: a table, and a part for each."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.plain_text import one_line

BEGIN = "<!-- Written by scripts/publish_result.py from here. -->"
END = "<!-- To here. -->"


def update_page(
    page: str | os.PathLike[str], results: str | os.PathLike[str]
) -> None:
    """Writes the published runs into a page, between its two marks.

    Args:
      page: Markdown file with the lines `BEGIN` and `END`.
      results: folder of the published runs.

    Raises:
      RunFolderError: the page is missing or has not both marks, or a
        `result.json` cannot be shown.
    """
    page = pathlib.Path(page)
    before, after = read_page(page)
    paths = pathlib.Path(results).glob("*/result.json")
    where = os.path.relpath(results, page.parent).replace(os.sep, "/")
    found = [_read_result(path, where) for path in paths]
    found.sort(key=lambda result: (result["tasks"][0]["task"], result["name"]))
    content = render("results.md", {"results": found, "where": where})
    write_atomically(page, f"{before}{BEGIN}\n\n{content}\n{END}\n{after}")
    print(f"Written: {page} with {len(found)} runs")


def _read_result(path: pathlib.Path, where: str) -> dict[str, Any]:
    """Reads a published result, if it is one that can be shown."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        render("results.md", {"results": [result], "where": where})
        return result
    except Exception as error:  # There are many ways not to be one.
        raise RunFolderError(
            f"{path} is not a file that scripts/publish_result.py wrote: "
            f"{one_line(str(error))}. Publish that run again, or remove it."
        ) from None


def read_page(page: str | os.PathLike[str]) -> tuple[str, str]:
    """Returns what is before and behind the two marks of a page.

    Raises:
      RunFolderError: the page is missing or has not both marks.
    """
    try:
        text = pathlib.Path(page).read_text(encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"Cannot read {page}: {error.strerror}.") from None
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise RunFolderError(
            f"{page} needs the lines {BEGIN!r} and {END!r}, to know where the "
            "results go."
        )
    return before, after


def render(template: str, content: Mapping[str, Any]) -> str:
    """Returns Markdown from a file in `templates/` and what it shows."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planet_tf2.evaluation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "score": _score}
    return environment.get_template(template).render(content)


def _score(entry: Mapping[str, Any]) -> str:
    """Writes `512 ± 31 (20 episodes)`."""
    text = f"{entry['mean']:.0f}"
    if entry["stddev"] is not None:
        text += f" ± {entry['stddev']:.0f}"
    return f"{text} ({entry['episodes']} episodes)"


def _number(value: float | None, form: str = "g") -> str:
    return "-" if value is None else f"{value:{form}}"
