"""The process in which an isolated environment lives.

Started by `async_env` as `python -m planet_tf2.envs.worker FD`, where FD is an
inherited socket. It reads requests, answers them and exits when the other end
closes. It is a fresh interpreter: it shares no memory with the program that
started it, does not import that program's main module and never imports
TensorFlow.

With `--die-with-parent` the kernel kills it when the parent dies, even in the
middle of a simulator step. That signal follows the *thread* that started the
worker, so it is asked for only where that is the main thread.
"""

import ctypes
import faulthandler
import os
import signal
import sys
from multiprocessing.connection import Connection

from planet_tf2.envs import serving

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Serves one environment until the other end of the socket closes.

    Args:
      arguments: File descriptor of the socket, process id of the parent, and
        optionally `--die-with-parent`.
    """
    _ignore_signals()
    # Also shows the line of a crash in native code, such as OpenGL's.
    faulthandler.enable()
    descriptor, parent, *options = arguments
    # Programs that the environment starts must not hold the connection open.
    os.set_inheritable(int(descriptor), False)
    if "--die-with-parent" in options:
        _die_with_parent(int(parent))
    server = serving.Server()
    with Connection(int(descriptor)) as connection:
        try:
            while True:
                _send(connection, server.answer(connection.recv()))
        except (EOFError, OSError):
            pass  # The parent closed its end, or is gone.
    server.close()


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


def _send(connection: Connection, answer: tuple) -> None:
    try:
        connection.send(answer)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # The answer cannot be pickled.
        connection.send(serving.describe(error))


if __name__ == "__main__":
    main(sys.argv[1:])
