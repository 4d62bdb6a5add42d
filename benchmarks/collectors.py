"""Episodes per hour of a run with and without collectors.

    python benchmarks/collectors.py --collectors 2

Trains the preset `cpu`, collecting after every 20 updates, for some time in
each way, and prints episodes per hour, and the ratio. Takes 6 minutes. Only on
an idle machine are the figures worth anything.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from planet_tf2.data.run_folder import RunFolder  # noqa: E402
from planet_tf2.tools.journal import Journal  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--config", default="cpu")
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--updates", type=int, default=20)
    args = parser.parse_args()
    rates = {}
    kinds = {
        "one process": ["--nocollect_ahead"],
        "one process, collect_ahead": ["--collect_ahead"],
        f"{args.collectors} collectors": [f"--collectors={args.collectors}"],
    }
    for kind, flags in kinds.items():
        with tempfile.TemporaryDirectory() as directory:
            rates[kind] = measure(pathlib.Path(directory), flags, args)
        print(f"{kind}: {rates[kind]:.0f} episodes per hour", flush=True)
    *single, apart = rates.values()
    for kind, rate in zip(kinds, single, strict=False):
        print(f"{apart / rate:.2f} times {kind}")


def measure(
    base: pathlib.Path, flags: list[str], args: argparse.Namespace
) -> float:
    """Returns episodes per hour, from the first training episode on."""
    command = [sys.executable, str(ROOT / "scripts" / "train.py")]
    command += ["--logdir", str(base), "--config", args.config, *flags]
    # Of the 16 sequences of an update.
    every = 16 * args.updates
    more = f"{{num_seed_episodes: 2, collect_every: {every}, log_every: 5}}"
    process = subprocess.Popen(
        [*command, "--params", more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (begun := times(base)):
            if process.poll() is not None:
                raise RuntimeError("The training ended early.")
            time.sleep(0.5)
        time.sleep(args.seconds)
        found = times(base)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    # The time up to now, since none may have come for long.
    return 3600 * (len(found) - len(begun)) / args.seconds


def times(base: pathlib.Path) -> list[float]:
    """When training episodes entered the data, but for the random ones."""
    return [
        line["elapsed_seconds"]
        for line in Journal(RunFolder(base / "00001").metrics)
        if line.get("split") == "train" and line["phase"] == "train"
    ]


if __name__ == "__main__":
    main()
