"""How long is a whole epoch of a preset, as `scripts/train.py` runs it?

With all that belongs to it: updates, collected episodes, the test phase,
pictures, checkpoints. A run is started in a temporary folder; its first epoch,
which also builds the graphs, is not counted. An epoch reaches from the losses
of one test phase to those of the next, by the run's own clock
(`elapsed_seconds` in `metrics.jsonl`).
"""

import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import cases
import harness
import psutil
from absl import flags

from planet_tf2.tools.machine import usable_cores

FLAGS = flags.FLAGS

# Epochs that are counted.
FLAGS.set_default("rounds", 1)
FLAGS.set_default("config", "cpu")

# Says where the run has the package from, and becomes `scripts/train.py`.
_TRAIN = (
    "import planet_tf2, runpy, sys; print(planet_tf2.__file__, flush=True); "
    "sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
)


def cpu_seconds(process: subprocess.Popen) -> float:
    """Returns what a process and all below it have computed so far."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        for one in (root, *root.children(recursive=True)):
            # Children that have ended are in the times of their parents.
            total += sum(one.cpu_times()[:4])
    return total


def ends(lines: list[dict[str, Any]]) -> list[int]:
    """Returns the numbers of the lines that end an epoch."""
    return [
        number
        for number, line in enumerate(lines)
        if line.get("phase") == "test" and "file" not in line
    ]


def watch(
    process: subprocess.Popen, metrics: pathlib.Path
) -> tuple[list[dict[str, Any]], list[tuple[float, float]]]:
    """Waits until a run has had enough epochs.

    Returns:
      Its lines, and for the end of each epoch the time and what the run had
      computed by then, in seconds.

    Raises:
      harness.Missing: it failed.
    """
    text, lines, moments = "", [], []
    while len(moments) <= FLAGS.rounds:
        if process.poll() is not None:
            raise harness.Missing("The run failed.")
        time.sleep(0.1)
        before, text = text, metrics.read_text() if metrics.exists() else ""
        if text != before:
            complete = text[: text.rfind("\n") + 1]
            lines = [json.loads(line) for line in complete.splitlines()]
            if len(ends(lines)) > len(moments):
                moments.append((time.monotonic(), cpu_seconds(process)))
    return lines, moments


def train(
    folder: pathlib.Path, max_steps: int
) -> tuple[list[dict[str, Any]], list[tuple[float, float]]]:
    """Runs a training in a folder, and returns what `watch` does."""
    root = harness.package()
    command = [
        *(sys.executable, "-P", "-c", _TRAIN, f"{root}/scripts/train.py"),
        f"--logdir={folder / 'run'}",
        f"--config={FLAGS.config}",
        f"--params={FLAGS.params}",
        f"--max_steps={max_steps}",
    ]
    printed = folder / "printed"
    with open(printed, "w") as file:
        process = subprocess.Popen(command, stdout=file)
    try:
        found = watch(process, folder / "run" / "00001" / "metrics.jsonl")
    finally:
        process.terminate()
        process.wait()
    used = pathlib.Path(printed.read_text().splitlines()[0]).resolve()
    assert str(used.parents[1]) == root, f"The run imported {used}."
    return found


def run() -> harness.Result:
    params = cases.params(task="")
    size = params["batch_shape"][0]
    # Phases consist of whole batches.
    updates, tests = (
        -(-params[f"{phase}_steps"] // size) for phase in ("train", "test")
    )
    # It is stopped before it comes to its end, where it does less.
    max_steps = (FLAGS.rounds + 3) * (updates + tests) * size
    with tempfile.TemporaryDirectory() as name:
        lines, moments = train(pathlib.Path(name), max_steps)
    rows, numbers = [], ends(lines)
    for epoch in range(1, len(moments)):
        first, last = numbers[epoch - 1], numbers[epoch]
        clock = [lines[number]["elapsed_seconds"] for number in (first, last)]
        episodes = sum("file" in line for line in lines[first:last])
        (start, before), (end, after) = moments[epoch - 1 : epoch + 1]
        busy = (after - before) / (end - start) / usable_cores()
        rows.append((epoch + 1, clock[1] - clock[0], updates, episodes, busy))
    _, seconds, _, episodes, busy = map(
        statistics.median, zip(*rows, strict=True)
    )
    tasks = ", ".join(params["tasks"])
    return harness.Result(
        f"An epoch of {FLAGS.config}, {tasks}: {updates} updates, "
        f"{episodes:g} episodes",
        ("epoch", "seconds", "updates", "episodes", "share of the cores"),
        rows,
        {"seconds": seconds, "busy": busy, "episodes": episodes},
    )


if __name__ == "__main__":
    harness.main(run)
