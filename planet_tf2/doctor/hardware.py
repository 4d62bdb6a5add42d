"""The machine itself: processor, memory, disk, graphics card."""

import contextlib
import os
import pathlib
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from planet_tf2.doctor import children
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding
from planet_tf2.tools import machine

GIGABYTE = 1e9

# From what is asked about to what Linux calls it on Intel and AMD, or on ARM.
_FEATURES = {
    "AVX": ("avx",),
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "bf16": ("avx512_bf16", "avx_ne_convert", "amx_bf16", "bf16"),
    "AVX-512-bf16": ("avx512_bf16",),
    "AMX": ("amx_tile",),
    "AMX-bf16": ("amx_bf16",),
}
_SMALLEST_MEMORY = 1.5 * GIGABYTE  # The preset `quickstart` takes about 1.4.
_SMALLEST_DISK = 1 * GIGABYTE
_UNLIMITED = 1 << 60  # What control groups say where there is no limit.


class Memory(NamedTuple):
    """Memory in bytes, that of the container if there is one.

    Attributes:
      total: all of it.
      available: what can be had now.
    """

    total: float
    available: float


class Card(NamedTuple):
    """A graphics card of NVIDIA.

    Attributes:
      name: what it is called.
      memory: in bytes.
      driver: version of its driver.
      capability: what it can compute, such as 8.6.
    """

    name: str
    memory: float
    driver: str
    capability: float


def check_processor(cards: Sequence[Card] = ()) -> Finding:
    """Examines the processor, and suggests what to compute in.

    Args:
      cards: the graphics cards, which matter more if there are any.
    """
    flags = _processor_flags()
    name = machine.processor_name()
    features = {
        feature: any(flag in flags for flag in names)
        for feature, names in _FEATURES.items()
    }
    cores = usable_cores()
    precision, reason = suggest_precision(features, cards)
    details: dict[str, Any] = {
        "name": name,
        "cores": cores,
        "features": features,
        "precision": precision,
    }
    words = [f"{name}, {cores} core{'s' if cores > 1 else ''}"]
    if flags:
        shown = ("AVX2", "AVX-512", "bf16", "AMX")
        if platform.machine().lower() not in ("x86_64", "amd64"):
            shown = ("bf16",)
        words += [f"{f} {'yes' if features[f] else 'no'}" for f in shown]
    text = f"{', '.join(words)}\n--precision={precision} {reason}"
    if flags and _is_intel() and not features["AVX"]:
        text += "\nTensorFlow's packages need AVX, and die without it."
        fix = "use another machine, or build TensorFlow from its sources"
        return Finding("processor", PROBLEM, text, fix, details)
    return Finding("processor", OK, text, details=details)


def suggest_precision(
    features: Mapping[str, bool], cards: Sequence[Card]
) -> tuple[str, str]:
    """Returns a value for the parameter `precision`, and why."""
    if cards:
        best = max(card.capability for card in cards)
        if best >= 8:
            return "bfloat16", "is fast on this graphics card"
        if best >= 7:
            return "float16", "is fast on this graphics card"
        return "float32", "is best on this graphics card"
    if features.get("AMX-bf16"):
        return "bfloat16", "is fast, since there is AMX"
    if features.get("AVX-512-bf16"):
        return "bfloat16", "is faster, since AVX-512 has it"
    if features.get("bf16"):
        return "float32", "is the safe choice; time bfloat16 beside it"
    return "float32", "is best, since others would be emulated"


def check_memory() -> Finding:
    """Examines the memory."""
    memory = read_memory()
    if memory is None:
        return Finding("memory", NOTE, "cannot be told on this system")
    total, available = (x / GIGABYTE for x in memory)
    details = {"total_bytes": memory.total, "available_bytes": memory.available}
    text = f"{total:.1f} GB, of which {available:.1f} GB are free"
    if memory.available < _SMALLEST_MEMORY:
        text += (
            f"; even the preset quickstart wants {_SMALLEST_MEMORY / 1e9:g} GB"
        )
        fix = "end other programs, or give the container more memory"
        return Finding("memory", PROBLEM, text, fix, details)
    return Finding("memory", OK, text, details=details)


def check_disk(folder: str | os.PathLike[str]) -> Finding:
    """Examines the disk that a folder is on, or will be."""
    path = pathlib.Path(folder).absolute()
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    text = f"{free / GIGABYTE:.1f} GB are free in {path}"
    details = {"free_bytes": free, "folder": str(path)}
    if not os.access(path, os.W_OK):
        text += ", which cannot be written to"
        fix = "name another folder with --logdir"
        return Finding("disk", PROBLEM, text, fix, details)
    if free < _SMALLEST_DISK:
        fix = "make room, or name a folder on another disk with --logdir"
        return Finding("disk", PROBLEM, text, fix, details)
    return Finding("disk", OK, text, details=details)


def find_cards(seconds: float = 10) -> list[Card]:
    """Asks NVIDIA's driver for its graphics cards."""
    result = children.run(
        [
            "nvidia-smi",
            "--query-gpu=name,memory.total,driver_version,compute_cap",
            "--format=csv,noheader,nounits",
        ],
        seconds,
    )
    cards = []
    for line in result.stdout.splitlines() if result.exit_code == 0 else ():
        parts = [part.strip() for part in line.split(",")]
        with contextlib.suppress(ValueError):
            name, megabytes, driver, capability = parts
            size = float(megabytes) * 2**20
            cards.append(Card(name, size, driver, float(capability)))
    return cards


def read_memory() -> Memory | None:
    """Returns how much memory there is, or None if that is not known."""
    try:
        text = pathlib.Path("/proc/meminfo").read_text()
    except OSError:
        total = machine.memory_bytes()
        return None if total is None else Memory(total, total)
    sizes = dict(re.findall(r"(\w+):\s+(\d+) kB", text))
    total = 1024.0 * int(sizes["MemTotal"])
    available = 1024.0 * int(sizes.get("MemAvailable", sizes["MemFree"]))
    limit, used = _group_memory()
    return Memory(min(total, limit), min(available, limit - used))


def usable_cores() -> int:
    """Returns how many processor cores this process may use."""
    cores = machine.usable_cores()
    quota = _read_text("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def _group_memory() -> tuple[float, float]:
    """Returns limit and use of the container's memory in bytes."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        text = _read_text(f"/sys/fs/cgroup/{limit}").strip()
        if text.isdigit() and int(text) < _UNLIMITED:
            in_use = _read_text(f"/sys/fs/cgroup/{used}").strip()
            # Files that are only kept for later count as in use here.
            cache = re.search(
                r"^inactive_file (\d+)",
                _read_text("/sys/fs/cgroup/memory.stat"),
                re.MULTILINE,
            )
            spare = int(cache[1]) if cache else 0
            busy = int(in_use) if in_use.isdigit() else 0
            return float(text), float(max(0, busy - spare))
    return float("inf"), 0.0


def _processor_flags() -> set[str]:
    """Returns the processor's abilities, if known."""
    text = _read_text("/proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(flags[1].split()) if flags else set()


def _is_intel() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _read_text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
