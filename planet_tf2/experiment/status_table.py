"""Shows the state of runs to people and to programs."""

import collections
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from planet_tf2.experiment.status import STATES, RunStatus
from planet_tf2.tools.journal import encodable
from planet_tf2.tools.plain_text import one_line

# Columns that narrow terminals can do without, in this order.
_SUPERFLUOUS = ("ping", "worker", "upd/s")


def status_table(
    runs: Sequence[RunStatus], console: Console, title: str = "", note: str = ""
) -> Group:
    """Returns a table with a row for every run, to be printed by `rich`.

    In narrow terminals columns go. If that is not enough, names are folded.

    Args:
      runs: the runs.
      console: where it is to be printed.
      title: what to write above: their folder.
      note: what to write below.
    """
    # Not the table's own title: it would be no wider than the table.
    parts: list[RenderableType] = [
        Text(one_line(title), style="table.title", overflow="fold")
    ]
    if runs:
        unlimited = console.options.update(max_width=9999)
        for amount in range(len(_SUPERFLUOUS) + 1):
            table = _make_table(runs, _SUPERFLUOUS[:amount])
            width = console.measure(table, options=unlimited).maximum
            if width <= console.width:
                break
        parts.append(table)
    counts = collections.Counter(run.state for run in runs)
    summary = ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s])
    parts.append(Text(f" {summary or 'No runs yet.'}   {note}".rstrip()))
    parts += [
        Text(f" {one_line(run.name)}: {run.reason}")
        for run in runs
        if run.reason
    ]
    return Group(*parts)


def _make_table(runs: Sequence[RunStatus], hidden: Sequence[str]) -> Table:
    rows = [_cells(run) for run in runs]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # Columns in which there is nothing go, too.
    columns = [
        n for n in rows[0] if n not in hidden and any(r[n] for r in rows)
    ]
    for name in columns:
        if name in ("run", "worker"):
            table.add_column(name, overflow="fold")
        else:
            left = "left" if name == "state" else "right"
            table.add_column(name, justify=left, no_wrap=True)
    for run, row in zip(runs, rows, strict=True):
        styles = {"state": STATES[run.state]}
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
    step = _number(run.step, ",.0f")
    if run.step is not None and run.max_steps:
        step += f" ({int(min(100, 100 * run.step // run.max_steps))}%)"
    return {
        "run": one_line(run.name),
        "state": run.state,
        "worker": str(run.worker or ""),
        "step": step,
        "episodes": str(run.episodes),
        "score": _number(run.score, ".1f"),
        "upd/s": _number(run.updates_per_second, ".2f"),
        "ping": _seconds(run.ping_age_seconds),
        "left": _seconds(run.seconds_left),
    }


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f} s" if value < 100 else tqdm.format_interval(value)
