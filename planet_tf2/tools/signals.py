"""How a program is asked to stop, and those in it who work for it."""

import contextlib
import dataclasses
import logging
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

_LOGGER = logging.getLogger(__name__)


class Stopped(Exception):
    """The program stopped early because it was asked to, and can go on."""


class RolloutStopped(Exception):
    """A rollout was broken off because the program is about to stop."""


@dataclasses.dataclass(frozen=True)
class Guard:
    """Handed down from whoever owns a run to whoever works on it.

    Attributes:
      should_stop: whether to save and raise `Stopped` at the next good moment.
      check: called before anything is written; raises an exception if the run
        is not this process' any more.
      show: takes details, such as `step`, for others to see.
    """

    should_stop: Callable[[], bool] = lambda: False
    check: Callable[[], None] = lambda: None
    show: Callable[..., None] = lambda **details: None


class StopSignals:
    """Notices SIGTERM and Ctrl-C inside of a `with` block.

    Whoever works asks `requested` between two steps, saves, and raises
    `Stopped`. A second Ctrl-C interrupts at once; a second SIGTERM does not,
    since some programs that send it send it twice.

    Python runs signal handlers in the main thread between two bytecodes, so
    not while that thread is inside a long TensorFlow graph, such as a whole
    episode. The system's part of the handler writes to a socket at once,
    though, and a thread that reads there notices.

    Outside of the main thread, where Python cannot handle signals, nothing
    is ever requested.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._undo = contextlib.ExitStack()

    @property
    def requested(self) -> bool:
        """Whether there was a signal."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits for some time, or until there is a signal.

        Returns:
          Whether there was a signal.
        """
        return self._event.wait(seconds)

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            return self
        receiving, sending = socket.socketpair()
        sending.setblocking(False)
        listener = threading.Thread(
            target=self._listen, args=(receiving,), daemon=True
        )
        listener.start()
        self._undo.callback(listener.join)
        self._undo.callback(sending.close)
        wakeup = signal.set_wakeup_fd(
            sending.fileno(), warn_on_full_buffer=False
        )
        self._undo.callback(signal.set_wakeup_fd, wakeup)
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.signal(number, self._handle)
            self._undo.callback(signal.signal, number, handler)
        return self

    def __exit__(self, *unused: object) -> None:
        self._undo.close()

    def _listen(self, receiving: socket.socket) -> None:
        told = False
        with receiving:
            while numbers := receiving.recv(64):
                if signal.SIGINT in numbers and not told:
                    _LOGGER.info("Stopping soon; Ctrl-C again stops at once.")
                    told = True
                if {signal.SIGTERM, signal.SIGINT} & set(numbers):
                    self._event.set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            # From now on it interrupts at once.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._event.set()
