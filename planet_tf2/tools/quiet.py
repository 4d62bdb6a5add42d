"""Keeps the chatter of native libraries from the screen."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Discards what goes to the standard error below Python, for a while.

    TensorFlow's libraries tell of missing GPUs when they are loaded, before
    any setting for the level of their log takes effect. Exceptions are not
    affected: Python reports them after the block. Nothing is silenced where
    TF_CPP_MIN_LOG_LEVEL is 0, which asks for all messages.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
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
