"""The machine itself: processor, memory, disk, load, graphics cards."""

import contextlib
import os
import pathlib
import platform
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psutil

from planet_tf2.doctor import children
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding
from planet_tf2.tools import machine

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
_SMALLEST_MEMORY = 1.5e9  # The preset `quickstart` takes about 1.4.
_SMALLEST_DISK = 1e9
_BUSY = 1.5  # Programs that want a core, for each core that there is.


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
    text = _read_text("/proc/cpuinfo")
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    features = {
        name: not flags.isdisjoint(names) for name, names in _FEATURES.items()
    }
    name, cores = machine.processor_name(), usable_cores()
    precision, reason = suggest_precision(features, cards)
    details = {
        "name": name,
        "cores": cores,
        "features": features,
        "precision": precision,
    }
    intel = platform.machine().lower() in ("x86_64", "amd64")
    shown = ("AVX2", "AVX-512", "bf16", "AMX") if intel else ("bf16",)
    words = [f"{name}, {cores} core{'s' if cores > 1 else ''}"]
    if flags:
        words += [f"{f} {'yes' if features[f] else 'no'}" for f in shown]
    text = f"{', '.join(words)}\n--precision={precision} {reason}"
    if flags and intel and not features["AVX"]:
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
    details = {"total_bytes": memory.total, "available_bytes": memory.available}
    text = (
        f"{memory.total / 1e9:.1f} GB, of which {memory.available / 1e9:.1f} "
        "GB are free"
    )
    if memory.available < _SMALLEST_MEMORY:
        needed = f"{_SMALLEST_MEMORY / 1e9:g} GB"
        text += f"; even the preset quickstart wants {needed}"
        fix = "end other programs, or give the container more memory"
        return Finding("memory", PROBLEM, text, fix, details)
    return Finding("memory", OK, text, details=details)


def check_disk(folder: str | os.PathLike[str]) -> Finding:
    """Examines the disk that a folder is on, or will be."""
    path = pathlib.Path(folder).absolute()
    while not path.exists():
        path = path.parent
    free = psutil.disk_usage(str(path)).free
    text = f"{free / 1e9:.1f} GB are free in {path}"
    details = {"free_bytes": free, "folder": str(path)}
    if not os.access(path, os.W_OK):
        text += ", which cannot be written to"
        fix = "name another folder with --logdir"
        return Finding("disk", PROBLEM, text, fix, details)
    if free < _SMALLEST_DISK:
        fix = "make room, or name a folder on another disk with --logdir"
        return Finding("disk", PROBLEM, text, fix, details)
    return Finding("disk", OK, text, details=details)


def check_load() -> list[Finding]:
    """Warns if other programs make everything slower."""
    load, cores = psutil.getloadavg()[0], usable_cores()
    if load <= _BUSY * cores:
        return []
    text = (
        f"{load:.1f} programs want to run, and cores to use: {cores}. What is "
        "timed below takes longer than it would alone"
    )
    return [Finding("load", NOTE, text, details={"load": load, "cores": cores})]


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
        with contextlib.suppress(ValueError):
            name, megabytes, driver, capability = map(
                str.strip, line.split(",")
            )
            size = float(megabytes) * 2**20
            cards.append(Card(name, size, driver, float(capability)))
    return cards


def read_memory() -> Memory:
    """Returns how much memory there is for this process."""
    memory = psutil.virtual_memory()
    limit, used = _container_memory()
    return Memory(min(memory.total, limit), min(memory.available, limit - used))


def usable_cores() -> int:
    """Returns how many processor cores this process may use."""
    cores = machine.usable_cores()
    quota = _read_text("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def _container_memory() -> tuple[float, float]:
    """Returns limit and use of the container's memory in bytes.

    psutil knows only those of the whole machine. Version 1 of control groups
    says a number above any memory where there is no limit.
    """
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most = _read_text(f"/sys/fs/cgroup/{limit}").strip()
        in_use = _read_text(f"/sys/fs/cgroup/{used}").strip()
        if most.isdigit() and in_use.isdigit():
            # Files that are only kept for later count as in use here.
            stat = _read_text("/sys/fs/cgroup/memory.stat")
            cache = re.search(r"^inactive_file (\d+)", stat, re.MULTILINE)
            spare = int(cache[1]) if cache else 0
            return float(most), float(max(0, int(in_use) - spare))
    return float("inf"), 0.0


def _read_text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
