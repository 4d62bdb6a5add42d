"""Answers requests for an environment; as a program, in a process of its own.

Started as `python -m planet_tf2.envs.worker FD PARENT`, where FD is an
inherited socket and PARENT the process id of the program that started it. It
exits when the other end of the socket closes. It is a fresh interpreter: it
shares no memory with that program, does not import its main module and never
imports TensorFlow.

With `--die-with-parent` the kernel kills it when the parent dies, even in the
middle of a simulator step. That signal follows the *thread* that started the
worker, so it is asked for only where that is the main thread.
"""

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

import gymnasium

from planet_tf2.envs.child_process import Variables, update_environ
from planet_tf2.envs.errors import describe
from planet_tf2.tools import importing, streams
from planet_tf2.tools.files import StorageError

# A value, or None and an exception: as `errors.describe` tells it or, where it
# is not the environment's, itself.
Answer = tuple[Any, tuple | StorageError | None]

_PR_SET_PDEATHSIG = 1


class Server:
    """Holds one environment and turns requests into answers.

    Requests are `("construct", constructor, kwargs)`, `("reset", seed)` and
    `("step", action)`. `construct` answers with the two spaces and the notes of
    `configs.builders`. Nothing raises.

    Args:
      variables: Environment variables, set while the environment is built.
    """

    def __init__(self, variables: Variables):
        self._variables = variables
        self._env: gymnasium.Env | None = None

    def answer(self, request: tuple) -> Answer:
        """Carries out one request."""
        name, *arguments = request
        try:
            if name == "construct":
                return self._construct(*arguments), None
            if self._env is None:
                raise RuntimeError("There is no environment: it was not built.")
            if name == "reset":
                return self._env.reset(seed=arguments[0]), None
            return self._env.step(*arguments), None
        except StorageError as error:
            return None, error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # Also what would exit the program.
            return None, describe(error)

    def close(self) -> None:
        """Closes the environment; a failure to do so is of no interest."""
        if self._env is not None:
            with contextlib.suppress(Exception):
                self._env.close()

    def _construct(
        self, constructor: str, kwargs: dict[str, Any]
    ) -> tuple[gymnasium.Space, gymnasium.Space, list[str]]:
        before = {name: os.environ.get(name) for name in self._variables}
        arguments = sys.argv
        try:
            update_environ(os.environ, self._variables)
            # Some modules read it when they are imported. It is not for them.
            sys.argv = [""]
            self._env = importing.load(constructor)(**kwargs)
        finally:
            sys.argv = arguments
            update_environ(os.environ, before)
        env = self._env
        notes = getattr(env, "notes", [])
        return env.observation_space, env.action_space, notes


def serve(connection: Connection, server: Server) -> None:
    """Answers requests until the other end of the connection closes."""
    # The other end closes it, or its process is gone.
    process = os.getpid()
    with connection, contextlib.suppress(EOFError, OSError):
        while True:
            answer = server.answer(connection.recv())
            if os.getpid() != process:  # The environment forked.
                os._exit(0)
            try:
                connection.send(answer)
            except OSError:
                break
            except Exception as error:  # The answer cannot be pickled.
                connection.send((None, describe(error)))
    server.close()


def main(arguments: list[str]) -> None:
    """Serves one environment until the other end of the socket closes."""
    _ignore_signals()
    streams.keep_going()
    # Also shows the line of a crash in native code, such as OpenGL's.
    faulthandler.enable()
    descriptor, parent = int(arguments[0]), int(arguments[1])
    sys.argv = [""]  # These arguments are not the environment's.
    # Programs that the environment starts must not hold the connection open.
    os.set_inheritable(descriptor, False)
    if "--die-with-parent" in arguments:
        _die_with_parent(parent)
    serve(Connection(descriptor), Server({}))


def _ignore_signals() -> None:
    # Whoever stops a program may signal all its processes. The parent decides
    # what that means and closes the socket when it is done; until then it needs
    # its environments. It blocks both signals while it starts this process.
    # A handler, as programs started from here would inherit to ignore them.
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        signal.signal(number, lambda *details: None)
        signal.siginterrupt(number, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _die_with_parent(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It died before the call above.
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
