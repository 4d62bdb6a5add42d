"""One run by several processes: the same losses, and what happens to the rest.

    python tests/stress_machines.py                # all of it, 15 minutes
    python tests/stress_machines.py --parts losses kill

Parts: `losses` compares 50 updates of two and of three processes with those of
one; `kill` ends one of two by SIGKILL, each in turn, and goes on; `stop` asks
one of them to stop; `ray` compares through Ray Train. Prints what was found,
and ends with status 1 if it is wrong.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from planet_tf2.data.run_folder import RunFolder  # noqa: E402
from planet_tf2.tools.journal import Journal  # noqa: E402

NEVER = 10**6
STARTED: list[subprocess.Popen] = []
# What a run of several processes has in common with one by one process.
SAME = {
    "tasks": ["dummy"],
    "batch_shape": [6, 10],
    "train_steps": 150,
    "test_steps": 6,
    "max_steps": 312,
    "num_seed_episodes": 3,
    "train_collects": [{"after": NEVER, "every": NEVER}],
    "log_every": 1,
}
COLLECTING = {
    "tasks": ["dummy"],
    "batch_shape": [6, 10],
    "max_steps": 600,
    "log_every": 1,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = {"losses": losses, "kill": kill, "stop": stop, "ray": ray}
    parser.add_argument("--parts", nargs="+", choices=known, default=known)
    parser.add_argument("--updates", type=int, default=50)
    args = parser.parse_args()
    problems: list[str] = []
    for part in args.parts:
        with tempfile.TemporaryDirectory() as directory:
            try:
                found = known[part](pathlib.Path(directory), args.updates)
            finally:
                for process in STARTED:
                    process.kill()
                    process.wait()
        problems += [f"{part}: {text}" for text in found]
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


def losses(base: pathlib.Path, updates: int) -> list[str]:
    """Compares the losses of several processes with those of one."""
    problems = []
    for count in (2, 3):
        alone = start(base / f"alone{count}", 1, shared(updates, count))
        expect(problems, end(alone), [0])
        together = start(base / f"of{count}", count, shared(updates))
        expect(problems, end(together), [0] * count)
        problems += compare(base / f"alone{count}", base / f"of{count}")
    return problems


def shared(updates: int, parts: int = 1) -> dict:
    """Parameters of so many updates; `parts` as many processes have them."""
    steps = 6 * updates
    more = {"train_steps": steps, "max_steps": steps + 6}
    return {**SAME, **more, "micro_batches": parts}


def compare(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """Prints how far the losses of two runs are apart."""
    first, second = map(lines, (one, other))
    names = [n for n in first[0] if n.endswith("_loss") or "norm" in n]
    if len(first) != len(second):
        return [f"{len(first)} and {len(second)} updates"]
    apart = [
        {n: abs(a[n] - b[n]) / max(abs(a[n]), 1e-3) for n in names if n in a}
        for a, b in zip(first, second, strict=True)
    ]
    start = max(apart[0].values())
    total = max(found.get("total_loss", 0.0) for found in apart)
    worst = max(x for found in apart for x in found.values())
    print(
        f"{one.name} and {other.name}: {len(first)} updates; relative "
        f"differences of losses and norms in the first {start:.0e}; of "
        f"total_loss at most {total:.0e}, of any at most {worst:.0e}"
    )
    # Each update starts from what the one before made of its rounding.
    bounds = start < 1e-5, total < 1e-3, worst < 1e-2
    return [] if all(bounds) else [f"losses differ: {start} {total} {worst}"]


def lines(base: pathlib.Path) -> list[dict]:
    """The lines of losses of a run."""
    journal = Journal(RunFolder(base / "00001").metrics)
    return [line for line in journal if "total_loss" in line]


def kill(base: pathlib.Path, updates: int) -> list[str]:
    """Kills one of two processes, looks at the other, and goes on."""
    problems: list[str] = []
    for victim in (1, 0):
        folder = base / f"kill{victim}"
        processes = start(folder, 2, COLLECTING)
        wait_for(folder, 30, processes)
        processes[victim].kill()
        problems += survive(processes, [victim], f"process {victim} killed")
    again = start(folder, 2, COLLECTING)
    expect(problems, end(again), [0, 0])
    if not RunFolder(folder / "00001").done.exists():
        problems.append("the run is not done")
    files = [
        x["file"]
        for x in Journal(RunFolder(folder / "00001").metrics)
        if "file" in x
    ]
    print(f"went on to DONE with {len(files)} episodes")
    return problems


def stop(base: pathlib.Path, updates: int) -> list[str]:
    """Asks one of two processes to stop, which stops both."""
    problems: list[str] = []
    for number in (1, 0):
        folder = base / f"stop{number}"
        processes = start(folder, 2, COLLECTING)
        wait_for(folder, 30, processes)
        processes[number].send_signal(signal.SIGTERM)
        problems += survive(processes, [], f"process {number} asked to stop")
        if not list(RunFolder(folder / "00001").checkpoints.glob("*.index")):
            problems.append("nothing was saved")
    return problems


def survive(
    processes: list[subprocess.Popen], victims: list[int], what: str
) -> list[str]:
    """Checks how the others end: with status 75, and one line that says why."""
    begun, problems = time.monotonic(), []
    for number, process in enumerate(processes):
        text = process.communicate(timeout=180)[0].strip().splitlines()
        seconds = time.monotonic() - begun
        if number in victims:
            continue
        print(
            f"{what}: process {number} ended with {process.returncode} after "
            f"{seconds:.0f} seconds: {text[-1]}"
        )
        if process.returncode != 75 or "same command" not in text[-1]:
            problems.append("\n".join(text[-9:]))
        if any("rror" in line for line in text[:-1]):
            problems.append("more than one line: " + "\n".join(text))
    return problems


def ray(base: pathlib.Path, updates: int) -> list[str]:
    """Compares through Ray Train."""
    problems: list[str] = []
    expect(problems, end(start(base / "alone", 1, shared(updates, 2))), [0])
    program = (
        "import json, sys; from planet_tf2.engines.ray_train import train;"
        "train(2, sys.argv[1], 'debug', sys.argv[2])"
    )
    text = json.dumps(shared(updates))
    command = [sys.executable, "-c", program, str(base / "ray"), text]
    process = subprocess.Popen(command, env=environment(), cwd=ROOT)
    expect(problems, [process.wait(600)], [0])
    return problems + compare(base / "alone", base / "ray")


def expect(problems: list[str], found: list[int], wanted: list[int]) -> None:
    if found != wanted:
        problems.append(f"statuses {found} in place of {wanted}")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def start(
    logdir: pathlib.Path, count: int, params: dict
) -> list[subprocess.Popen]:
    """Starts the processes of a run, as on so many machines."""
    addresses = [f"localhost:{port}" for port in free_ports(count)]
    program = ROOT / "scripts" / "train.py"
    command = [sys.executable, str(program), "--logdir", str(logdir)]
    command += ["--config", "debug", "--params", json.dumps(params)]
    command += ["--ping_every", "1"]
    for index in range(count):
        environ, task = environment(), {"type": "worker", "index": index}
        about = {"cluster": {"worker": addresses}, "task": task}
        environ["TF_CONFIG"] = json.dumps(about)
        STARTED.append(
            subprocess.Popen(
                command,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return STARTED[-count:]


def end(processes: list[subprocess.Popen]) -> list[int]:
    """Waits for processes, and shows what those said that failed."""
    for process in processes:
        text = process.communicate(timeout=600)[0]
        if process.returncode:
            print(text)
    return [process.returncode for process in processes]


def wait_for(
    logdir: pathlib.Path, update: int, processes: list[subprocess.Popen]
) -> None:
    """Waits until a run has come to an update."""
    while not any(line["update"] >= update for line in lines(logdir)):
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(process.communicate()[0])
        time.sleep(0.3)


def free_ports(count: int) -> list[int]:
    """Finds ports that nobody uses."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


if __name__ == "__main__":
    sys.exit(main())
