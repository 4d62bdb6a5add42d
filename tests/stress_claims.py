"""How claims of runs scale with the number of workers on one folder.

    python tests/stress_claims.py --runs 1000 --workers 1 10 50 200
    strace -f -c python tests/stress_claims.py --runs 100 --workers 1

Workers are processes that claim a run, refresh its PING, and end it, as a
training does, and nothing else. Prints a line for each number of workers: how
long a claim took, and whether runs were lost or made twice. Ends with status 1
if any was.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from planet_tf2.experiment.experiment import Experiment  # noqa: E402

# Processes that share the memory of this one, so that there can be many.
FORK = multiprocessing.get_context("fork")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    counts = [1, 10, 50, 200]
    parser.add_argument("--workers", type=int, nargs="+", default=counts)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="that a run is held"
    )
    parser.add_argument("--ping_every", type=float, default=1.5)
    args = parser.parse_args()
    print(
        "workers  runs  median claim  99%  slowest  first  last wait  "
        "all after  lost  doubled"
    )
    bad = 0
    for count in args.workers:
        with tempfile.TemporaryDirectory() as directory:
            bad += measure(pathlib.Path(directory), count, args)
    return 1 if bad else 0


def measure(base: pathlib.Path, count: int, args: argparse.Namespace) -> int:
    """Lets workers do all runs, and prints a line."""
    start = FORK.Event()
    # One worker would take as long as all together.
    hold = args.seconds if count > 1 else 0.0
    arguments = base, args.runs, hold, args.ping_every, start
    workers = [FORK.Process(target=work, args=arguments) for _ in range(count)]
    for worker in workers:
        worker.start()
    begun = time.monotonic()
    start.set()
    for worker in workers:
        worker.join()
    took = time.monotonic() - begun
    lines = [
        json.loads(line)
        for path in base.glob("records-*")
        for line in path.read_text().splitlines()
    ]
    claims = sorted(x["seconds"] for x in lines if x["run"] and not x["first"])
    firsts = [x["seconds"] for x in lines if x["first"]]
    waits = [x["seconds"] for x in lines if not x["run"]]
    found = [x["run"] for x in lines if x["run"]]
    done = list((base / "runs").glob("*/DONE"))
    lost, doubled = args.runs - len(done), len(found) - len(set(found))
    values = (
        statistics.median(claims),
        claims[int(0.99 * len(claims))],
        claims[-1],
        statistics.median(firsts) if firsts else 0.0,
        max(waits),
        took,
    )
    texts = "  ".join(f"{1000 * x:.1f} ms" for x in values[:4])
    print(
        f"{count:5d}  {args.runs}  {texts}  {values[4]:.1f} s  "
        f"{values[5]:.1f} s  {lost}  {doubled}",
        flush=True,
    )
    failed = sum(worker.exitcode != 0 for worker in workers)
    if failed:
        print(f"PROBLEM: {failed} workers failed")
    return lost + doubled + failed


def work(base, runs, hold, ping_every, start) -> None:
    """Works on runs until all are done, and notes how long claims took."""
    start.wait()
    experiment = Experiment(
        base / "runs", runs, ping_every=ping_every, report=lambda _: None
    )
    is_first = True
    with open(base / f"records-{os.getpid()}", "w") as records:

        def note(run: int, since: float) -> None:
            seconds = time.monotonic() - since
            line = {"run": run, "seconds": seconds, "first": is_first}
            records.write(json.dumps(line) + "\n")

        since = time.monotonic()
        for run in experiment:
            note(run.number, since)
            is_first = False
            with run:
                run.check()
                time.sleep(hold)
                run.show(step=1)
            since = time.monotonic()
        is_first = False
        note(0, since)


if __name__ == "__main__":
    sys.exit(main())
