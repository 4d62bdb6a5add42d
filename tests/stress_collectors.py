"""Collectors beside a learner, some of them killed, and the learner too.

    python tests/stress_collectors.py --collectors 2 --kills 3 --learner_kills 1

Trains a small run with collectors, kills some by SIGKILL, and starts it again
where the learner was killed. Prints what happened, and ends with status 1 if an
episode was lost or counted twice, or a process stayed behind.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import psutil

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from planet_tf2.data.run_folder import RunFolder  # noqa: E402
from planet_tf2.tools.journal import Journal  # noqa: E402

PARAMS = {
    "tasks": ["dummy"],
    "max_steps": 400,
    "train_steps": 100,
    "train_collects": [{"after": 10, "every": 20}],
    "log_every": 5,
}
PROGRAM = "planet_tf2.engines.collector"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--learner_kills", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        problems = stress(pathlib.Path(directory), args)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


def stress(base: pathlib.Path, args: argparse.Namespace) -> list[str]:
    """Trains to the end, with disturbances."""
    folder = RunFolder(base / "00001")
    learner = start(base, args.collectors)
    kills, learner_kills, problems = args.kills, args.learner_kills, []
    next_count = 2
    while learner.poll() is None:
        time.sleep(0.2)
        if len(collected(folder)) < next_count:
            continue
        next_count += 2
        if kills:
            found = processes_of(folder)
            if found:
                found[0].kill()
                kills -= 1
                print(f"killed a collector of {len(found)}")
        elif learner_kills:
            learner.kill()
            learner.wait()
            learner_kills -= 1
            until = time.monotonic() + 60
            while (left := processes_of(folder)) and time.monotonic() < until:
                time.sleep(0.2)
            if left:
                problems.append(f"{len(left)} collectors outlived the learner")
            print("killed the learner; its collectors ended")
            learner = start(base, args.collectors)
    text = learner.communicate()[0]
    if learner.returncode:
        problems.append(f"the learner ended with {learner.returncode}: {text}")
    if kills or learner_kills:
        problems.append("the run was over before all were killed")
    return problems + look(folder)


def look(folder: RunFolder) -> list[str]:
    """Counts the episodes of a finished run."""
    lines, problems = collected(folder), []
    names = [line["collected"] for line in lines]
    by = collections.Counter(line["collector"] for line in lines)
    files = {path.name for path in folder.train_episodes.glob("*.npz")}
    announced = {
        x["file"]
        for x in Journal(folder.metrics)
        if x.get("split") == "train" and "file" in x
    }
    print(
        f"{len(lines)} episodes by {len(by)} collectors: {dict(by)}; "
        f"{len(files)} files with the random ones"
    )
    if len(names) > len(set(names)):
        problems.append("an episode was taken twice")
    if files != announced:
        problems.append(f"files and lines differ: {files ^ announced}")
    steps = [line["step"] for line in lines]
    # Epochs of 100 training steps and 10 of testing.
    epochs, rest = divmod(PARAMS["max_steps"], 110)
    last = 100 * epochs + min(rest, 100) - 5  # Where the last update begins.
    wanted = len(range(10, last + 1, 20))
    if len(steps) != wanted:
        problems.append(f"{len(steps)} episodes where {wanted} were due")
    if processes_of(folder):
        problems.append("collectors are left")
    return problems


def collected(folder: RunFolder) -> list[dict]:
    """The lines of episodes that collectors have played."""
    return [x for x in Journal(folder.metrics) if "collected" in x]


def processes_of(folder: RunFolder) -> list[psutil.Process]:
    """The collectors of a run on this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if PROGRAM in command and str(folder.path) in command:
            found.append(process)
    return found


def start(base: pathlib.Path, amount: int) -> subprocess.Popen:
    command = [sys.executable, str(ROOT / "scripts" / "train.py")]
    command += ["--logdir", str(base), "--config", "debug"]
    command += ["--params", json.dumps(PARAMS), "--ping_every", "1"]
    return subprocess.Popen(
        [*command, "--collectors", str(amount)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main())
