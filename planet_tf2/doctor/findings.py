"""What the doctor found, and how it is shown."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# A note is worth knowing, but does not keep anything from working.
OK, NOTE, PROBLEM = "ok", "note", "problem"

_LABELS = {
    OK: Text("ok", "green"),
    NOTE: Text("note", "yellow"),
    PROBLEM: Text("PROBLEM", "bold red"),
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was examined.

    Attributes:
      area: what it is about, in a word or two.
      status: `ok`, `note` or `problem`.
      text: what was found.
      fix: the command that mends it, or what to do.
      details: figures for programs.
    """

    area: str
    status: str
    text: str
    fix: str | None = None
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether there is no problem."""
    return all(finding.status != PROBLEM for finding in findings)


def show(finding: Finding, console: Console) -> None:
    """Prints a finding: label, area, and its text wrapped beside them."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=8)
    table.add_column(width=11)
    table.add_row(_LABELS[finding.status], finding.area, Text(finding.text))
    console.print(table)
    if finding.fix is not None:
        # On a line of its own and never wrapped, to be copied.
        console.print(Text(f"{'':21}-> {finding.fix}"), soft_wrap=True)


def sum_up(findings: Sequence[Finding]) -> str:
    """Says in the end whether all is well, or which commands mend it."""
    problems = [f for f in findings if f.status == PROBLEM]
    if not problems:
        return "All is well."
    count = len(problems)
    lines = [f"{count} problem{'s' if count > 1 else ''} found."]
    fixes = dict.fromkeys(f"    {f.fix}" for f in problems if f.fix)
    if fixes:
        lines += ["To mend it:", *fixes]
    return "\n".join(lines)
