"""Ways to reach an environment: in this thread, another one, or a process."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from planet_tf2.envs.child_process import (
    Variables,
    child_environ,
    update_environ,
)
from planet_tf2.envs.errors import EnvCrash, EnvError, EnvTimeout
from planet_tf2.envs.worker import ERROR, Server

CLOSE_SECONDS = 5.0
# To start Python, load a simulator and maybe wait for its server takes longer
# than any step.
BUILD_SECONDS = 300.0
# To step after the end is a mistake of the caller; the environment is fine.
_HARMLESS = "ResetNeeded"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# An environment is stepped by one thread; pools of threads per environment
# would only fight for the cores that training needs.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Games that draw with SDL, which pygame does, look for a screen otherwise.
_NO_SCREEN = ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER")


class Promise:
    """A result that is waited for when it is called; later calls repeat it."""

    def __init__(self, receive: Callable[[], Any]):
        self._receive = receive
        self._done = False
        self._answer: Any = None
        self._error: EnvError | None = None

    def __call__(self) -> Any:
        """Waits for the result and returns it.

        Raises:
          EnvError: The environment raised an exception.
          EnvCrash: The process died.
          EnvTimeout: It took too long.
        """
        if not self._done:
            try:
                self._answer = self._receive()
            except EnvError as error:
                self._error = error
            self._done = True
        if self._error is not None:
            raise self._error
        return self._answer


class Channel:
    """Carries one request at a time to an environment in the caller's thread.

    Subclasses carry it elsewhere: they know how to send a request, how to
    receive its answer within some seconds, and how to close.

    Args:
      variables: Environment variables, set while the environment is built.
        MuJoCo reads its OpenGL backend from them when it is first imported.
      timeout_seconds: How long an answer may take from its request on, or None
        to wait for ever. Building has `BUILD_SECONDS` if that is more. Nobody
        can stop the caller's thread.

    Attributes:
      pid: Process id of the environment's own process, if it has one.
      failed: Whether the environment crashed, hung or raised an exception, so
        that nobody knows which state it is in.
    """

    pid: int | None = None

    def __init__(
        self, variables: Variables, timeout_seconds: float | None = None
    ):
        self._variables = variables
        self._seconds = timeout_seconds
        self._pending: Promise | None = None
        self._closed = False
        self._lost: EnvError | None = None  # Why there are no more answers.
        self.failed = False
        self._open()

    def call(self, *request: Any) -> Promise:
        """Sends a request. Whatever goes wrong with it is up to the promise.

        An earlier promise that nobody collected yet is resolved first, so that
        answers cannot be mistaken for one another.

        Raises:
          RuntimeError: The channel is closed.
        """
        self._check_open()
        if self._pending is not None:
            with contextlib.suppress(EnvError):
                self._pending()
        seconds = self._seconds
        if seconds is not None and request[0] == "construct":
            seconds = max(seconds, BUILD_SECONDS)
        start = time.monotonic()
        if self._lost is None:
            try:
                self._send(request)
            except EnvCrash as error:
                self._lost = error
        self._pending = Promise(lambda: self._finish(seconds, start))
        return self._pending

    def close(self) -> None:
        """Closes the environment; repeated calls do nothing."""
        if not self._closed:
            self._closed = True
            self._close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("The environment is closed.")

    def _finish(self, seconds: float | None, start: float) -> Any:
        """Returns the answer to a request that may take some seconds."""
        self._check_open()
        if self._lost is None:
            left = seconds
            if seconds is not None:
                left = max(0.0, start + seconds - time.monotonic())
            try:
                answer = self._receive(left)
                if answer is None:
                    self._lost = EnvTimeout(seconds)
            except EnvCrash as error:
                self._check_open()
                self._lost = error
        if self._lost is not None:
            self.failed = True
            raise self._lost
        status, value = answer
        if status == ERROR:
            error = EnvError(*value)
            self.failed = self.failed or error.kind != _HARMLESS
            raise error
        return value

    def _open(self) -> None:
        self._server = Server()

    def _send(self, request: tuple) -> None:
        self._answer = self._answered(request)

    def _receive(self, seconds: float | None) -> tuple[str, Any] | None:
        """Returns the answer, or None if there is none yet."""
        return self._answer

    def _close(self) -> None:
        self._server.close()

    def _answered(self, request: tuple) -> tuple[str, Any]:
        """Answers a request in this process."""
        if request[0] != "construct":
            return self._server.answer(request)
        before = {name: os.environ.get(name) for name in self._variables}
        try:
            update_environ(os.environ, self._variables)
            return self._server.answer(request)
        finally:
            update_environ(os.environ, before)


class ThreadChannel(Channel):
    """Runs the environment in one thread that owns it.

    A thread cannot be ended from outside: one that hangs is left to itself.
    """

    def _open(self) -> None:
        super()._open()
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._answers: queue.SimpleQueue = queue.SimpleQueue()
        # A daemon, so that an environment that hangs cannot hold up the exit.
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _send(self, request):
        self._requests.put(request)

    def _receive(self, seconds):
        with contextlib.suppress(queue.Empty):
            return self._answers.get(timeout=seconds)
        return None

    def _close(self):
        self._requests.put(None)
        if self._lost is None:
            self._thread.join(CLOSE_SECONDS)

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            self._answers.put(self._answered(request))
        self._server.close()


class ProcessChannel(Channel):
    """Runs the environment in a fresh Python process.

    It leads a session of its own. Programs that the environment starts, such as
    the server of a simulator, belong to it and are ended with it, and Ctrl-C
    reaches none of them.
    """

    def _open(self) -> None:
        self._process, self._connection = _start_worker(self._variables)
        self.pid = self._process.pid
        self._finalizer = weakref.finalize(
            self, _stop_worker, self._process, self._connection
        )

    def _send(self, request):
        try:
            self._connection.send(request)
        except OSError as error:
            raise self._crash() from error

    def _receive(self, seconds):
        try:
            if seconds is None or self._connection.poll(seconds):
                return self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._crash() from error
        except BaseException:
            # Interrupted, maybe in the middle of an answer: what comes next on
            # this connection could not be understood any more.
            _kill(self._process)
            raise
        _kill(self._process)
        return None

    def _close(self):
        self._finalizer()

    def _crash(self) -> EnvCrash:
        exit_code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            exit_code = self._process.wait(CLOSE_SECONDS)
        _kill(self._process)
        return EnvCrash(exit_code)


def _start_worker(
    variables: Variables,
) -> tuple[subprocess.Popen, Connection]:
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
    return process, ours


def _stop_worker(process: subprocess.Popen, connection: Connection) -> None:
    connection.close()  # The worker exits when it sees the end of its input.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(CLOSE_SECONDS)
    _kill(process)


def _kill(process: subprocess.Popen) -> None:
    """Ends a worker and the programs that it has started, if they still run."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


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
