"""A training that is killed again and again, beside one that never is.

    python tests/stress_resume.py --kills 30
    python tests/stress_resume.py --kills 5 --params "collect_ahead: true"
    python tests/stress_resume.py --kills 20 --agent dreamer --max_steps 400
    python tests/stress_resume.py --agent dreamer --config debug_2025

Both are `scripts/train.py` with a small preset and the same seed. One runs to
its end; the other is ended by `kill -9` at random moments, and started again
each time. Then they are compared, bit for bit: the losses of every update and
all else in `metrics.jsonl` but times, all arrays of all episodes, everything in
the last checkpoint, and the scalars that TensorBoard shows. Prints what
happened as JSON, and ends with status 1 if there was a difference, an episode
counted twice, or a process that outlived its parent.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator

import numpy as np
import psutil

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from planet_tf2.data.episodes import load_episode  # noqa: E402
from planet_tf2.data.run_folder import RunFolder  # noqa: E402
from planet_tf2.tools.journal import Journal  # noqa: E402

SPLITS = ("train", "test")
LENGTHS = {
    "planet": "max_steps: {}",
    "dreamer": "steps: {}, envs: 2, log_every: 1",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--agent", default="planet")
    parser.add_argument("--config", default="debug")
    parser.add_argument("--task", default="cartpole_balance")
    parser.add_argument("--max_steps", type=int, default=1200)
    parser.add_argument("--lines", type=int, default=8, help="between kills")
    parser.add_argument("--params", default="", help="more parameters, as YAML")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", help="folder to keep all files in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        stress = Stress(pathlib.Path(args.keep or directory), args)
        stress.run()
        report = stress.report()
    print(json.dumps(report, indent=1))
    return 1 if report["problems"] else 0


class Stress:
    """Trains undisturbed and disturbed, and looks at what is left."""

    def __init__(self, base: pathlib.Path, args: argparse.Namespace):
        self._args = args
        self._random = random.Random(args.seed)
        self.whole = Training(base / "whole", args)
        self.broken = Training(base / "broken", args)
        # Lines of the metrics at each kill.
        self.kills: list[int] = []
        self.orphans: list[str] = []
        self.failures: list[str] = []
        self.seconds = 0.0
        # Until the first line of the metrics; known once one was waited for.
        self._startup_seconds = 0.0

    def run(self) -> None:
        """Lets one training run to its end, and the other too, with kills."""
        start = time.monotonic()
        undisturbed = self.whole.start()
        try:
            while len(self.kills) < self._args.kills and not self.failures:
                with self.broken.start() as process:
                    self._kill(process)
            if not self.failures:
                with self.broken.start() as process:
                    self._finish(self.broken, process)
            self._finish(self.whole, undisturbed)
        finally:
            undisturbed.kill()
            undisturbed.wait()
        self.seconds = time.monotonic() - start

    def _finish(self, training: "Training", process: subprocess.Popen) -> None:
        if process.wait():
            self.failures.append(
                f"ended with {process.returncode}: {training.last_words()}"
            )

    def _kill(self, process: subprocess.Popen) -> None:
        """Kills a training at a moment that nobody can foresee."""
        if self._random.random() < 0.25 and self._startup_seconds:
            # It is still starting then, or has just done so.
            seconds = self._random.uniform(0, 1.2 * self._startup_seconds)
            self._wait(process, seconds)
        else:
            # So many lines later; what of them is not in a checkpoint yet has
            # to be done again.
            start, size = time.monotonic(), self.broken.size()
            self._wait_for_lines(process, size + 1)
            self._startup_seconds = time.monotonic() - start
            lines = self._random.randint(1, self._args.lines)
            self._wait_for_lines(process, size + lines)
            self._wait(process, self._random.expovariate(10))
        if process.poll() is not None:
            self.failures.append(
                f"ended with {process.returncode} before it was killed "
                f"{self._args.kills} times: {self.broken.last_words()}"
            )
            return
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        self.kills.append(self.broken.size())
        self.orphans += survivors(children)

    def _wait_for_lines(self, process: subprocess.Popen, size: int) -> None:
        while self.broken.size() < size and process.poll() is None:
            time.sleep(0.005)

    def _wait(self, process: subprocess.Popen, seconds: float) -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    # What came out of it.

    def problems(self) -> list[str]:
        """Everything that should not have happened."""
        found = self.failures + [f"{name} was left" for name in self.orphans]
        if not found:
            for training in (self.whole, self.broken):
                found += training.problems()
        if not found:
            found += self._differences()
        return found

    def report(self) -> dict:
        """What happened, in numbers."""
        records = self.whole.records()
        return {
            "task": self._args.task,
            "kills": len(self.kills),
            "lines_at_kills": self.kills,
            "lines": len(records),
            "updates": max(r.get("update", 0) for r in records),
            "episodes": sum("file" in r for r in records),
            "seconds": round(self.seconds, 1),
            "problems": self.problems(),
        }

    def _differences(self) -> Iterator[str]:
        ours, others = self.whole.records(), self.broken.records()
        for mine, other in zip(ours, others, strict=False):
            if comparable(mine) != comparable(other):
                yield f"a line differs: {mine} and {other}"
                break
        if len(ours) != len(others):
            yield f"{len(ours)} lines and {len(others)}"
        for split in SPLITS:
            pairs = zip(
                self.whole.episodes(split),
                self.broken.episodes(split),
                strict=False,
            )
            for number, (mine, other) in enumerate(pairs, 1):
                yield from differing_arrays(
                    f"{split} episode {number}",
                    load_episode(mine),
                    load_episode(other),
                )
        yield from differing_arrays(
            "the checkpoint", self.whole.variables(), self.broken.variables()
        )
        mine, other = self.whole.scalars(), self.broken.scalars()
        for name in sorted({*mine, *other}):
            if mine.get(name) != other.get(name):
                yield f"what TensorBoard shows as {name} differs"


class Training:
    """A run of the program, however often it has to be started."""

    def __init__(self, logdir: pathlib.Path, args: argparse.Namespace):
        self._logdir = logdir
        self.folder = RunFolder(logdir / "00001")
        length = LENGTHS[args.agent].format(args.max_steps)
        params = f"{{tasks: [{args.task}], {length}, {args.params}}}"
        self._command = [sys.executable, "scripts/train.py"]
        self._command += ["--logdir", str(logdir), "--agent", args.agent]
        self._command += ["--config", args.config, "--params", params]

    def start(self) -> subprocess.Popen:
        """Starts the program."""
        self._logdir.mkdir(parents=True, exist_ok=True)
        with open(self._logdir / "output.txt", "ab") as output:
            return subprocess.Popen(
                self._command, stdout=output, stderr=output, cwd=ROOT
            )

    def last_words(self) -> str:
        """The last line that the program said."""
        text = (self._logdir / "output.txt").read_text(errors="replace")
        return (text.strip().splitlines() or [""])[-1]

    def size(self) -> int:
        """Number of lines of the metrics."""
        try:
            return self.folder.metrics.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def records(self) -> list[dict]:
        """Lines of the metrics."""
        return list(Journal(self.folder.metrics))

    def episodes(self, split: str) -> list[pathlib.Path]:
        """Files of the episodes in the order in which they were announced."""
        directory = self.folder.path / f"{split}_episodes"
        return [
            directory / record["file"]
            for record in self.records()
            if record.get("split") == split
        ]

    def variables(self) -> dict[str, np.ndarray]:
        """Everything that is in the last checkpoint."""
        # Not before the trainings have ended, for the sake of their memory.
        import tensorflow as tf

        path = tf.train.latest_checkpoint(self.folder.checkpoints)
        reader = tf.train.load_checkpoint(path)
        names = reader.get_variable_to_shape_map()
        # The length of the metrics has times in it, and the object graph the
        # number of the checkpoint. Each run has an id of its own.
        left_out = "metrics_position", "save_counter", "_CHECKPOINT", "run_id"
        return {
            name: np.array(reader.get_tensor(name))
            for name in sorted(names)
            if not name.startswith(left_out)
        }

    def scalars(self) -> dict[str, dict[int, float]]:
        """What TensorBoard shows, by tag and step."""
        from tensorboard.util.tensor_util import make_ndarray

        from planet_tf2.evaluation.events import TYPES, read_values

        found = {}
        for split in SPLITS:
            folder = self.folder.path / split
            values = read_values(folder, ["*"], TYPES["scalar"])
            for tag, by_step in values.items():
                if not tag.endswith(("_per_second", "/fps")):
                    found[f"{split}/{tag}"] = {
                        step: float(make_ndarray(v.tensor_proto))
                        for step, v in by_step.items()
                    }
        return found

    def problems(self) -> list[str]:
        """Whether it is done, and every episode is there and counted once."""
        found = []
        if not self.folder.done.exists() or self.folder.fail.exists():
            found.append(f"{self.folder.path} is not done")
        env_step = 0
        counts = dict.fromkeys(SPLITS, 0)
        for record in self.records():
            if "file" not in record:
                continue
            counts[record["split"]] += 1
            if record["episode"] != counts[record["split"]]:
                found.append(f"an episode has the wrong number: {record}")
            if record["split"] == "train":
                env_step += record["simulator_steps"]
            if record["env_step"] != env_step:
                found.append(f"steps are not counted once: {record}")
        for split in SPLITS:
            announced = [path.name for path in self.episodes(split)]
            directory = self.folder.path / f"{split}_episodes"
            files = [path.name for path in directory.iterdir()]
            if sorted(announced) != sorted(files):
                found.append(f"{split} episodes: {announced} and {files}")
            if announced != sorted(announced):
                found.append(f"names of {split} episodes are not in order")
        return found


def comparable(record: dict) -> dict:
    """All of a line that has to be the same."""
    return {
        key: value
        for key, value in record.items()
        if not key.endswith(("_seconds", "_per_second", "file", "fps"))
    }


def differing_arrays(
    what: str, mine: dict[str, np.ndarray], other: dict[str, np.ndarray]
) -> Iterator[str]:
    """Compares arrays by name, bit for bit."""
    for key in sorted({*mine, *other}):
        if key not in mine or key not in other:
            yield f"{key} of {what} is in one of them only"
        elif (
            mine[key].dtype != other[key].dtype
            or mine[key].shape != other[key].shape
            or mine[key].tobytes() != other[key].tobytes()
        ):
            yield f"{key} of {what} differs"


def survivors(
    processes: Iterable[psutil.Process], seconds: float = 30
) -> list[str]:
    """Waits for processes to end; returns those that do not."""
    deadline = time.monotonic() + seconds
    alive = [process for process in processes if _is_alive(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = [process for process in alive if _is_alive(process)]
    return [str(process) for process in alive]


def _is_alive(process: psutil.Process) -> bool:
    try:
        # Zombies are left where nobody takes note of orphans.
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
