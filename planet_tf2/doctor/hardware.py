"""The machine itself: processor, memory, disk, load, graphics cards."""

import contextlib
import os
import pathlib
import platform
import re
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

import psutil
from rich.filesize import decimal

from planet_tf2.doctor import packages
from planet_tf2.doctor.findings import Finding, judge, note
from planet_tf2.envs import child_process
from planet_tf2.tools import machine

# From what is shown to what Linux calls it.
_FEATURES = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "bf16": {"avx512_bf16", "avx_ne_convert", "amx_bf16", "bf16"},
    "AMX": {"amx_tile"},
}
_CGROUP = pathlib.Path("/sys/fs/cgroup")
# Limit and use of a container's memory, in control groups of version 2 and 1.
_MEMORY_FILES = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_SMALLEST_MEMORY = 1.5e9  # The preset `quickstart` takes about 1.4.
_SMALLEST_DISK = 1e9
_BUSY = 1.5  # Programs that want a core, for each core that there is.


class Card(NamedTuple):
    """A graphics card of NVIDIA."""

    name: str
    memory: float  # In bytes.
    driver: str
    capability: float  # What it can compute, such as 8.6.


def check_processor(cards: Sequence[Card] = ()) -> Finding:
    """Examines the processor, and suggests what to compute in."""
    text = _read_text("/proc/cpuinfo")
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    features = {name: bool(flags & _FEATURES[name]) for name in _FEATURES}
    intel = platform.machine().lower() in ("x86_64", "amd64")
    cores = usable_cores()
    text = f"{machine.processor_name()}, {cores} core{'s' if cores > 1 else ''}"
    shown = features if intel else ("bf16",)
    for name in shown if flags else ():
        text += f", {name} {'yes' if features[name] else 'no'}"
    advice = suggest_precision(flags, cards)
    text += f"\n--precision={advice}"
    fix = None
    if flags and intel and "avx" not in flags:
        text += "\nTensorFlow's packages need AVX, and die without it."
        fix = "use another machine, or build TensorFlow from its sources"
    details = {"cores": cores, "precision": advice.split()[0]}
    return judge("processor", text, fix, features=features, **details)


def suggest_precision(flags: Set[str], cards: Sequence[Card]) -> str:
    """Returns a value for the parameter `precision`, and why."""
    best = max((card.capability for card in cards), default=0)
    bf16 = flags & _FEATURES["bf16"]
    advice = (
        (best >= 8, "bfloat16 is fast on this graphics card"),
        (best >= 7, "float16 is fast on this graphics card"),
        (cards, "float32 is best on this graphics card"),
        ("amx_bf16" in bf16, "bfloat16 is fast, since there is AMX"),
        ("avx512_bf16" in bf16, "bfloat16 is faster, since AVX-512 has it"),
        (bf16, "float32 is the safe choice; time bfloat16 beside it"),
        (True, "float32 is best, since others would be emulated"),
    )
    return next(text for holds, text in advice if holds)


def check_memory() -> Finding:
    """Says whether the memory is enough for the smallest preset."""
    total, available = read_memory()
    text = f"{decimal(total)}, of which {decimal(available)} are free"
    fix = None
    if available < _SMALLEST_MEMORY:
        text += "; even the preset quickstart wants 1.5 GB"
        fix = "end other programs, or give the container more memory"
    return judge(
        "memory", text, fix, total_bytes=total, available_bytes=available
    )


def check_disk(folder: str | os.PathLike[str]) -> Finding:
    """Examines the disk that a folder is on, or will be."""
    path = pathlib.Path(folder).absolute()
    path = next(p for p in (path, *path.parents) if p.exists())
    free = psutil.disk_usage(str(path)).free
    text, fix = f"{decimal(free)} are free in {path}", None
    if not os.access(path, os.W_OK):
        text += ", which cannot be written to"
        fix = "name another folder with --logdir"
    elif free < _SMALLEST_DISK:
        fix = "make room, or name a folder on another disk with --logdir"
    return judge("disk", text, fix, free_bytes=free, folder=str(path))


def check_load() -> Iterator[Finding]:
    """Warns if other programs make everything slower."""
    load = psutil.getloadavg()[0]
    if load > _BUSY * usable_cores():
        text = f"{load:.1f} programs share the cores: what follows takes longer"
        yield note("load", text, load=load)


def find_cards(seconds: float) -> list[Card]:
    """Asks NVIDIA's driver for its graphics cards."""
    query = "--query-gpu=name,memory.total,driver_version,compute_cap"
    style = "--format=csv,noheader,nounits"
    result = child_process.run(["nvidia-smi", query, style], seconds)
    cards = []
    for line in result.stdout.splitlines():
        # Complaints, and cards that do not tell everything.
        with contextlib.suppress(ValueError):
            name, memory, driver, capability = line.split(", ")
            memory = float(memory) * 2**20
            cards.append(Card(name, memory, driver, float(capability)))
    return cards


def check_gpu(
    cards: Sequence[Card], used: Sequence[str], made_for: Sequence[str] = ()
) -> Finding:
    """Compares the cards that there are with those that TensorFlow uses.

    Args:
      cards: all that there are.
      used: names of those that TensorFlow finds.
      made_for: what its package was compiled for, such as `sm_89`.
    """
    shown = ", ".join(f"{c.name} ({c.memory / 1e9:.0f} GB)" for c in cards)
    text, fix = "none; TensorFlow computes on the processor", None
    # `compute_90` is 9.0, and code for a generation does not run on the next.
    newest = max((int(n.rpartition("_")[2]) // 10 for n in made_for), default=0)
    new = [card for card in cards if card.capability >= newest + 1 > 1]
    if new:
        text = (
            f"{new[0].name} (sm_{new[0].capability * 10:.0f}) is newer than "
            f"this TensorFlow package, which was made for {made_for[-1]} and "
            "before"
        )
        fix = (
            "compute on the processor: CUDA_VISIBLE_DEVICES=-1. Or take "
            "NVIDIA's TensorFlow container, or build TensorFlow from its "
            "sources"
        )
        if not used:
            return note("GPU", f"{text}; the processor computes", fix)
    elif used:
        text = f"TensorFlow uses {shown or ', '.join(used)}"
    elif cards:
        text = f"There is {shown}, but TensorFlow does not find it."
        fix = packages.install_command("tensorflow", extra="[and-cuda]")
    told = [card._asdict() for card in cards]
    return judge("GPU", text, fix, cards=told, tensorflow=used)


def read_memory() -> tuple[int, int]:
    """Returns all and the free memory of this process's container, in bytes.

    psutil knows only that of the whole machine. Version 1 of control groups
    says a number above any memory where there is no limit.
    """
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    for limit_name, used_name in _MEMORY_FILES:
        limit, path = _read_text(_CGROUP / limit_name), _CGROUP / used_name
        if limit.strip().isdigit():
            # Files that are only kept for later count as in use here.
            stat = _read_text(path.with_name("memory.stat"))
            spare = re.search(r"^inactive_file (\d+)", stat, re.MULTILINE)
            used = int(_read_text(path)) - int(spare[1] if spare else 0)
            total = min(total, int(limit))
            available = min(available, int(limit) - max(0, used))
    return total, available


def usable_cores() -> int:
    """Returns how many processor cores this process may use."""
    cores = machine.usable_cores()
    quota, _, period = _read_text(_CGROUP / "cpu.max").partition(" ")
    if quota.isdigit():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def _read_text(path: str | os.PathLike[str]) -> str:
    with contextlib.suppress(OSError):
        return pathlib.Path(path).read_text()
    return ""
