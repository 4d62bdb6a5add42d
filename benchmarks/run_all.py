"""Runs the benchmarks one after the other and holds them against targets.

The targets are for two cores, the paper's sizes and 6 actions. They are not
tests: a machine that is busy with other things misses them.
"""

import json
import operator
import os
import pathlib
import subprocess
import sys
from typing import Any

import harness
import tabulate
from absl import app, flags

FLAGS = flags.FLAGS

flags.DEFINE_boolean(
    "precision",
    False,
    "Also compare learning in bfloat16 and float32, which takes an hour.",
)

_HERE = pathlib.Path(__file__).parent

# Program, its arguments, and what to read from its figures: name, key, whether
# more or less is better, and the target.
_MORE, _LESS = (">=", operator.ge), ("<=", operator.le)
_BENCHMARKS = [
    (
        "train_step.py",
        [],
        [
            ("step, plain Keras / ours", "ratio/plain_keras", _MORE, 2.0),
            ("step, PyTorch / ours", "ratio/pytorch", _MORE, 3.0),
        ],
    ),
    (
        "plan.py",
        ["--rounds=21"],
        [("plan, PyTorch / ours", "ratio/pytorch", _MORE, 1.2)],
    ),
    (
        "input_pipeline.py",
        [],
        [("step, loader / constant batch", "ratio/loader", _LESS, 1.05)],
    ),
    (
        "rollout.py",
        ["--rounds=2"],
        [("rollout, share of the rest", "overhead_share", _LESS, 0.05)],
    ),
    ("retraces.py", [], [("retraces", "retraces", _LESS, 0)]),
    (
        "startup.py",
        ["--rounds=3"],
        [("start to first update, seconds", "seconds", _LESS, 25)],
    ),
    (
        "memory.py",
        ["--params={micro_batches: 10}", "--updates=12"],
        [
            (
                "updates with 1,000 episodes, 10 parts, GB",
                "peak_gigabytes",
                _LESS,
                3.0,
            )
        ],
    ),
]
# The targets are for processors with AMX.
_BFLOAT16 = [
    (
        "train_step.py",
        ["--variants=planet_tf2:bfloat16,plain_keras"],
        [
            (
                "step, plain Keras float32 / ours bfloat16",
                "ratio/plain_keras",
                _MORE,
                4,
            )
        ],
    ),
    (
        "plan.py",
        ["--variants=planet_tf2:bfloat16,pytorch"],
        [
            (
                "plan, PyTorch float32 / ours bfloat16",
                "ratio/pytorch",
                _MORE,
                2.5,
            )
        ],
    ),
]
_SMALL = "{tasks: [cartpole_swingup], cnn_depth: 16, batch_shape: [16, 16]}"
_PRECISION = [
    (
        "precision.py",
        [f"--params={_SMALL}"],
        [
            ("image loss, bfloat16", "ratio/bfloat16/image", _LESS, 1.05),
            ("reward loss, bfloat16", "ratio/bfloat16/reward", _LESS, 1.05),
        ],
    ),
]


def run_program(program: str, arguments: list[str]) -> dict[str, Any]:
    """Runs a benchmark and returns what it prints as JSON."""
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
        sys.exit(f"{program} failed.")
    return json.loads(result.stdout.splitlines()[-1])


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        sys.exit(f"Not understood: {' '.join(argv[1:])}")
    chosen = list(_BENCHMARKS)
    chosen += _BFLOAT16 if harness.has_bfloat16() else []
    chosen += _PRECISION if FLAGS.precision else []
    without_amx = [] if harness.has_amx() else _BFLOAT16
    results = []
    for benchmark in chosen:
        program, arguments, readings = benchmark
        found = run_program(program, arguments)
        if not FLAGS.json:
            print(f"\n{found['title']}\n")
            print(tabulate.tabulate(found["rows"], found["headers"]))
        for name, key, (sign, holds), target in readings:
            value = found["figures"][key]
            met = "yes" if holds(value, target) else "no"
            wanted = f"{sign} {target}"
            if benchmark in without_amx and met == "no":
                wanted, met = f"{wanted} with AMX", "-"
            results.append((name, value, wanted, met))
    if FLAGS.json:
        print(json.dumps(results))
        return
    print(f"\n{harness.machine()}\n")
    headers = ("figure", "measured", "target", "met")
    print(tabulate.tabulate(results, headers, floatfmt=".3g"))
    if not harness.has_bfloat16():
        print("This processor emulates bfloat16, so that is not timed.")


if __name__ == "__main__":
    app.run(main)
