"""What programs have in common: one line for a mistake, and a status."""

import os
import sys
from collections.abc import Callable

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
