"""A sweep whose driver and trials are killed, beside trials that never are.

    python tests/stress_tune.py --driver_kills 2 --trial_kills 3
    python tests/stress_tune.py --trials 4 --search optuna --compare 1

Runs `scripts/tune.py` with small trials. Meanwhile its processes and those of
trials end by `kill -9`, and the same command is started again. Then looks
whether each trial is there once, with the parameters that it was first given,
and is done or was stopped by the scheduler; and compares those that were killed
with runs of `scripts/train.py` that nothing disturbed, bit for bit, as
`stress_resume.py` does. Prints what happened as JSON; status 1 if something is
wrong.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import psutil
import yaml
from stress_resume import ROOT, Stress, Training, comparable, survivors

from planet_tf2.engines.sweep import Sweep, Trial
from planet_tf2.experiment.watching import describe, read

SPACE = """
main_learning_rate: {loguniform: [1e-4, 1e-2]}
planner_horizon: {choice: [2, 3]}
seed: {choice: [0, 1, 2]}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--driver_kills", type=int, default=2)
    parser.add_argument("--trial_kills", type=int, default=3)
    parser.add_argument("--scheduler", default="asha")
    parser.add_argument("--search", default="random")
    parser.add_argument("--agent", default="planet")
    parser.add_argument("--config", default="debug")
    parser.add_argument("--task", default="cartpole_balance")
    parser.add_argument("--max_steps", type=int, default=100)
    parser.add_argument("--interval", type=int, default=20)
    parser.add_argument("--lines", type=int, default=6, help="between kills")
    parser.add_argument("--compare", type=int, default=2, help="killed trials")
    parser.add_argument("--params", default="", help="more parameters, as YAML")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", help="folder to keep all files in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        stress = Tuning(pathlib.Path(args.keep or directory).resolve(), args)
        stress.run()
        report = stress.report()
    print(json.dumps(report, indent=1))
    return 1 if report["problems"] else 0


class Tuning:
    """Drives a sweep, disturbs it, and looks at what is left."""

    def __init__(self, base: pathlib.Path, args: argparse.Namespace):
        self._base, self._args = base, args
        self._random = random.Random(args.seed)
        self.sweep = Sweep(base / "sweep")
        self._first: dict[str, dict] = {}  # Parameters as first seen.
        self.events: list[str] = []
        self.killed: set[str] = set()
        self.failures: list[str] = []
        self.seconds = 0.0

    def run(self) -> None:
        """Lets the sweep come to its end, with kills in between."""
        begin = time.monotonic()
        args = self._args
        kinds = ["trial"] * args.trial_kills + ["driver"] * args.driver_kills
        self._random.shuffle(kinds)
        process = self._start()
        try:
            for kind in kinds:
                self._wait_for_lines(process)
                if process.poll() is not None:
                    self.failures.append("it was over before all kills")
                    break
                if kind == "trial":
                    self._kill_trial(process)
                else:
                    self._kill_driver(process)
                    process = self._start()
            while process.poll() is None:
                self._look()
                time.sleep(1)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            self.failures.append(f"it ended with {process.returncode}")
        self.seconds = time.monotonic() - begin

    def _start(self) -> subprocess.Popen:
        args = self._args
        self._base.mkdir(parents=True, exist_ok=True)
        (self._base / "space.yaml").write_text(SPACE)
        command = [sys.executable, str(ROOT / "scripts" / "tune.py")]
        command += ["--logdir", str(self.sweep.path)]
        command += ["--space", str(self._base / "space.yaml")]
        for name in ("trials", "scheduler", "search", "interval"):
            command += [f"--{name}", str(getattr(args, name))]
        for name in ("agent", "config"):
            command += [f"--{name}", getattr(args, name)]
        command += ["--params", self._params()]
        with open(self._base / "output.txt", "ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output)

    def _params(self) -> str:
        args = self._args
        length = "max_steps" if args.agent == "planet" else "steps"
        more = f", {args.params}" if args.params else ""
        return f"{{tasks: [{args.task}], {length}: {args.max_steps}{more}}}"

    def _look(self) -> int:
        """Notes the parameters of new trials; returns the lines of all."""
        lines = 0
        for trial in self.sweep.trials():
            self._first.setdefault(trial.path.name, trial.params)
            with contextlib.suppress(FileNotFoundError):
                lines += trial.run.metrics.read_bytes().count(b"\n")
        return lines

    def _wait_for_lines(self, process: subprocess.Popen) -> None:
        wanted = self._look() + self._random.randint(2, self._args.lines)
        while process.poll() is None and self._look() < wanted:
            time.sleep(0.2)

    def _running(self) -> list[tuple[Trial, int]]:
        found = []
        for trial in self.sweep.trials():
            number = describe(read(trial.run.ping)).get("process")
            if number and psutil.pid_exists(number) and not trial.state:
                found.append((trial, number))
        return found

    def _kill_trial(self, process: subprocess.Popen) -> None:
        while not (running := self._running()) and process.poll() is None:
            time.sleep(0.2)
        for trial, number in running[:1] and [self._random.choice(running)]:
            os.kill(number, 9)
            self.killed.add(trial.path.name)
            self.events.append(f"{trial.path.name} killed")

    def _kill_driver(self, process: subprocess.Popen) -> None:
        running = {trial.path.name for trial, _ in self._running()}
        # Those that train; Ray's own take their time.
        children = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if any("planet_tf2" in word for word in child.cmdline())
        ]
        process.kill()
        process.wait()
        self.killed |= running
        names = ", ".join(sorted(running)) or "none"
        self.events.append(f"driver killed, while these trained: {names}")
        left = survivors(children, 60)
        self.failures += [f"{name} was left" for name in left]

    def problems(self) -> list[str]:
        """Everything that should not have happened."""
        found = list(self.failures)
        trials = self.sweep.trials()
        if len(trials) != self._args.trials:
            found.append(f"{len(trials)} trials")
        ids = [t.run.read_config()["id"] for t in trials]
        if len(set(ids)) != len(trials):
            found.append("two trials are the same run")
        for trial in trials:
            if trial.state not in ("done", "stopped"):
                found.append(f"{trial.path.name} is {trial.state or 'open'}")
            if trial.params != self._first[trial.path.name]:
                found.append(f"{trial.path.name} has changed its parameters")
            problems = Training(trial.path, self._args).problems()
            found += [p for p in problems if not p.endswith("is not done")]
        return found or self._differences()

    def compared(self) -> list[Trial]:
        """Trials that were killed, to be compared; done ones come first."""
        found = [t for t in self.sweep.trials() if t.path.name in self.killed]
        found.sort(key=lambda trial: trial.state)
        return found[: self._args.compare]

    def _differences(self) -> list[str]:
        """Compares trials with runs that were not disturbed."""
        found = []
        if len(self.compared()) < self._args.compare:
            found.append("too few trials were killed")
        for trial in self.compared():
            pair = Stress(self._base / "pair", self._args)
            pair.broken = Training(trial.path, self._args)
            pair.whole = Training(self._base / trial.path.name, self._args)
            drawn = {**trial.params}
            command = [sys.executable, str(ROOT / "scripts" / "train.py")]
            command += ["--logdir", str(self._base / trial.path.name)]
            command += ["--agent", self._args.agent, "--seed"]
            command += [str(drawn.pop("seed")), "--params", self._params()]
            command += ["--config", self._args.config]
            command += [
                f"--{n}={yaml.safe_dump(v).split()[0]}"
                for n, v in drawn.items()
            ]
            pair.whole._command = command
            if pair.whole.start().wait():
                found.append(f"{command} failed: {pair.whole.last_words()}")
            problems = pair.problems() if trial.state == "done" else None
            if problems is None:  # It was stopped early; all before is equal.
                pairs = zip(
                    map(comparable, pair.whole.records()),
                    map(comparable, pair.broken.records()),
                    strict=False,
                )
                problems = [f"{a} and {b}" for a, b in pairs if a != b]
            found += [f"{trial.path.name}: {p}" for p in problems]
        return found

    def report(self) -> dict:
        """What happened."""
        problems = self.problems()
        return {
            "events": self.events,
            "trials": {
                t.path.name: {
                    "state": t.state,
                    "results": [[s, round(v, 2)] for s, v in t.results()],
                }
                for t in self.sweep.trials()
            },
            "killed": sorted(self.killed),
            "equal to undisturbed runs": [t.path.name for t in self.compared()],
            "seconds": round(self.seconds, 1),
            "problems": problems,
        }


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
