"""Runs the benchmarks one after the other and holds them against targets.

It takes less than half an hour on two cores. The targets are for those, the
paper's sizes and 6 actions. They are not tests: a machine that is busy with
other things misses them, so the load and the speed of matrix products come
first. What was found is kept in `benchmarks/results/last.json`, and shown
beside the next results of a machine of the same kind.

PyTorch is timed as its users have it, and once more with the allocator
tcmalloc where that is installed: by default the C library gives large blocks
back to the system whenever they are freed, which costs PyTorch much of a
training step. Ours asks for another treatment (`devices.keep_freed_memory`).

`against.py` compares with another commit, `precision.py` what is learned in
other precisions.
"""

import datetime
import json
import operator
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

import harness
import psutil
import tabulate
from absl import app, flags

from planet_tf2.tools.machine import usable_cores

FLAGS = flags.FLAGS

_HERE = pathlib.Path(__file__).parent
_LAST = _HERE / "results" / "last.json"

_WHEN = "{commit}, {date}, load {load:.2f}, {minutes:.0f} minutes"
_HOLDS = {">=": operator.ge, "<=": operator.le}

# Program, arguments, and what to read of its figures: name, key or two keys to
# divide, and the target where there is one.
_Benchmark = tuple[str, list[str], list[tuple[Any, ...]]]
_SIZES = ("dmc_proprio", "dmc_vision")
_GUARDS: list[_Benchmark] = [
    (
        "epoch.py",
        [],
        [
            ("epoch of `cpu`, seconds", "seconds"),
            ("epoch of `cpu`, share of the cores", "busy"),
        ],
    ),
    (
        "input_pipeline.py",
        ["--rounds=3"],
        [("step, loader / constant batch", "ratio/loader", "<=", 1.05)],
    ),
    (
        "rollout.py",
        ["--rounds=1", "--decisions=50"],
        [("rollout, share of the rest", "overhead_share", "<=", 0.05)],
    ),
    ("retraces.py", [], [("retraces", "retraces", "<=", 0)]),
    (
        "startup.py",
        ["--rounds=3"],
        [("start to first update, seconds", "seconds", "<=", 25)],
    ),
    (
        "memory.py",
        ["--params={micro_batches: 10}", "--updates=12"],
        [("updates, 1,000 episodes, GB", "peak_gigabytes", "<=", 3.0)],
    ),
]


def benchmarks() -> list[_Benchmark]:
    """Lists what can be measured on this machine."""
    amx, half = harness.has_amx(), harness.has_bfloat16()
    ours, theirs = "seconds/planet_tf2", "seconds/pytorch"
    ours_half, plain = f"{ours}:bfloat16", "seconds/plain_keras"
    variants = ["planet_tf2", "plain_keras", "pytorch"]
    product = "TensorFlow{}/(2000, 2000, 2000)"
    products = [("products, float32, GFLOP/s", product.format(""))]
    step = [
        ("step, seconds", ours),
        ("step, plain Keras / ours", (plain, ours)),
        ("step, PyTorch / ours", (theirs, ours)),
    ]
    plan = [
        ("plan, seconds", ours),
        ("plan, plain Keras / ours", (plain, ours)),
        ("plan, PyTorch / ours", (theirs, ours), ">=", 1.25),
    ]
    if half:
        variants.insert(1, "planet_tf2:bfloat16")
        name = "products, bfloat16, GFLOP/s"
        products.append((name, product.format(" bfloat16")))
        name, target = "step, PyTorch / ours in bfloat16", 6 if amx else 3
        step.append((name, (theirs, ours_half), ">=", target))
        step.append(("step, float32 / bfloat16", (ours, ours_half)))
        name, target = "plan, float32 / bfloat16", 1.9 if amx else 1.5
        plan.append((name, (ours, ours_half), ">=", target))
    argument = f"--variants={','.join(variants)}"
    found = [
        ("products.py", [], products),
        ("train_step.py", [argument], step),
        ("plan.py", ["--rounds=21", argument], plan),
    ]
    if harness.tcmalloc():
        name = "step, PyTorch with tcmalloc / ours"
        argument = "--variants=planet_tf2,pytorch:tcmalloc"
        reading = (name, (f"{theirs}:tcmalloc", ours))
        found.append(("train_step.py", [argument], [reading]))
    return found + [_dreamer(config, half) for config in _SIZES] + _GUARDS


def _dreamer(config: str, half: bool) -> _Benchmark:
    """Lists what is measured of DreamerV3 at the sizes of a preset."""
    variants = ["planet_tf2", "pytorch"]
    if half:
        variants.insert(1, "planet_tf2:bfloat16")
    if harness.tcmalloc():
        variants.append("pytorch:tcmalloc")
    readings: list[tuple[Any, ...]] = []
    parts = {"model": 2.5, "behavior": 2.5, "policy": 2.0}
    if config == "dmc_proprio":  # Images are drawn for minutes.
        parts["decisions"] = 1.0
    for part, target in parts.items():
        ours = f"seconds/{part}/planet_tf2"
        theirs = f"seconds/{part}/pytorch"
        name = f"{config}, {part}"
        readings.append((f"{name}, seconds", ours))
        name = f"{name}, PyTorch"
        readings.append((f"{name} / ours", (theirs, ours), ">=", target))
        if part in ("policy", "decisions"):
            continue
        if half:
            quotient = (theirs, f"{ours}:bfloat16")
            readings.append((f"{name} / bfloat16", quotient, ">=", 4))
        if harness.tcmalloc():
            quotient = (f"{theirs}:tcmalloc", ours)
            readings.append((f"{name}:tcmalloc / ours", quotient, ">=", 1.3))
    arguments = [f"--config={config}", f"--variants={','.join(variants)}"]
    arguments.append(f"--parts={','.join(parts)}")
    return "dreamer.py", ["--rounds=3", *arguments], readings


def run_program(program: str, arguments: list[str]) -> dict[str, Any] | None:
    """Runs a benchmark and returns what it prints as JSON, unless it fails."""
    print(f"Running {program} {' '.join(arguments)}", file=sys.stderr)
    command = [sys.executable, str(_HERE / program), "--json", *arguments]
    if FLAGS["rounds"].present:
        command.append(f"--rounds={FLAGS.rounds}")
    # Targets and baselines are about processors.
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    if result.returncode:
        print(f"{program} failed.", file=sys.stderr)
        return None
    found = json.loads(result.stdout.splitlines()[-1])
    if not FLAGS.json:
        print(f"\n{found['title']}\n")
        print(tabulate.tabulate(found["rows"], found["headers"]))
    return found


def read(figures: dict[str, float], key: str | tuple[str, str]) -> float:
    """Returns a figure, or the ratio of two."""
    if isinstance(key, str):
        return figures[key]
    return figures[key[0]] / figures[key[1]]


def about() -> dict[str, Any]:
    """Says where and when this is, and how busy the machine is."""
    load, cores = psutil.getloadavg()[0], usable_cores()
    print(f"{harness.machine()}, load {load:.2f}", file=sys.stderr)
    if load > 0.2 * cores:
        print("This machine is busy: times will be longer.", file=sys.stderr)
    describe = f"git -C '{_HERE}' describe --always --dirty"
    commit = subprocess.getoutput(describe)
    date = datetime.datetime.now().isoformat(" ", "minutes")
    machine = harness.machine()
    return {"machine": machine, "commit": commit, "date": date, "load": load}


def row(
    reading: tuple[Any, ...], value: float, last: dict[str, float]
) -> tuple[Any, ...]:
    """Makes a row of the table of all figures."""
    name, _, *wanted = reading
    met = ""
    if wanted:
        sign, target = wanted
        met = "yes" if _HOLDS[sign](value, target) else "no"
    before = last.get(name)
    ratio = value / before if before else None
    return name, value, " ".join(map(str, wanted)), met, before, ratio


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        sys.exit(f"Not understood: {' '.join(argv[1:])}")
    start = time.monotonic()
    this, rows, figures, failed = about(), [], {}, []
    last = json.loads(_LAST.read_text()) if _LAST.exists() else {}
    known = last.get("machine") == this["machine"]
    for program, arguments, readings in benchmarks():
        found = run_program(program, arguments)
        if found is None:
            failed.append(program)
            continue
        for reading in readings:
            value = figures[reading[0]] = read(found["figures"], reading[1])
            rows.append(row(reading, value, last["figures"] if known else {}))
    this["minutes"] = (time.monotonic() - start) / 60
    kept = json.dumps({**this, "figures": figures}, indent=2)
    _LAST.parent.mkdir(exist_ok=True)
    _LAST.write_text(kept + "\n")
    if FLAGS.json:
        print(json.dumps(json.loads(kept)))
    else:
        print(f"\n{this['machine']}\n{_WHEN.format(**this)}")
        if known:
            print(f"Last time: {_WHEN.format(**last)}")
        headers = ["figure", "measured", "target", "met"]
        headers += ["last time", "now / last"]
        print(f"\n{tabulate.tabulate(rows, headers, floatfmt='.3g')}")
    if not harness.has_bfloat16():
        print(
            "This processor emulates bfloat16: it is not timed.",
            file=sys.stderr,
        )
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    app.run(main)
