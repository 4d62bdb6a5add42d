"""What goes wrong in an environment that lives somewhere else."""

import contextlib
import signal


class InterfaceError(ValueError):
    """What an environment returned is not what Gymnasium's interface says.

    Other than an exception of the environment's own code this is hardly ever
    bad luck, but a mistake in it.
    """


class EnvError(RuntimeError):
    """The environment raised an exception.

    Attributes:
      summary: The type and message of that exception, and its place.
      kind: Name of the exception's type.
      traceback: Its traceback, from where the environment lives.
    """

    def __init__(
        self, kind: str, message: str, traceback: str = "", place: str = ""
    ):
        self.kind = kind
        self.summary = f"{kind}: {message}" if message else kind
        if place:
            self.summary = f"{self.summary.rstrip('.')} ({place})"
        self.traceback = traceback
        text = f"The environment raised {self.summary}"
        super().__init__(f"{text}\n\n{traceback}" if traceback else text)

    def name_task(self, task: str) -> None:
        """Says in front which task it is about, unless the message does."""
        if task not in self.summary:
            self.summary = f"Task {task!r}: {self.summary}"
            self.args = (f"Task {task!r}: {self.args[0]}",)


class EnvCrash(EnvError):
    """The process of the environment ended without an answer.

    Attributes:
      exit_code: Its exit code; negative numbers are signals.
    """

    def __init__(self, exit_code: int | None):
        super().__init__("EnvCrash", "")
        self.exit_code = exit_code
        self.summary = f"The environment process {_how_it_ended(exit_code)}"
        self.args = (
            f"{self.summary}. Its own messages are on the standard error"
            " output above. Running out of memory and crashing OpenGL drivers"
            " are common reasons.",
        )


class EnvTimeout(EnvError):
    """The environment did not answer in time, and was ended.

    Attributes:
      seconds: How long it was waited for.
    """

    def __init__(self, seconds: float):
        super().__init__("EnvTimeout", "")
        self.seconds = seconds
        self.summary = (
            f"The environment gave no answer within {seconds:g} seconds and"
            " was ended"
        )
        self.args = (
            f"{self.summary}. If it is only slow, raise env_timeout_seconds.",
        )


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "stopped answering"
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            return f"died of {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
