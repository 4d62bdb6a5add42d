"""Child processes that may crash or hang without harm."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from planet_tf2.envs import child_process

MODULE = (sys.executable, "-m")  # Before the name of a Python module to run.

_ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt|Failed)\b")
_PATIENCE = 2.0  # Seconds that a child has to die once it was killed.


@dataclasses.dataclass(frozen=True)
class Result:
    """How a child ended."""

    exit_code: int | None  # Of signals negative; None if the time was up.
    stdout: str
    stderr: str
    seconds: float

    @property
    def complaint(self) -> str:
        """Says in a line why it failed."""
        if self.exit_code is None:
            return f"no answer within {self.seconds:.0f} seconds"
        if self.exit_code < 0:
            return f"it died of {signal.Signals(-self.exit_code).name}"
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        # The message of an exception may have more lines.
        errors = [line for line in lines if _ERROR.match(line)] or lines
        return errors[-1].strip() if errors else f"exit code {self.exit_code}"

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of its standard output that are JSON objects."""
        lines = self.stdout.splitlines()
        return [json.loads(x) for x in lines if x[:1] == "{" and x[-1] == "}"]

    @property
    def answer(self) -> dict[str, Any] | None:
        """The last of its records, if it ended well."""
        return self.records[-1] if self.exit_code == 0 else None


def run(
    command: Sequence[str],
    seconds: float,
    changes: Mapping[str, str | None] | None = None,
) -> Result:
    """Runs a program to its end, or until the time is up.

    Nothing that the program does, and no child of its own that it leaves
    behind, can keep the caller waiting for longer. A program that is not there
    has exit code 127.

    Args:
      command: program and arguments.
      seconds: time limit.
      changes: environment variables to set, or to remove where None.
    """
    start = time.monotonic()
    exit_code = None
    # Files, since a pipe stays open as long as any grandchild has it.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command,
                env=child_process.child_environ(changes or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            return Result(127, "", f"{command[0]}: {error.strerror}", 0.0)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                exit_code = process.wait(seconds)
        finally:
            # Also after a good end, for what it may have left behind.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            # A process that waits for a broken driver does not even die.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
        out.seek(0)
        err.seek(0)
        texts = [file.read().decode(errors="replace") for file in (out, err)]
    return Result(exit_code, *texts, time.monotonic() - start)
