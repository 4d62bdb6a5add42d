"""How the C library hands memory out."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_LARGE = 2**30


def keep_freed_memory() -> bool:
    """Asks the C library to keep large blocks for later when they are freed.

    TensorFlow allocates every tensor anew. By default glibc returns blocks
    above 32 MB to the system at once, and the top of the heap with them, and
    the system then has to clear each page when it is touched again. A training
    step touches hundreds of megabytes that way.

    Returns:
      Whether the C library understood; only glibc does.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        settings = {
            _M_MMAP_THRESHOLD: _LARGE,
            _M_TRIM_THRESHOLD: _LARGE,
            _M_TOP_PAD: 2**26,
        }
        return all([mallopt(key, value) for key, value in settings.items()])
    return False
