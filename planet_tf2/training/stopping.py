"""Stopping in good order when the system or a person asks for it."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator


class StopRequested(BaseException):
    """The program was asked to stop and everything is saved.

    Not an `Exception`, as `KeyboardInterrupt` is not: it is no failure.
    """


class StopRequest:
    """Becomes true once SIGTERM or Ctrl-C has been received.

    Python runs signal handlers in the main thread between two bytecodes, so
    none runs while the main thread is inside a long TensorFlow graph. The
    system's own handler writes to a socket at once, though, and a thread that
    waits there sets the flag.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        """Asks the program to stop."""
        self._event.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Listens for SIGTERM and Ctrl-C inside of a `with` block.

        A second Ctrl-C ends the program the usual way, for those who cannot
        wait. Outside of the main thread this does nothing, since signals
        cannot be caught there.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        receiving, sending = socket.socketpair()
        sending.setblocking(False)
        previous = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        wakeup = signal.set_wakeup_fd(sending.fileno())
        listener = threading.Thread(
            target=self._listen, args=(receiving,), daemon=True
        )
        listener.start()
        try:
            yield self
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in previous.items():
                signal.signal(number, handler)
            sending.close()
            listener.join()
            receiving.close()

    def _listen(self, receiving: socket.socket) -> None:
        numbers = {signal.SIGTERM, signal.SIGINT}
        while received := receiving.recv(64):
            if numbers & set(received):
                self.set()

    def _handle(self, number: int, frame: object) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.set()


def exit_code() -> int:
    """The exit status of a program that stopped because it was asked to."""
    return os.EX_TEMPFAIL
