"""What programs have in common: a line for a mistake, a status, and quiet."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

# What shells give to programs that Ctrl-C ended.
INTERRUPTED = 130

# Errors that are no fault of the program; others come with a traceback.
EXPLAINED = (ValueError, ArithmeticError, RuntimeError, OSError)


def run(work: Callable[[], None]) -> int:
    """Works, and says in a line what went wrong.

    Returns:
      The status that the program is to exit with; 0 if all went well.
    """
    # TensorFlow reads this when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        work()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except EXPLAINED as error:
        text = getattr(error, "summary", None) or str(error)
        print(f"Error: {text or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Discards what goes to the standard error below Python, for a while.

    TensorFlow's libraries tell of missing GPUs when they are loaded, before
    any setting for the level of their log takes effect. Exceptions are not
    affected: Python reports them after the block. Nothing is silenced where
    TF_CPP_MIN_LOG_LEVEL is 0, which asks for all messages.
    """
    # TensorFlow reads this when it is imported.
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") == "0":
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
