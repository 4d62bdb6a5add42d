"""Many workers on one folder, some of them killed or put to sleep.

    python tests/stress_workers.py --workers 20 --runs 100
    python tests/stress_workers.py --workers 20 --runs 100 --kills 50 --stops 10

Workers are processes of their own that do nothing but leave traces, through
the same means as a training. Prints what happened, and ends with status 1 if a
run was not done exactly once, was worked on by two workers at once, or was
written to by a worker that had lost it.

Workers say what they do in records, appended to a file that nobody ever cuts
or replaces. Within a run they append to the run's metrics and replace a file as
a whole, each time with the id of their claim, and go on from what they find
there. A worker that lost a run may claim it again, by another id.
"""

import argparse
import dataclasses
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from planet_tf2.experiment import watching  # noqa: E402
from planet_tf2.experiment.experiment import Experiment  # noqa: E402
from planet_tf2.tools.files import write_atomically  # noqa: E402
from planet_tf2.tools.journal import Journal  # noqa: E402

STEP_SECONDS = 0.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10, help="of each run")
    parser.add_argument("--kills", type=int, default=0, help="with SIGKILL")
    parser.add_argument("--stops", type=int, default=0, help="with SIGSTOP")
    parser.add_argument("--ping_every", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work_in", help="for internal use")
    args = parser.parse_args()
    if args.work_in:
        work(pathlib.Path(args.work_in), args.runs, args.steps, args.ping_every)
        return 0
    with tempfile.TemporaryDirectory() as directory:
        stress = Stress(pathlib.Path(directory), args)
        stress.run()
        print(stress.report())
        return 1 if stress.problems() else 0


# What a worker does.


def work(base: pathlib.Path, runs: int, steps: int, ping_every: float) -> None:
    """Works on the runs until all are done."""

    def record(event, run, **details):
        line = {"event": event, "run": run.number, "process": os.getpid()}
        line |= {"seconds": time.monotonic(), **details}
        path = base / "records.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(path, flags, 0o666)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)

    def train(run):
        folder = run.folder
        record("start", run)
        metrics = Journal(folder.metrics, run.check)
        claim = folder.scratch.name.removeprefix(".scratch-")
        begun = False
        for step in range(len(list(metrics)), steps):
            time.sleep(STEP_SECONDS)
            writer = folder.config.read_text() if begun else claim
            if writer != claim:
                run.check()  # Else somebody wrote who must not.
                record("intruder", run, writer=writer)
            metrics.append({"step": step, "claim": claim})
            run.check()
            write_atomically(folder.config, claim, folder.scratch)
            begun = True
            run.show(step=step + 1, score=step)

    experiment = Experiment(
        base / "runs", runs, ping_every=ping_every, report=lambda _: 0
    )
    for run in experiment:
        with run:
            train(run)
        record("lost" if run.lost else "done", run)


# What is done to the workers.


@dataclasses.dataclass(frozen=True)
class Stop:
    """A worker that is asleep while it holds a run."""

    process: subprocess.Popen
    ping: pathlib.Path
    claim_id: str


class Stress:
    """Runs workers, kills some, puts some to sleep, and looks at the traces."""

    def __init__(self, base: pathlib.Path, args: argparse.Namespace):
        self._base = base
        self._args = args
        self._random = random.Random(args.seed)
        self._workers: list[subprocess.Popen] = []
        self._asleep: list[Stop] = []
        self.killed: list[int] = []
        # How much each had written to its run, when it woke up.
        self.woken: dict[Stop, int] = {}
        self.seconds = 0.0
        self.failures: list[str] = []

    def run(self) -> None:
        """Lets the workers work until none is left."""
        start = time.monotonic()
        for _ in range(self._args.workers):
            self._start_worker()
        try:
            while self._workers:
                self._disturb()
                self._wake()
                self._reap()
        finally:
            for worker in self._workers:
                worker.kill()
                worker.wait()
        self.seconds = time.monotonic() - start

    def _start_worker(self) -> None:
        args = self._args
        command = [sys.executable, __file__, "--work_in", str(self._base)]
        for name in ("runs", "steps", "ping_every"):
            command += [f"--{name}", str(getattr(args, name))]
        self._workers.append(subprocess.Popen(command))

    def _disturb(self) -> None:
        args = self._args
        time.sleep(self._random.uniform(0, 0.3))
        kills = args.kills - len(self.killed)
        stops = args.stops - len(self.woken) - len(self._asleep)
        if not kills + stops:
            return
        holders = self._holders()
        if self._random.randrange(kills + stops) < kills:
            self._kill()
        elif holders:
            self._stop(self._random.choice(holders))

    def _kill(self) -> None:
        asleep = [stop.process for stop in self._asleep]
        awake = [w for w in self._workers if w not in asleep]
        if not awake or not self._records():
            return
        worker = self._random.choice(awake)
        worker.kill()
        self.killed.append(worker.pid)
        worker.wait()
        self._workers.remove(worker)
        self._start_worker()

    def _stop(self, stop: Stop) -> None:
        stop.process.send_signal(signal.SIGSTOP)
        self._asleep.append(stop)

    def _wake(self) -> None:
        """Wakes those whose run is another one's by now.

        Those that had just finished their run too: nobody will take it from
        them, and they do not count.
        """
        for stop in list(self._asleep):
            content = watching.read(stop.ping)
            held = content and watching.claim_id(content) == stop.claim_id
            finished = stop.ping.with_name("DONE").exists()
            if held and not finished:
                continue
            self._asleep.remove(stop)
            if not held:
                self.woken[stop] = self._lines_of(stop)
            stop.process.send_signal(signal.SIGCONT)

    def _reap(self) -> None:
        for worker in list(self._workers):
            if worker.poll() is not None:
                self._workers.remove(worker)
                if worker.returncode:
                    self.failures.append(
                        f"worker {worker.pid} ended with {worker.returncode}"
                    )

    def _holders(self) -> list[Stop]:
        """Finds the workers that hold a run at the moment."""
        workers = {worker.pid: worker for worker in self._workers}
        asleep = {stop.process.pid for stop in self._asleep}
        found = []
        for ping in (self._base / "runs").glob("*/PING"):
            content = watching.read(ping) or b""
            process = watching.describe(content).get("process")
            if process in workers and process not in asleep:
                claim_id = watching.claim_id(content)
                found.append(Stop(workers[process], ping, claim_id))
        return found

    def _lines_of(self, stop: Stop) -> int:
        lines = Journal(stop.ping.with_name("metrics.jsonl"))
        return sum(line["claim"] == stop.claim_id for line in lines)

    # What came out of it.

    def problems(self) -> list[str]:
        """Everything that should not have happened."""
        args = self._args
        found = list(self.failures)
        if len(self.killed) < args.kills or len(self.woken) < args.stops:
            found.append("the runs were over too soon for all disturbances")
        for number in range(1, args.runs + 1):
            found += self._problems_of(number)
        for record in self._records():
            if record["event"] == "intruder":
                found.append(f"claim {record['writer']} wrote when it was lost")
        for stop, lines in self.woken.items():
            if self._lines_of(stop) > lines:
                found.append(f"{stop.process.pid} went on after waking up")
        starts = self._count("start")
        if not args.kills and not args.stops and starts != args.runs:
            found.append(f"{starts} starts of {args.runs} runs")
        return found

    def _problems_of(self, number: int) -> list[str]:
        """Whether a run was done exactly once, by one worker at a time."""
        found = []
        folder = self._base / "runs" / f"{number:05d}"
        if not (folder / "DONE").exists():
            found.append(f"run {number} is not done")
        if self._count("done", number) > 1:
            found.append(f"run {number} was done more than once")
        lines = list(Journal(folder / "metrics.jsonl"))
        if [line["step"] for line in lines] != list(range(self._args.steps)):
            found.append(f"run {number} has steps missing or made twice")
        writers = [line["claim"] for line in lines]
        turns = [writer for writer, _ in itertools.groupby(writers)]
        if len(turns) > len(set(writers)):
            found.append(f"run {number} was written to by turns: {turns}")
        return found

    def report(self) -> str:
        """What happened, in a few lines."""
        args = self._args
        lines = [
            f"{args.workers} workers, {args.runs} runs, "
            f"{self.seconds:.0f} seconds",
            f"{len(self.killed)} killed, {len(self.woken)} put to sleep until "
            "their run was another's",
            f"{self._count('start')} starts, {self._count('done')} ends, "
            f"{self._count('lost')} runs lost to another worker",
        ]
        problems = self.problems()
        lines += [f"PROBLEM: {problem}" for problem in problems]
        if not problems:
            lines.append("Every run was done once, by one worker at a time.")
        return "\n".join(lines)

    def _count(self, event: str, number: int | None = None) -> int:
        return sum(
            record["event"] == event and number in (None, record["run"])
            for record in self._records()
        )

    def _records(self) -> list[dict]:
        return list(Journal(self._base / "records.jsonl"))


if __name__ == "__main__":
    sys.exit(main())
