"""Ways to reach an environment: what they share, and the two in this process.

A channel carries one request at a time. `call` sends a request and returns a
promise; an earlier promise that nobody collected yet is resolved first, so
that answers cannot be mistaken for one another.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from planet_tf2.envs import serving
from planet_tf2.envs.errors import EnvError

CLOSE_SECONDS = 5.0


class Promise:
    """A result that is waited for when it is called; later calls repeat it."""

    def __init__(self, receive: Callable[[], tuple[str, Any]]):
        self._receive = receive
        self._answer: tuple[str, Any] | None = None
        self._error: EnvError | None = None

    def __call__(self) -> Any:
        """Waits for the result and returns it.

        Raises:
          EnvError: The environment raised an exception.
          EnvCrash: The process died.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        status, value = self._answer
        if status == serving.ERROR:
            raise EnvError(*value)
        return value

    def wait(self) -> None:
        """Waits for the result without raising the environment's errors."""
        if self._answer is None and self._error is None:
            try:
                self._answer = self._receive()
            except EnvError as error:
                self._error = error


class Channel:
    """Base class: hands out promises in order."""

    pid: int | None = None

    def __init__(self):
        self._pending: Promise | None = None
        self._closed = False

    def call(self, *request: Any) -> Promise:
        """Sends a request.

        Raises:
          RuntimeError: The channel is closed.
        """
        if self._closed:
            raise RuntimeError("The environment is closed.")
        if self._pending is not None:
            self._pending.wait()
        self._pending = Promise(self._send(request))
        return self._pending

    def close(self) -> None:
        """Closes the environment; repeated calls do nothing."""
        if not self._closed:
            self._closed = True
            self._close()

    def _send(self, request: tuple) -> Callable[[], tuple[str, Any]]:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class InlineChannel(Channel):
    """Runs the environment in the caller's thread."""

    def __init__(self, variables: Mapping[str, str | None]):
        super().__init__()
        self._variables = variables
        self._server = serving.Server()

    def _send(self, request):
        with _variables_for(request, self._variables):
            answer = self._server.answer(request)
        return lambda: answer

    def _close(self):
        self._server.close()


class ThreadChannel(Channel):
    """Runs the environment in one thread that owns it."""

    def __init__(self, variables: Mapping[str, str | None]):
        super().__init__()
        self._variables = variables
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._answers: queue.SimpleQueue = queue.SimpleQueue()
        # A daemon, so that an environment that hangs cannot hold up the exit.
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _send(self, request):
        self._requests.put(request)
        return self._answers.get

    def _close(self):
        self._requests.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _serve(self):
        server = serving.Server()
        while (request := self._requests.get()) is not None:
            with _variables_for(request, self._variables):
                answer = server.answer(request)
            self._answers.put(answer)
        server.close()


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
