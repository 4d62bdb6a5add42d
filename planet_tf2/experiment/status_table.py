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
# What names are shortened to where it gets narrow, in characters.
_LEAST = {"worker": 8, "name": 12, "reason": 30}
# What can be done without there, in this order.
_SUPERFLUOUS = ("ping", "worker", "upd/s")
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
        if self._title:
            # Not the table's own: it would be no wider than the table.
            yield Text(self._title, style="table.title", overflow="fold")
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
        """Makes a table that is no wider than there is room, if possible.

        Names are shortened from the left, since those of the runs of an
        experiment differ at the end: workers' names first, then runs'. If that
        does not suffice, columns go. Reasons take what is left.
        """
        room = options.max_width - _LEAST["reason"] * with_reasons
        options = options.update(max_width=9999)
        columns = self._columns()
        for superfluous in (None, *_SUPERFLUOUS):
            columns = [name for name in columns if name != superfluous]
            whole = self._make_table(self._runs, columns)
            excess = whole.__rich_measure__(console, options).maximum - room
            runs, excess = self._shorten(excess, "worker" in columns)
            if excess <= 0:
                break
        return self._make_table(runs, columns, with_reasons)

    def _columns(self) -> list[str]:
        """Leaves out what nobody has anything to say of."""
        rows = [_cells(run) for run in self._runs]
        return [n for n in _COLUMNS if not rows or any(row[n] for row in rows)]

    def _shorten(
        self, excess: int, with_workers: bool
    ) -> tuple[list[RunStatus], int]:
        """Shortens names by so many characters in all.

        Returns:
          The runs, and how many characters are too many even so.
        """
        runs = list(self._runs)
        for column in ["worker"] * with_workers + ["name"]:
            names = [getattr(run, column) or "" for run in runs]
            width = max(map(len, names), default=0)
            least = min(width, _LEAST[column])
            new_width = max(least, width - max(0, excess))
            excess -= width - new_width
            runs = [
                dataclasses.replace(run, **{column: _end(name, new_width)})
                for run, name in zip(runs, names, strict=True)
            ]
        return runs, excess

    def _make_table(
        self,
        runs: Sequence[RunStatus],
        columns: Sequence[str],
        with_reasons: bool = False,
    ) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for name in columns:
            table.add_column(name, justify=_COLUMNS[name], no_wrap=True)
        if with_reasons:
            table.add_column("reason", overflow="fold")
        for run in runs:
            cells = _cells(run)
            reason = [run.reason or ""] * with_reasons
            table.add_row(*(cells[name] for name in columns), *reason)
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


def _end(text: str, width: int) -> str:
    """Returns a text, or as much of its end as there is room for."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _cells(run: RunStatus) -> dict[str, Text]:
    """Returns what to show of a run, by column."""
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
    return {
        name: Text(text, style=style if name == "state" else "")
        for name, text in zip(_COLUMNS, texts, strict=True)
    }


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} s" if value < 100 else tqdm.format_interval(value)
