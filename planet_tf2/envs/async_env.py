"""Environments that live in another process or thread.

The three strategies have the same interface:

    process  A fresh Python process, the default. Rendering in software and
             TensorFlow crash each other within one process, and environments
             in processes run in parallel.
    thread   One thread of this process that owns the environment, as OpenGL
             contexts belong to the thread that made them.
    none     The caller's own thread.
"""

import functools
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import gymnasium

from planet_tf2.envs import child_process, rendering
from planet_tf2.envs.errors import EnvCrash, EnvError, EnvTimeout
from planet_tf2.envs.worker import Answer, Server, serve
from planet_tf2.tools.files import StorageError

CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.5  # How often to look whether a process is still there.
# To start Python, load a simulator and maybe wait for its server takes longer
# than any step.
BUILD_SECONDS = 300.0
# To step after the end is a mistake of the caller; the environment is fine.
_HARMLESS = "ResetNeeded"

_Worker = subprocess.Popen | threading.Thread | None


class Async:
    """An environment whose steps can be started now and collected later.

    `reset` and `step` return what the environment returns. With
    `blocking=False` they return a promise, a function without arguments that
    waits for the result; several environments step in parallel when all are
    started before the first is collected.

    An environment that crashed, hung or raised an exception is in a state that
    nobody knows. The next `reset` therefore closes what is left of it and
    builds a new one, in a new process; until then every step fails.

    Use it as a context manager, or call `close()`, which may be repeated. A
    forgotten one is closed with the interpreter.

    What a promise raises, and a call that blocks:
      EnvError: The environment raised an exception.
      EnvCrash: The process died.
      EnvTimeout: It took too long.
      StorageError: Its episode cannot be stored.

    Attributes:
      failed: Whether it broke, so that the next `reset` will start it anew.
    """

    def __init__(
        self,
        constructor: str,
        kwargs: dict[str, Any] | None = None,
        strategy: str = "process",
        render: bool | None = True,
        blocking: bool = True,
        timeout_seconds: float | None = None,
    ):
        """Starts the environment.

        Args:
          constructor: `module:function` that returns a Gymnasium environment.
          kwargs: Keyword arguments of that function; must be picklable.
          strategy: `process`, `thread` or `none`.
          render: Whether the environment draws with OpenGL. Then a working
            backend is looked for first; otherwise OpenGL is kept away. None
            stands for maybe: it gets a backend where there is a safe one.
          blocking: Whether to wait until the environment is built. Otherwise
            its errors come with the first use, and several are built at once.
          timeout_seconds: How long a reset or a step may take before it counts
            as hanging, and building, which always has `BUILD_SECONDS`. Then a
            process is killed, and a thread left to itself. It means nothing to
            `none`. None waits for ever.

        Raises:
          ValueError: The strategy is unknown, or would crash (see
            `rendering.check_isolation`).
          RenderingError: No OpenGL backend works.
        """
        variables = rendering.variables_for(strategy, render)
        self._open = functools.partial(_open, strategy, variables)
        self._construct = ("construct", constructor, kwargs or {})
        self._seconds = timeout_seconds
        self._start()
        if blocking:
            try:
                self._spaces()
            except BaseException:
                self.close()
                raise

    @property
    def observation_space(self) -> gymnasium.Space:
        """Observation space of the environment; waits until it is built."""
        return self._spaces()[0]

    @property
    def action_space(self) -> gymnasium.Space:
        """Action space of the environment; waits until it is built."""
        return self._spaces()[1]

    @property
    def notes(self) -> list[str]:
        """What it says of its observations; waits until it is built."""
        return self._spaces()[2]

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None where there is none."""
        return getattr(self._worker, "pid", None)

    def restart(self) -> None:
        """Closes what there is and starts anew, in a new process or thread.

        Does not wait until it is built; errors come with the next use.
        """
        self._finalizer()
        self._start()

    def reset(self, *, seed: int | None = None, blocking: bool = True):
        """Starts an episode.

        Args:
          seed: Seed of the environment's random numbers, or None to go on.
          blocking: Whether to wait for the result.

        Returns:
          Tuple of observation and info, or a promise of it.
        """
        if self.failed and self._connection is not None:
            self.restart()
        answer = self._request("reset", seed)

        def promise():
            self._spaces()  # Raises what a constructor raised.
            return answer()

        return promise() if blocking else promise

    def step(self, action: Any, blocking: bool = True):
        """Steps the environment.

        Args:
          action: Action of the environment's action space.
          blocking: Whether to wait for the result.

        Returns:
          Tuple of observation, reward, terminated, truncated and info, or a
          promise of it.
        """
        promise = self._request("step", action)
        return promise() if blocking else promise

    def close(self) -> None:
        """Closes the environment and ends its process or thread."""
        self._connection = None
        self._finalizer()

    def __enter__(self) -> "Async":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _start(self) -> None:
        self._connection, self._worker = self._open()
        self._finalizer = weakref.finalize(
            self, _close, self._connection, self._worker
        )
        self.failed = False
        self._lost: EnvError | None = None  # Why there are no more answers.
        self._pending: Callable[[], Any] | None = None
        try:
            self._spaces = self._request(*self._construct)
        except BaseException:
            self.close()
            raise

    def _request(self, *request: Any) -> Callable[[], Any]:
        """Sends a request; whatever goes wrong with it is up to the promise.

        An earlier promise that nobody collected yet is resolved first, so that
        answers cannot be mistaken for one another.
        """
        connection = self._connection
        self._check_open(connection)
        if self._pending is not None:
            self._pending()
        seconds = self._seconds
        if seconds is not None and request[0] == "construct":
            seconds = max(seconds, BUILD_SECONDS)
        start = time.monotonic()
        if self._lost is None:
            try:
                connection.send(request)
            except OSError:
                self._lost = EnvCrash(self._end_worker(CLOSE_SECONDS))

        @functools.cache
        def outcome() -> tuple[Any, EnvError | StorageError | None]:
            self._check_open(connection)
            return self._finish(seconds, start)

        def promise() -> Any:
            value, error = outcome()
            if error is not None:
                raise error
            return value

        self._pending = outcome
        return promise

    def _check_open(self, connection: Connection | None) -> None:
        if connection is None or connection is not self._connection:
            raise RuntimeError("The environment is closed.")

    def _finish(
        self, seconds: float | None, start: float
    ) -> tuple[Any, EnvError | StorageError | None]:
        """Returns the answer, or why there is none."""
        if self._lost is None:
            answer = self._receive(seconds, start)
        if self._lost is not None:
            self.failed = True
            return None, self._lost
        value, details = answer
        if details is None or isinstance(details, StorageError):
            return value, details
        error = EnvError(*details)
        self.failed = self.failed or error.kind != _HARMLESS
        return None, error

    def _receive(self, seconds: float | None, start: float) -> Answer | None:
        try:
            if self._poll(seconds, start):
                return self._connection.recv()
        except (EOFError, OSError):
            self._lost = EnvCrash(self._end_worker(CLOSE_SECONDS))
            return None
        except BaseException:
            # Interrupted, maybe in the middle of an answer: what comes next on
            # this connection could not be understood any more.
            self._end_worker()
            raise
        self._end_worker()
        self._lost = EnvTimeout(seconds)
        return None

    def _poll(self, seconds: float | None, start: float) -> bool:
        """Waits for an answer; raises EOFError if none can come any more.

        The end of a process does not close the connection as long as another
        one that it has forked lives.
        """
        ended = False
        while True:
            wait = 0.0 if ended else _LOOK_SECONDS
            if seconds is not None:
                wait = min(wait, max(0.0, start + seconds - time.monotonic()))
            if self._connection.poll(wait):
                return True
            if ended:
                raise EOFError
            # Not before each answer, which takes time.
            ended = self.pid is not None and self._worker.poll() is not None
            late = seconds is not None and time.monotonic() >= start + seconds
            if late and not ended:
                return False

    def _end_worker(self, seconds: float = 0.0) -> int | None:
        """Kills a process after some seconds; leaves a thread to itself.

        Returns:
          The exit code of a process that ended by itself.
        """
        if isinstance(self._worker, subprocess.Popen):
            return child_process.end_worker(self._worker, seconds)
        self._finalizer.detach()
        self._connection.close()
        return None


class _Here(Server):
    """A server in the caller's thread, with the methods of a connection."""

    def send(self, request: tuple) -> None:
        self._answer = self.answer(request)

    def poll(self, seconds: float) -> bool:
        return True

    def recv(self) -> Answer:
        return self._answer


def _open(
    strategy: str, variables: child_process.Variables
) -> tuple[Connection | _Here, _Worker]:
    """Starts a server where the strategy says; returns a connection to it."""
    if strategy == "none":
        return _Here(variables), None
    if strategy == "process":
        return child_process.start_worker(variables)
    ours, theirs = Pipe()
    # A daemon, so that an environment that hangs cannot hold up the exit.
    thread = threading.Thread(
        target=serve, args=(theirs, Server(variables)), daemon=True
    )
    thread.start()
    return ours, thread


def _close(connection: Connection | _Here, worker: _Worker) -> None:
    connection.close()  # The worker ends when it sees the end of its input.
    if isinstance(worker, threading.Thread):
        worker.join(CLOSE_SECONDS)
    elif worker is not None:
        child_process.end_worker(worker, CLOSE_SECONDS)
