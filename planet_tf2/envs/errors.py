"""What goes wrong in an environment that lives somewhere else."""

import pathlib
import signal
import sysconfig
import traceback
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from planet_tf2.tools.plain_text import one_line

_OWN = pathlib.Path(__file__).resolve().parents[1]
_STANDARD = sysconfig.get_path("stdlib")
# Exceptions that tell of a mistake in a program rather than of bad luck.
_MISTAKES = (
    TypeError,
    AttributeError,
    NameError,
    NotImplementedError,
    ImportError,
    SyntaxError,
    LookupError,
    AssertionError,
    RecursionError,
    gymnasium.error.Error,  # A package that is missing, for example.
)

# What to do about several at once.
ONE_ENVIRONMENT = (
    "hand in one environment with one agent; batch_size in train_collects steps"
    " several of them"
)


class InterfaceError(ValueError):
    """What an environment returned is not what Gymnasium's interface says.

    Other than an exception of the environment's own code this is hardly ever
    bad luck, but a mistake in it.
    """


def check_camera(camera_id: int, known: Sequence[int]) -> None:
    """Refuses cameras that an environment does not have.

    Raises:
      ValueError: It is none of those known; -1 is MuJoCo's free camera.
    """
    if camera_id not in known:
        raise ValueError(
            f"camera_id is {camera_id!r}, but the environment has only"
            f" {', '.join(map(str, known))}."
        )


class EnvError(RuntimeError):
    """The environment raised an exception.

    Attributes:
      summary: The type and message of that exception, and its place.
      kind: Name of the exception's type.
      traceback: Its traceback, from where the environment lives.
      mistake: Whether it is of a type that tells of a mistake in a program.
    """

    def __init__(
        self,
        kind: str,
        message: str = "",
        traceback: str = "",
        place: str = "",
        mistake: bool = False,
    ):
        self.kind, self.mistake = kind, mistake
        message = one_line(" ".join(message.split()), 500)
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

    Args:
      exit_code: Its exit code; negative numbers are signals.
    """

    def __init__(self, exit_code: int | None):
        super().__init__("EnvCrash")
        how = f"ended with exit code {exit_code}"
        if exit_code is None:
            how = "stopped answering"
        elif exit_code < 0:
            how = f"died of {signal.Signals(-exit_code).name}"
        self.summary = f"The environment process {how}"
        self.args = (
            f"{self.summary}. Its own messages are on the standard error"
            " output above. Running out of memory and crashing OpenGL drivers"
            " are common reasons.",
        )


class EnvTimeout(EnvError):
    """The environment did not answer within some seconds, and was ended."""

    def __init__(self, seconds: float):
        super().__init__("EnvTimeout")
        self.summary = (
            f"The environment gave no answer within {seconds:g} seconds and"
            " was ended"
        )
        self.args = (
            f"{self.summary}. If it is only slow, raise env_timeout_seconds.",
        )


def as_array(value: Any) -> np.ndarray:
    """Returns an array of what an environment returned, maybe of objects."""
    if isinstance(value, np.ndarray):
        return value
    try:
        return np.asarray(value)
    except ValueError:  # Rows differ in length.
        return np.array(None)


def what_is(value: Any) -> str:
    """Returns type and shape of what an environment returned, in words."""
    array = as_array(value)
    if array.dtype == object:
        return type(value).__name__
    return f"{array.dtype} {list(array.shape)}"


def describe(error: BaseException) -> tuple[str, str, str, str, bool]:
    """Returns what an `EnvError` tells of an exception: its arguments."""
    text = traceback.TracebackException.from_exception(error)
    return (
        type(error).__name__,
        str(text),  # Also where `str(error)` raises.
        "".join(text.format()),
        place_of(error),
        isinstance(error, _MISTAKES),
    )


def place_of(error: BaseException) -> str:
    """Returns the place of a user's code that an exception leads back to.

    That is the innermost function that is no library's, so that a mistake in a
    call to NumPy is shown where NumPy was called, or that of the exception that
    it came from; without any, the innermost one. What this package itself
    objects to is in nobody's line: '' is returned then.

    Args:
      error: The exception, while its traceback begins in this package.

    Returns:
      For example `my_module.py:70, in step`, or ''.
    """
    frames = _frames(error)
    if frames[0][0].is_relative_to(_OWN):
        return ""
    cause: BaseException | None = error
    while cause is not None:
        users = [pair for pair in _frames(cause) if not _is_library(pair[0])]
        cause = cause.__cause__
        if users:
            frames, cause = users, None
    path, frame = frames[0]
    return f"{path.name}:{frame.lineno}, in {frame.name}"


def _frames(
    error: BaseException,
) -> list[tuple[pathlib.Path, traceback.FrameSummary]]:
    return [
        (pathlib.Path(frame.filename), frame)
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if not frame.filename.startswith("<")
    ]


def _is_library(path: pathlib.Path) -> bool:
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return bool(installed) or any(map(path.is_relative_to, (_OWN, _STANDARD)))
