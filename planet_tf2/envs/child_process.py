"""How this package starts Python programs beside the current one."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

PACKAGE_ROOT = pathlib.Path(__file__).resolve().parents[2]

Variables = Mapping[str, str | None]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# An environment is stepped by one thread; pools of threads per environment
# would only fight for the cores that training needs.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Games that draw with SDL, which pygame does, look for a screen otherwise. With
# the video driver `dummy` some, such as highway-env, do not draw at all.
_NO_SCREEN = {
    "SDL_VIDEODRIVER": "offscreen" if sys.platform == "linux" else "dummy",
    "SDL_AUDIODRIVER": "dummy",
}
_ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt|Failed)\b")
_PATIENCE = 2.0  # Seconds that a child has to die once it was killed.


def child_environ(changes: Variables) -> dict[str, str]:
    """Returns environment variables for a Python child process.

    The child finds modules where this process finds them, in the same order,
    also those beside the program that the user started. Nothing else of that
    program reaches the child; in particular it does not run its main module.

    Args:
      changes: Variables to set, or to remove where the value is None.

    Returns:
      The complete environment of the child.
    """
    paths = [os.path.abspath(path or os.getcwd()) for path in sys.path]
    if str(PACKAGE_ROOT) not in paths:
        paths.append(str(PACKAGE_ROOT))
    environ = dict(os.environ)
    environ["PYTHONPATH"] = os.pathsep.join(paths)
    # Otherwise `python -m` puts the working directory in front of all these.
    environ["PYTHONSAFEPATH"] = "1"
    update_environ(environ, changes)
    return environ


def update_environ(
    environ: MutableMapping[str, str], changes: Variables
) -> None:
    """Sets environment variables, and removes those whose value is None."""
    for name, value in changes.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value


def start_worker(variables: Variables) -> tuple[Connection, subprocess.Popen]:
    """Starts a process that serves an environment; see `worker`.

    It leads a session of its own. Programs that the environment starts, such as
    the server of a simulator, belong to it and are ended with it, and Ctrl-C
    reaches none of them.
    """
    ours, theirs = Pipe()
    command = [sys.executable, "-m", "planet_tf2.envs.worker"]
    command += [str(theirs.fileno()), str(os.getpid())]
    if threading.current_thread() is threading.main_thread():
        command.append("--die-with-parent")
    environ = child_environ({**dict.fromkeys(_ONE_THREAD, "1"), **variables})
    environ = {**_NO_SCREEN, **environ}
    with theirs, _signals_blocked():
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours, process


def end_worker(process: subprocess.Popen, seconds: float) -> int | None:
    """Kills a worker after some seconds, and the programs that it has started.

    Returns:
      Its exit code, or None if it had not ended by itself.
    """
    exit_code = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        exit_code = process.wait(seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return exit_code


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Keeps signals from a child that is too young to ignore them.

    The child inherits the mask and lifts it once it ignores the signals.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


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
    changes: Variables | None = None,
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
                env=child_environ(changes or {}),
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
