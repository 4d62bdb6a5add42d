"""What the benchmarks share: flags, timing in turn, tables."""

import ctypes.util
import dataclasses
import json
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tabulate
from absl import app, flags

# Before TensorFlow, which looks only once whether oneDNN is wanted.
import planet_tf2
from planet_tf2.tools.machine import usable_cores

FLAGS = flags.FLAGS

flags.DEFINE_boolean("json", False, "Print JSON in place of a table.")
flags.DEFINE_integer("rounds", 5, "How often every variant is timed.", 1)


class Missing(Exception):
    """Something that a benchmark needs is not there."""


@dataclasses.dataclass
class Result:
    """What a benchmark found.

    Attributes:
      title: the question, in a few words.
      headers: names of the columns.
      rows: the table.
      figures: numbers by name, for `run_all.py` to compare with the targets.
      notes: lines to print below the table.
      rounds: how often everything was timed, if it was more than once.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    figures: Mapping[str, float]
    notes: Sequence[str] = ()
    rounds: int | None = None


def check_processor_only() -> None:
    """Makes sure that all is computed by the processor.

    Raises:
      Missing: TensorFlow has a GPU, which what is to be timed knows nothing of.
    """
    if _gpus():
        raise Missing(
            "This is about processors, but TensorFlow would use a GPU. Hide "
            "it: CUDA_VISIBLE_DEVICES=-1."
        )


def time_in_turn(
    variants: Mapping[str, Callable[[], Any]],
    rounds: int | None = None,
    warmup: int = 1,
) -> dict[str, list[float]]:
    """Runs the variants one after the other, over and over.

    Neighbours in time meet the same noise of a shared machine, so the ratios
    of their medians mean something even where the times themselves do not.

    Args:
      variants: functions by name. They return when their work is done.
      rounds: timed calls of each; by default what the flag says.
      warmup: calls of each before the first timed one.

    Returns:
      Seconds of every timed call, by name.
    """
    for function in variants.values():
        for _ in range(warmup):
            function()
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds or FLAGS.rounds):
        for name, function in variants.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return times


def compare(
    title: str,
    times: Mapping[str, Sequence[float]],
    figures: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """Makes a table of times, with ratios to the first variant.

    Args:
      title: the question.
      times: seconds of every call, by the name of the variant.
      figures: further numbers.
      notes: lines to print below the table.

    Returns:
      Result whose figures also hold `ratio/NAME` for each variant: how often
      the first one fits into its time.
    """
    median = {name: statistics.median(ts) for name, ts in times.items()}
    first = next(iter(median.values()))
    rows = [
        (name, median[name], min(ts), max(ts), median[name] / first)
        for name, ts in times.items()
    ]
    ratios = {f"ratio/{name}": value / first for name, value in median.items()}
    seconds = {f"seconds/{name}": value for name, value in median.items()}
    headers = ("variant", "median s", "min s", "max s", "time / first")
    return Result(
        title,
        headers,
        rows,
        {**ratios, **seconds, **(figures or {})},
        notes,
        len(next(iter(times.values()))),
    )


def main(benchmark: Callable[[], Result]) -> None:
    """Runs a benchmark as a program and prints what it found."""

    def run(argv: list[str]) -> None:
        if len(argv) > 1:
            sys.exit(f"Not understood: {' '.join(argv[1:])}")
        try:
            result = benchmark()
        except Missing as error:
            sys.exit(f"Error: {error}")
        if FLAGS.json:
            about = {"machine": machine(), "package": package()}
            print(json.dumps({**dataclasses.asdict(result), **about}))
            return
        rounds = f", {result.rounds} rounds" if result.rounds else ""
        print(f"\n{result.title}\n{machine()}{rounds}\n")
        print(tabulate.tabulate(result.rows, result.headers, floatfmt=".4g"))
        for note in result.notes:
            print(note)

    app.run(run)


def package() -> str:
    """Returns the folder that `planet_tf2` was imported from."""
    return str(pathlib.Path(planet_tf2.__file__).resolve().parents[1])


def machine() -> str:
    """Describes the processor, and GPUs that are used, in a line."""
    name, flags_of_cpu = platform.processor() or platform.machine(), ""
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(
            [part.strip() for part in line.split(":", 1)]
            for line in info.read_text().splitlines()
            if ":" in line
        )
        name = lines.get("model name", name)
        flags_of_cpu = lines.get("flags", "")
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    able = [flag for flag in known if flag in flags_of_cpu.split()]
    words = [name, f"{usable_cores()} cores", " ".join(able), *_gpus()]
    return ", ".join(filter(None, words))


def _gpus() -> list[str]:
    """Returns the names of the GPUs that TensorFlow uses, if it is there."""
    if "tensorflow" not in sys.modules:
        return []
    from planet_tf2.tools import devices

    return devices.gpu_names()


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers in hardware."""
    return has_amx() or "avx512_bf16" in machine()


def has_amx() -> bool:
    """Whether it does so by whole matrices."""
    return "amx_bf16" in machine()


def tcmalloc() -> str | None:
    """Returns the file name of that allocator, if it is installed."""
    names = ("tcmalloc", "tcmalloc_minimal")
    return next(filter(None, map(ctypes.util.find_library, names)), None)
