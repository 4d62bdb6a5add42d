"""The channel to an environment in a fresh Python process."""

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection

from planet_tf2.envs import channels, child_process
from planet_tf2.envs.errors import EnvCrash, EnvTimeout

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# An environment is stepped by one thread; pools of threads per environment
# would only fight for the cores that training needs.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
# Games that draw with SDL, which pygame does, look for a screen otherwise.
_NO_SCREEN = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}


class ProcessChannel(channels.Channel):
    """Runs the environment in a fresh Python process.

    It leads a session of its own. Programs that the environment starts, such as
    the server of a simulator, belong to it and are ended with it, and Ctrl-C
    reaches none of them.
    """

    def __init__(
        self,
        variables: Mapping[str, str | None],
        timeout_seconds: float | None = None,
    ):
        super().__init__(timeout_seconds)
        self._process, self._connection = _start_worker(variables)
        self.pid = self._process.pid
        self._finalizer = weakref.finalize(
            self, _stop_worker, self._process, self._connection
        )

    def _send(self, request):
        try:
            self._connection.send(request)
        except OSError as error:
            raise self._crash() from error
        return functools.partial(self._receive, self._deadline(request))

    def _receive(self, deadline: channels.Deadline):
        try:
            if self._answers_by(deadline):
                return self._connection.recv()
        except (EOFError, OSError) as error:
            if self._closed:
                raise RuntimeError("The environment is closed.") from error
            raise self._crash() from error
        except BaseException:
            # Interrupted, maybe in the middle of an answer: what comes next on
            # this connection could not be understood any more.
            _kill(self._process)
            raise
        _kill(self._process)
        raise EnvTimeout(deadline.seconds)

    def _answers_by(self, deadline: channels.Deadline) -> bool:
        if deadline.seconds is None:
            return True  # Or later.
        return self._connection.poll(deadline.left())

    def _crash(self) -> EnvCrash:
        try:
            exit_code = self._process.wait(channels.CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            exit_code = None
        _kill(self._process)
        return EnvCrash(exit_code)

    def _close(self):
        self._finalizer()


def _start_worker(
    variables: Mapping[str, str | None],
) -> tuple[subprocess.Popen, Connection]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "planet_tf2.envs.worker"]
    command += [str(theirs.fileno()), str(os.getpid())]
    if threading.current_thread() is threading.main_thread():
        command.append("--die-with-parent")
    with theirs, _signals_blocked():
        process = subprocess.Popen(
            command,
            env=child_process.child_environ(
                {**_ONE_THREAD, **_unless_set(_NO_SCREEN), **variables}
            ),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return process, Connection(ours.detach())


def _stop_worker(process: subprocess.Popen, connection: Connection) -> None:
    connection.close()  # The worker exits when it sees the end of its input.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(channels.CLOSE_SECONDS)
    _kill(process)


def _kill(process: subprocess.Popen) -> None:
    """Ends a worker and the programs that it has started, if they still run."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _unless_set(variables: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in variables.items() if k not in os.environ}


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
