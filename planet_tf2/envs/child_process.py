"""How this package starts Python programs beside the current one."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection

PACKAGE_ROOT = pathlib.Path(__file__).resolve().parents[2]

Variables = Mapping[str, str | None]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# An environment is stepped by one thread; pools of threads per environment
# would only fight for the cores that training needs.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Games that draw with SDL, which pygame does, look for a screen otherwise.
_NO_SCREEN = ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER")


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
    for name in _NO_SCREEN:
        environ.setdefault(name, "dummy")
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
