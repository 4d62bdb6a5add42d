"""Examines a machine: whether everything is there, and how fast it is.

Nothing here imports TensorFlow or MuJoCo. Whatever may crash or hang is tried
in a child process with a time limit.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "examination": ["Settings", "examine"],
        "findings": ["NOTE", "OK", "PROBLEM", "Finding"],
    },
)
