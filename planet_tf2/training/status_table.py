"""Shows the state of runs to people and to programs."""

import collections
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from planet_tf2.tools.journal import encodable
from planet_tf2.training.progress import duration
from planet_tf2.training.status import STATES, RunStatus

_STYLES = {
    "running": "green",
    "stale": "yellow",
    "pending": "dim",
    "done": "blue",
    "failed": "red",
}
_COLUMNS = {
    "run": "left",
    "state": "left",
    "worker": "left",
    "step": "right",
    "episodes": "right",
    "score": "right",
    "upd/s": "right",
    "ping": "right",
    "left": "right",
}
# In narrower terminals reasons are written below the table.
_WIDE = 110


class StatusTable:
    """A table with a row for every run, to be printed by `rich`.

    Args:
      runs: the runs.
      title: what to write above: their folder.
      note: what to write below.
    """

    def __init__(
        self, runs: Sequence[RunStatus], title: str = "", note: str = ""
    ):
        parents = {run.name.rpartition("/")[0] for run in runs}
        if len(parents) == 1 and any(parents):
            # One experiment: its name need not be repeated in every row.
            title = f"{title.rstrip('/')}/{min(parents)}"
            runs = [
                dataclasses.replace(run, name=run.name.rpartition("/")[2])
                for run in runs
            ]
        self._runs = runs
        self._title = title
        self._note = note

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        reasons = [(r.name, r.reason) for r in self._runs if r.reason]
        wide = bool(reasons) and options.max_width >= _WIDE
        yield self._make_table(with_reasons=wide)
        counts = collections.Counter(run.state for run in self._runs)
        summary = ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s])
        summary = summary or "No runs yet."
        yield Text(f" {summary}{self._note and f'   {self._note}'}")
        if not wide:
            for name, reason in reasons:
                yield Text(f" {name}: {reason}")

    def _make_table(self, with_reasons: bool) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD,
            title=self._title,
            title_justify="left",
            padding=(0, 1, 0, 0),
        )
        for name, justify in _COLUMNS.items():
            # Where it gets narrow, names are cut off and numbers are not.
            whole = name not in ("run", "worker")
            table.add_column(name, justify=justify, no_wrap=whole)
        if with_reasons:
            table.add_column("reason", overflow="fold")
        for run in self._runs:
            table.add_row(*_cells(run), *[run.reason or ""] * with_reasons)
        return table


def to_json(runs: Sequence[RunStatus]) -> str:
    """Returns the same for programs: one line of JSON.

    It holds `runs`, a list with the attributes of `RunStatus` for each, and
    `counts`, the number of runs in each state.
    """
    counts = collections.Counter(run.state for run in runs)
    content: dict[str, Any] = {
        "counts": {state: counts[state] for state in STATES},
        "runs": [dataclasses.asdict(run) for run in runs],
    }
    return json.dumps(encodable(content))


def _cells(run: RunStatus) -> list[Text]:
    step = _number(run.step, ",d")
    if run.step is not None and run.max_steps:
        step += f" ({min(100, 100 * run.step // run.max_steps)}%)"
    texts = [
        run.name,
        run.state,
        run.worker or "",
        step,
        str(run.episodes),
        _number(run.score, ".1f"),
        _number(run.updates_per_second, ".2f"),
        _seconds(run.ping_age_seconds),
        _seconds(run.seconds_left),
    ]
    style = _STYLES[run.state]
    return [
        Text(text, style=style if name == "state" else "")
        for name, text in zip(_COLUMNS, texts, strict=True)
    ]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} s" if value < 100 else duration(value)
