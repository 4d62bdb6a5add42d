"""What the doctor found, and how it is told."""

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any

# A note is worth knowing, but does not keep anything from working.
OK, NOTE, PROBLEM = "ok", "note", "problem"

_LABELS = {OK: "ok", NOTE: "note", PROBLEM: "PROBLEM"}
_INDENT = 21
_WIDTH = 79


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


def describe(finding: Finding) -> str:
    """Writes a finding for people, in lines that fit a terminal."""
    head = f"{_LABELS[finding.status]:8} {finding.area:11} "
    lines = []
    for line in finding.text.splitlines():
        lines += textwrap.wrap(line, _WIDTH - _INDENT) or [""]
    text = head + ("\n" + " " * _INDENT).join(lines)
    if finding.fix is not None:
        # On a line of its own and never wrapped, to be copied.
        text += "\n" + " " * _INDENT + f"-> {finding.fix}"
    return text


def sum_up(findings: Sequence[Finding]) -> str:
    """Says in the end whether all is well, or which commands mend it."""
    problems = [f for f in findings if f.status == PROBLEM]
    if not problems:
        return "All is well."
    count = len(problems)
    lines = [f"{count} problem{'s' if count > 1 else ''} found."]
    fixes = list(dict.fromkeys(f.fix for f in problems if f.fix))
    if fixes:
        lines += ["To mend it:", *(f"    {fix}" for fix in fixes)]
    return "\n".join(lines)


def as_dict(findings: Sequence[Finding], seconds: float) -> dict[str, Any]:
    """Returns all findings for programs.

    Args:
      findings: what was found.
      seconds: how long it took.
    """
    return {
        "ok": is_well(findings),
        "seconds": round(seconds, 1),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
