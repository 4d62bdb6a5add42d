"""The machine that a program runs on, in words."""

import os
import pathlib
import platform
from collections.abc import Sequence

import psutil


def describe_machine(gpus: Sequence[str] = ()) -> str:
    """Says what a program may use: `2 cores of Intel Xeon, 16 GB memory, ...`.

    Args:
      gpus: names of the graphics cards.
    """
    cores = usable_cores()
    memory = psutil.virtual_memory().total
    return (
        f"{cores} core{'s' if cores > 1 else ''} of {processor_name()}, "
        f"{memory / 1e9:.0f} GB memory, {' and '.join(gpus) or 'no GPU'}, "
        f"{platform.system()} {platform.machine()}"
    )


def usable_cores() -> int:
    """Returns the number of cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on this system.
        return os.cpu_count() or 1


def processor_name(path: str | os.PathLike[str] = "/proc/cpuinfo") -> str:
    """Returns what the processor calls itself, as far as known."""
    path = pathlib.Path(path)
    for line in path.read_text().splitlines() if path.exists() else []:
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return " ".join(value.split())
    return platform.processor() or "an unknown processor"
