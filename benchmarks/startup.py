"""How long from the command to the first update, in the debug preset?"""

import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import harness
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("task", "cheetah_run", "What to train.")

_SCRIPT = pathlib.Path(__file__).parents[1] / "scripts" / "train.py"
_PATIENCE_SECONDS = 600


def measure() -> dict[str, float]:
    """Starts a run and stops it after its first update.

    Returns:
      Seconds until the first seed episode and until the first update.
    """
    with tempfile.TemporaryDirectory() as logdir:
        start = time.perf_counter()
        process = subprocess.Popen(
            [
                sys.executable,
                str(_SCRIPT),
                f"--logdir={logdir}",
                "--config=debug",
                f"--tasks=[{FLAGS.task}]",
            ],
            stdout=subprocess.DEVNULL,
        )
        seconds: dict[str, float] = {}
        try:
            metrics = pathlib.Path(logdir) / "00001" / "metrics.jsonl"
            while "first update" not in seconds:
                elapsed = time.perf_counter() - start
                if process.poll() is not None or elapsed > _PATIENCE_SECONDS:
                    raise harness.Missing("The run did not get to an update.")
                for name in found(metrics):
                    seconds.setdefault(name, elapsed)
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    return seconds


def found(metrics: pathlib.Path) -> list[str]:
    """Returns which of the two moments the file tells of."""
    if not metrics.exists():
        return []
    names = []
    for line in metrics.read_text().splitlines(keepends=True):
        record = json.loads(line) if line.endswith("\n") else {}
        if record.get("phase") == "seed":
            names.append("first seed episode")
        if "gradient_norm" in record:
            names.append("first update")
    return names


def run() -> harness.Result:
    starts = [measure() for _ in range(FLAGS.rounds)]
    rows = []
    for name in starts[0]:
        seconds = [start[name] for start in starts]
        rows.append(
            (name, statistics.median(seconds), min(seconds), max(seconds))
        )
    return harness.Result(
        f"Start of train.py, debug, {FLAGS.task}",
        ("until", "median s", "min s", "max s"),
        rows,
        {"seconds": rows[-1][1]},
        rounds=FLAGS.rounds,
    )


if __name__ == "__main__":
    harness.main(run)
