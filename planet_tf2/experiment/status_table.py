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
from tqdm import tqdm

from planet_tf2.experiment.status import STATES, RunStatus
from planet_tf2.tools.journal import encodable

_STYLES = {
    "running": "green",
    "stale": "yellow",
    "pending": "dim",
    "done": "blue",
    "failed": "red",
}
# What names are shortened to where it gets narrow, in characters.
_LEAST = {"worker": 8, "run": 12}
# What can be done without there, in this order.
_SUPERFLUOUS = ("ping", "worker", "upd/s")
# In narrower terminals reasons are written below the table.
_WIDE, _REASON = 110, 30


class StatusTable:
    """A table with a row for every run, to be printed by `rich`.

    Names are shortened from the left, since those of the runs of an experiment
    differ at the end. Where that does not suffice, columns go.

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
        if self._title:
            # Not the table's own: it would be no wider than the table.
            yield Text(self._title, style="table.title", overflow="fold")
        if self._runs:
            yield self._fit_table(console, options, with_reasons=wide)
        counts = collections.Counter(run.state for run in self._runs)
        summary = ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s])
        summary = summary or "No runs yet."
        yield Text(f" {summary}{self._note and f'   {self._note}'}")
        if not wide:
            for name, reason in reasons:
                yield Text(f" {name}: {reason}")

    def _fit_table(
        self, console: Console, options: ConsoleOptions, with_reasons: bool
    ) -> Table:
        """Makes a table that is no wider than there is room, if possible."""
        room = options.max_width - (_REASON if with_reasons else 0)
        options = options.update(max_width=9999)
        rows = [_cells(run) for run in self._runs]
        # The other columns are empty.
        columns = [n for n in rows[0] if any(row[n] for row in rows)]
        for superfluous in (None, *_SUPERFLUOUS):
            columns = [name for name in columns if name != superfluous]
            table = self._make_table(rows, columns, {}, False)
            excess = console.measure(table, options=options).maximum - room
            widths = {}
            for name in _LEAST:
                longest = max(len(row[name]) for row in rows)
                if name in columns:
                    least = min(longest, _LEAST[name])
                    widths[name] = max(least, longest - max(0, excess))
                    excess -= longest - widths[name]
            if excess <= 0:
                break
        return self._make_table(rows, columns, widths, with_reasons)

    def _make_table(
        self,
        rows: Sequence[dict[str, str]],
        columns: Sequence[str],
        widths: dict[str, int],
        with_reasons: bool,
    ) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in columns:
            left = name in ("run", "state", "worker")
            table.add_column(
                name, justify="left" if left else "right", no_wrap=True
            )
        if with_reasons:
            table.add_column("reason", overflow="fold")
        for run, row in zip(self._runs, rows, strict=True):
            cells = [
                Text(_end(row[name], widths.get(name)), _style(run, name))
                for name in columns
            ]
            if with_reasons:
                cells.append(Text(run.reason or ""))
            table.add_row(*cells)
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


def _cells(run: RunStatus) -> dict[str, str]:
    """Returns what to show of a run, by column."""
    step = _number(run.step, ",d")
    if run.step is not None and run.max_steps:
        step += f" ({min(100, 100 * run.step // run.max_steps)}%)"
    return {
        "run": run.name,
        "state": run.state,
        "worker": run.worker or "",
        "step": step,
        "episodes": str(run.episodes),
        "score": _number(run.score, ".1f"),
        "upd/s": _number(run.updates_per_second, ".2f"),
        "ping": _seconds(run.ping_age_seconds),
        "left": _seconds(run.seconds_left),
    }


def _end(text: str, width: int | None) -> str:
    """Returns a text, or as much of its end as there is room for."""
    if width is None or len(text) <= width:
        return text
    return "…" + text[len(text) - width + 1 :]


def _style(run: RunStatus, column: str) -> str:
    return _STYLES[run.state] if column == "state" else ""


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} s" if value < 100 else tqdm.format_interval(value)
