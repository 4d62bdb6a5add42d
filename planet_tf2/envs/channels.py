"""Ways to reach an environment: what they share, and the two in this process.

A channel carries one request at a time. `call` sends a request and returns a
promise; an earlier promise that nobody collected yet is resolved first, so
that answers cannot be mistaken for one another.
"""

import contextlib
import functools
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from planet_tf2.envs import serving
from planet_tf2.envs.errors import EnvError, EnvTimeout

CLOSE_SECONDS = 5.0
# To start Python, load a simulator and maybe wait for its server takes longer
# than any step.
BUILD_SECONDS = 300.0
# To step after the end is a mistake of the caller; the environment is fine.
_HARMLESS = ("ResetNeeded",)


class Promise:
    """A result that is waited for when it is called; later calls repeat it."""

    def __init__(
        self,
        receive: Callable[[], tuple[str, Any]],
        on_error: Callable[[EnvError], None] = lambda error: None,
    ):
        self._receive = receive
        self._on_error = on_error
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
        self.wait()
        if self._error is not None:
            raise self._error
        return self._answer

    def wait(self) -> None:
        """Waits for the result without raising the environment's errors."""
        if self._done:
            return
        try:
            status, value = self._receive()
            if status == serving.ERROR:
                raise EnvError(*value)
            self._answer = value
        except EnvError as error:
            self._error = error
            self._on_error(error)
        self._done = True


class Deadline:
    """A moment that is some seconds away, or None for never.

    Attributes:
      seconds: How far away it was when it was set.
    """

    def __init__(self, seconds: float | None):
        self.seconds = seconds
        self._start = time.monotonic()

    def left(self) -> float | None:
        """How long it is until then, at least 0, or None for ever."""
        if self.seconds is None:
            return None
        return max(0.0, self._start + self.seconds - time.monotonic())


class Channel:
    """Base class: hands out promises in order.

    Args:
      timeout_seconds: How long an answer may take from its request on, or None
        to wait for ever. Building has `BUILD_SECONDS` if that is more.

    Attributes:
      pid: Process id of the environment's own process, if it has one.
      failed: Whether the environment crashed, hung or raised an exception, so
        that nobody knows which state it is in.
    """

    pid: int | None = None

    def __init__(self, timeout_seconds: float | None = None):
        self._seconds = timeout_seconds
        self._pending: Promise | None = None
        self._closed = False
        self.failed = False

    def call(self, *request: Any) -> Promise:
        """Sends a request. Whatever goes wrong with it is up to the promise.

        Raises:
          RuntimeError: The channel is closed.
        """
        if self._closed:
            raise RuntimeError("The environment is closed.")
        if self._pending is not None:
            self._pending.wait()
        try:
            receive = self._send(request)
        except EnvError as error:
            receive = functools.partial(_raise, error)
        self._pending = Promise(receive, self._note)
        return self._pending

    def close(self) -> None:
        """Closes the environment; repeated calls do nothing."""
        if not self._closed:
            self._closed = True
            self._close()

    def _note(self, error: EnvError) -> None:
        self.failed = self.failed or error.kind not in _HARMLESS

    def _deadline(self, request: tuple) -> Deadline:
        """When the answer to a request of now is overdue."""
        seconds = self._seconds
        if seconds is not None and request[0] == "construct":
            seconds = max(seconds, BUILD_SECONDS)
        return Deadline(seconds)

    def _send(self, request: tuple) -> Callable[[], tuple[str, Any]]:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class InlineChannel(Channel):
    """Runs the environment in the caller's thread, which nobody can stop."""

    def __init__(
        self,
        variables: Mapping[str, str | None],
        timeout_seconds: float | None = None,
    ):
        super().__init__(timeout_seconds)
        self._variables = variables
        self._server = serving.Server()

    def _send(self, request):
        with _variables_for(request, self._variables):
            answer = self._server.answer(request)
        return lambda: answer

    def _close(self):
        self._server.close()


class ThreadChannel(Channel):
    """Runs the environment in one thread that owns it.

    A thread cannot be ended from outside: one that hangs is left to itself.
    """

    def __init__(
        self,
        variables: Mapping[str, str | None],
        timeout_seconds: float | None = None,
    ):
        super().__init__(timeout_seconds)
        self._lost: EnvTimeout | None = None
        self._variables = variables
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._answers: queue.SimpleQueue = queue.SimpleQueue()
        # A daemon, so that an environment that hangs cannot hold up the exit.
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _send(self, request):
        if self._lost is not None:
            raise self._lost
        self._requests.put(request)
        return functools.partial(self._receive, self._deadline(request))

    def _receive(self, deadline: Deadline):
        try:
            return self._answers.get(timeout=deadline.left())
        except queue.Empty:
            self._lost = EnvTimeout(deadline.seconds)
            raise self._lost from None

    def _close(self):
        self._requests.put(None)
        if self._lost is None:
            self._thread.join(CLOSE_SECONDS)

    def _serve(self):
        server = serving.Server()
        while (request := self._requests.get()) is not None:
            with _variables_for(request, self._variables):
                answer = server.answer(request)
            self._answers.put(answer)
        server.close()


def _raise(error: EnvError) -> NoReturn:
    raise error


@contextlib.contextmanager
def _variables_for(
    request: tuple, variables: Mapping[str, str | None]
) -> Iterator[None]:
    """Sets environment variables while an environment is constructed.

    MuJoCo reads its OpenGL backend from them when it is first imported.
    """
    if request[0] != "construct":
        yield
        return
    before = {name: os.environ.get(name) for name in variables}
    try:
        _update_environ(variables)
        yield
    finally:
        _update_environ(before)


def _update_environ(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
