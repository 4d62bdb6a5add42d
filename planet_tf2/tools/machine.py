"""The machine that a program runs on, in words."""

import os
import pathlib
import platform
from collections.abc import Sequence


def describe_machine(gpus: Sequence[str] = ()) -> str:
    """Says what a program may use: `2 cores of Intel Xeon, 16 GB memory, ...`.

    Args:
      gpus: names of the graphics cards.
    """
    cores = usable_cores()
    parts = [f"{cores} core{'s' if cores > 1 else ''} of {processor_name()}"]
    memory = memory_bytes()
    if memory:
        parts.append(f"{memory / 1e9:.0f} GB memory")
    parts.append(" and ".join(gpus) if gpus else "no GPU")
    parts.append(f"{platform.system()} {platform.machine()}")
    return ", ".join(parts)


def usable_cores() -> int:
    """Returns the number of cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on this system.
        return os.cpu_count() or 1


def processor_name(
    path: str | os.PathLike[str] = "/proc/cpuinfo",
) -> str:
    """Returns what the processor calls itself, as far as known."""
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return " ".join(value.split())
    return platform.processor() or "an unknown processor"


def memory_bytes() -> int | None:
    """Returns the size of the machine's memory, if that is known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
