"""Does a long training need more and more of anything?

    python tests/stress_leaks.py --epochs 200
    python tests/stress_leaks.py --epochs 200 --agent dreamer

Trains with the preset `debug` and looks at the processes after every epoch:
memory, threads, open files and child processes of the training, and the memory
of its environments. Prints the figures as JSON. Ends with status 1 if there is
a growth after the first epochs, of more than 5 % in memory or any in the
others, or if a child outlives its parent.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import statistics
import sys
import tempfile
import time

import psutil
from stress_resume import Training, survivors

TOLERANCE = 0.05
# Steps of an epoch of the preset, as the agent counts them: for PlaNet two
# updates and two test batches, of five; for Dreamer simulator steps.
EPOCH = {"planet": 20, "dreamer": 200}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--ignore", type=int, default=20, help="first epochs")
    parser.add_argument("--agent", choices=EPOCH, default="planet")
    parser.add_argument("--task", default="cartpole_balance")
    parser.add_argument("--params", default="", help="more parameters, as YAML")
    args = parser.parse_args()
    args.max_steps = EPOCH[args.agent] * args.epochs
    with tempfile.TemporaryDirectory() as directory:
        looks, problems = watch(pathlib.Path(directory), args)
    problems += growth(looks[args.ignore :])
    print(json.dumps(report(looks, args.ignore) | {"problems": problems}))
    return 1 if problems else 0


@dataclasses.dataclass(frozen=True)
class Look:
    """What a training needs at a moment.

    Attributes:
      megabytes: resident memory of the program.
      env_megabytes: that of its children.
      threads, files, children: how many there are.
    """

    megabytes: float
    env_megabytes: float
    threads: int
    files: int
    children: int


def watch(
    base: pathlib.Path, args: argparse.Namespace
) -> tuple[list[Look], list[str]]:
    """Trains, and looks after every test episode.

    Returns:
      What was seen, and what went wrong otherwise.
    """
    training = Training(base, args)
    looks: list[Look] = []
    children: set[psutil.Process] = set()
    with training.start() as process:
        while process.poll() is None:
            time.sleep(0.1)
            if epochs(training) > len(looks):
                with contextlib.suppress(psutil.Error):
                    watched = psutil.Process(process.pid)
                    looks.append(look_at(watched))
                    children |= set(watched.children(recursive=True))
    problems = [f"{left} was left" for left in survivors(children)]
    if process.returncode:
        problems.append(f"it failed: {training.last_words()}")
    return looks, problems


def epochs(training: Training) -> int:
    """How many test phases are over: each ends with a test episode."""
    return sum(
        record["phase"] == "test" and "return" in record
        for record in training.records()
    )


def look_at(process: psutil.Process) -> Look:
    """Looks at a process and its children.

    Raises:
      psutil.Error: one of them is gone.
    """
    children = process.children(recursive=True)
    return Look(
        process.memory_info().rss / 1e6,
        sum(child.memory_info().rss for child in children) / 1e6,
        process.num_threads(),
        process.num_fds(),
        len(children),
    )


def growth(looks: list[Look]) -> list[str]:
    """Compares the last quarter with the first."""
    found = []
    part = max(1, len(looks) // 4)
    for name in (field.name for field in dataclasses.fields(Look)):
        values = [getattr(look, name) for look in looks]
        if not values:
            return ["nothing was seen"]
        # Single looks may catch a file or a thread that is about to end.
        first = statistics.median(values[:part])
        last = statistics.median(values[-part:])
        allowed = TOLERANCE * first if "megabytes" in name else 0
        if last > first + allowed:
            found.append(f"{name} grew from {first:g} to {last:g}")
    return found


def report(looks: list[Look], ignore: int) -> dict:
    """The figures of some moments."""
    moments = sorted({0, ignore, len(looks) // 2, len(looks) - 1})
    return {
        "epochs": len(looks),
        "after": {
            number + 1: dataclasses.asdict(looks[number])
            for number in moments
            if 0 <= number < len(looks)
        },
    }


if __name__ == "__main__":
    sys.exit(main())
