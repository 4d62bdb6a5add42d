"""What the doctor found, and how it is shown."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

# A note is worth knowing, but does not keep anything from working.
OK, NOTE, PROBLEM = "ok", "note", "problem"

_STYLES = {OK: "green", NOTE: "yellow", PROBLEM: "bold red"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was examined."""

    area: str  # What it is about, in a word or two.
    status: str  # `ok`, `note` or `problem`.
    text: str
    fix: str | None  # The command that mends it, or what to do.
    details: dict[str, Any]  # Figures for programs.


def judge(
    area: str, text: str, fix: str | None = None, /, **details: Any
) -> Finding:
    """Returns a finding: a problem if there is something to mend."""
    return Finding(area, PROBLEM if fix else OK, text, fix, details)


def note(
    area: str, text: str, fix: str | None = None, /, **details: Any
) -> Finding:
    """Returns a finding that is worth knowing."""
    return Finding(area, NOTE, text, fix, details)


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Returns those that keep something from working."""
    return [finding for finding in findings if finding.status == PROBLEM]


def show(finding: Finding, console: Console) -> None:
    """Prints a finding: label, area, and its text wrapped beside them."""
    status = finding.status
    word = status.upper() if status == PROBLEM else status
    label = Text(word, _STYLES[status])
    table = Table.grid(Column(width=8), Column(width=11), padding=(0, 1, 0, 0))
    table.add_row(label, finding.area, Text(finding.text))
    console.print(table)
    if finding.fix is not None:
        # On a line of its own and never wrapped, to be copied.
        console.print(Text(f"{'':21}-> {finding.fix}"), soft_wrap=True)


def sum_up(findings: Iterable[Finding]) -> str:
    """Says in the end whether all is well, or which commands mend it."""
    bad = problems(findings)
    if not bad:
        return "All is well."
    fixes = dict.fromkeys(f"    {finding.fix}" for finding in bad)
    count = f"{len(bad)} problem{'s' if len(bad) > 1 else ''} found."
    return "\n".join([count, "To mend it:", *fixes])
