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
# What can be done without there, in this order.
_SUPERFLUOUS = ("ping", "worker", "upd/s")
# In narrower terminals reasons are written below the table.
_WIDE, _REASON = 110, 30


class StatusTable:
    """A table with a row for every run, to be printed by `rich`.

    In narrow terminals columns go. If that is not enough, names are folded.

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
        width, runs = options.max_width, self._runs
        wide = width >= _WIDE and any(run.reason for run in runs)
        room = width - (_REASON if wide else 0)
        if self._title:
            # Not the table's own: it would be no wider than the table.
            yield Text(self._title, style="table.title", overflow="fold")
        if runs:
            for amount in range(len(_SUPERFLUOUS) + 1):
                hidden = ("reason", *_SUPERFLUOUS[:amount])
                table = _make_table(runs, hidden)
                measured = options.update(max_width=9999)
                if console.measure(table, options=measured).maximum <= room:
                    break
            yield _make_table(runs, hidden[1:]) if wide else table
        counts = collections.Counter(run.state for run in runs)
        summary = ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s])
        yield Text(f" {summary or 'No runs yet.'}   {self._note}".rstrip())
        for run in runs:
            if run.reason and not wide:
                yield Text(f" {run.name}: {run.reason}")


def _make_table(runs: Sequence[RunStatus], hidden: Sequence[str]) -> Table:
    rows = [_cells(run) for run in runs]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # Columns in which there is nothing go, too.
    columns = [
        n for n in rows[0] if n not in hidden and any(r[n] for r in rows)
    ]
    for name in columns:
        if name in ("run", "worker", "reason"):
            table.add_column(name, overflow="fold")
        else:
            left = "left" if name == "state" else "right"
            table.add_column(name, justify=left, no_wrap=True)
    for run, row in zip(runs, rows, strict=True):
        styles = {"state": _STYLES[run.state]}
        cells = [Text(row[name], styles.get(name, "")) for name in columns]
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
        "worker": str(run.worker or ""),
        "step": step,
        "episodes": str(run.episodes),
        "score": _number(run.score, ".1f"),
        "upd/s": _number(run.updates_per_second, ".2f"),
        "ping": _seconds(run.ping_age_seconds),
        "left": _seconds(run.seconds_left),
        "reason": run.reason or "",
    }


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} s" if value < 100 else tqdm.format_interval(value)
