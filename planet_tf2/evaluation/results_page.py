"""The published runs as a page: a table, and a part for each."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from planet_tf2.data.run_folder import RunFolderError
from planet_tf2.tools.files import write_atomically

BEGIN = "<!-- Written by scripts/publish_result.py from here. -->"
END = "<!-- To here. -->"

_COLUMNS = (
    "Run",
    "Task",
    "Return",
    "Random",
    "Published",
    "Episodes",
    "Steps",
    "Hours",
)

Result = dict[str, Any]


def update_page(
    page: str | os.PathLike[str], results: str | os.PathLike[str]
) -> int:
    """Writes the published runs into a page, between its two marks.

    Args:
      page: Markdown file with the lines `BEGIN` and `END`.
      results: folder of the published runs.

    Returns:
      The number of published runs.

    Raises:
      RunFolderError: the page is missing or has not both marks.
    """
    page = pathlib.Path(page)
    before, after = read_page(page)
    found = read_results(results)
    where = os.path.relpath(results, page.parent).replace(os.sep, "/")
    content = render(found, where)
    write_atomically(page, f"{before}{BEGIN}\n\n{content}\n\n{END}\n{after}")
    return len(found)


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


def read_results(results: str | os.PathLike[str]) -> list[Result]:
    """Reads all published runs, by task and name."""
    paths = sorted(pathlib.Path(results).glob("*/result.json"))
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda r: (r["tasks"][0]["task"], r["name"]))


def render(results: Sequence[Result], where: str) -> str:
    """Writes the table and the parts in Markdown.

    Args:
      results: the published runs.
      where: path of their folder as seen from the page.
    """
    if not results:
        return "No run has been published yet."
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"| {' | '.join('---' for _ in _COLUMNS)} |",
    ]
    for result in results:
        for entry in result["tasks"]:
            lines.append(_row(result, entry))
    parts = ["\n".join(lines), *(_part(r, where) for r in results)]
    return "\n\n".join(parts)


def describe_score(entry: Result) -> str:
    """Writes `512 ± 31 (20 episodes)`."""
    text = f"{entry['mean']:.0f}"
    if entry["stddev"] is not None:
        text += f" ± {entry['stddev']:.0f}"
    return f"{text} ({entry['episodes']} episodes)"


def commands(result: Result) -> str:
    """Returns the lines that train and evaluate such an agent."""
    # The latter was not noted by earlier versions.
    lines = [result["command"], result.get("evaluation")]
    return "\n".join(line for line in lines if line)


def _row(result: Result, entry: Result) -> str:
    cells = [
        f"[{result['name']}](#{result['name']})",
        entry["task"],
        describe_score(entry),
        _or_dash(entry["random"]),
        _or_dash(entry["published"]),
        f"{result['train_episodes']:,}",
        f"{result['simulator_steps']:,}",
        _or_dash(result["hours"], ".1f"),
    ]
    return f"| {' | '.join(cells)} |"


def _part(result: Result, where: str) -> str:
    """Shows one run."""
    folder = f"{where}/{result['name']}"
    lines = [f"### {result['name']}", ""]
    if result["note"]:
        lines += [result["note"], ""]
    lines += [
        "```sh",
        commands(result),
        "```",
        "",
        f"Preset `{result['preset']}`, seed {result['seed']}, on "
        f"{result['hardware']}. {_judge_model(result)} Everything is in "
        f"[{folder}]({folder}).",
        "",
        f"![Learning curve of {result['name']}]({folder}/curve.png)",
        "",
    ]
    for entry in result["tasks"]:
        lines.append(
            f"![An episode of {entry['task']} with a return of "
            f"{entry['shown_return']:.0f}]({folder}/{entry['policy']})"
        )
    lines += [
        "",
        f"![Truth, open-loop prediction and error]({folder}/prediction.gif)",
    ]
    return "\n".join(lines)


def _judge_model(result: Result) -> str:
    model = result["model"]
    ratio = _or_dash(model["image_ratio"], ".2f")
    mean_frame = _or_dash(model["image_ratio_to_mean_frame"], ".2f")
    one_future = _or_dash(model.get("one_future_image_ratio"), ".2f")
    explained = _or_dash(model["reward_explained_variance"], ".2f")
    return (
        f"Open-loop image error over {model['horizon']} steps after "
        f"{model['context']} frames: {ratio} of a still picture's and "
        f"{mean_frame} of the mean frame's (of one sampled future "
        f"{one_future} of a still picture's); explained variance of the "
        f"reward: {explained}."
    )


def _or_dash(value: float | None, form: str = "g") -> str:
    return "-" if value is None else f"{value:{form}}"
