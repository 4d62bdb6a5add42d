"""The whole examination, in an order in which nothing disturbs a timing."""

import os
import sys
import time
from collections.abc import Callable, Iterator

from planet_tf2.doctor import full_run, graphics, hardware, packages
from planet_tf2.doctor.findings import PROBLEM, Finding, judge, note
from planet_tf2.envs import child_process


def examine(
    seconds: float,
    folder: str | os.PathLike[str],
    agent: str,
    report: Callable[[str], object],
    task: str = "",
) -> Iterator[Finding]:
    """Examines everything; yields what is found as it is found.

    Args:
      seconds: time for everything.
      folder: where runs are going to be.
      agent: name of the agent to time.
      report: told what goes on now.
      task: a task to look at, too.

    Raises:
      ValueError: there is no such agent; never for what is wrong here.
    """
    presets = full_run.presets(agent)
    end = time.monotonic() + seconds

    def limit(most: float, share: float = 1.0) -> float:
        """Returns the seconds for a part, a share of those that are left."""
        return min(most, share * (end - time.monotonic()))

    yield from packages.check_packages()
    cards = hardware.find_cards(limit(10))
    disk = hardware.check_disk(folder)
    yield hardware.check_processor(cards)
    yield hardware.check_memory()
    yield disk
    yield from hardware.check_load()
    report("Trying OpenGL ...")
    tried = graphics.try_all(limit(40, 0.4))
    backend = graphics.choose(tried)
    report("Timing the simulator ...")
    frames, finding = graphics.check_simulator(backend, limit(20, 0.4))
    yield finding
    if backend is None and finding.status == PROBLEM:
        yield note("rendering", "cannot be told while MuJoCo does not run")
    else:
        yield from graphics.check_rendering(tried, cards)
    if task:
        report(f"Playing {task} ...")
        yield from check_task(task, agent, limit(60, 0.5))
    report("Timing updates and decisions ...")
    memory, free = hardware.read_memory()
    result = _time_presets(limit(seconds) - 3, free, agent)
    if not result.records:
        needed = ("tensorflow", "tensorflow-probability", "tensorboard")
        what = "TensorFlow does not start"
        yield packages.failure("TensorFlow", what, result, *needed)
        return
    start = result.records[0]
    used = start["gpus"]
    yield hardware.check_gpu(cards, used, start.get("made_for", ()))
    gpu = max((card.memory for card in cards if used), default=0)
    room = disk.details["free_bytes"]
    machine = full_run.Machine(memory, gpu, room, frames)
    yield from _check_presets(result, presets, machine, agent)


def check_task(task: str, agent: str, seconds: float) -> Iterator[Finding]:
    """Says what an agent would see of a task, or why it cannot be played."""
    command = [sys.executable, "-m", "planet_tf2.doctor.task_probe"]
    command += [task, agent, str(seconds / 3)]
    result = child_process.run(command, seconds)
    if result.answer is None:
        text = f"{task} cannot be played: {result.complaint}"
        yield judge("task", text, "see docs/custom_environments.md")
        return
    notes, remarks = result.answer.values()
    yield judge("task", f"{task} can be played. {'. '.join(notes)}.")
    for remark in remarks:
        yield note("task", remark)


def _time_presets(
    seconds: float, free: int, agent: str
) -> child_process.Result:
    """Trains and acts a little with each preset, in this time and memory."""
    command = [sys.executable, "-m", "planet_tf2.doctor.speed_probe"]
    command += [str(time.time() + seconds - 5), str(0.9 * free), agent]
    return child_process.run(command, seconds)


def _check_presets(
    result: child_process.Result,
    presets: list[str],
    machine: full_run.Machine,
    agent: str,
) -> Iterator[Finding]:
    """Says how fast each preset is, or why that is not known, and forecasts."""
    speeds = {
        record["preset"]: full_run.Speed(**record["speed"])
        for record in result.records[1:]  # The last of each is the best.
    }
    for preset in presets:
        if speed := speeds.get(preset):
            text = (
                f"{preset}: {speed.update_seconds:.3f} s per update, "
                f"{speed.decision_seconds:.3f} s per decision"
            )
            if speed.scaled_from:
                text += (
                    f" (update scaled up from {speed.scaled_from} sequences)"
                )
            yield judge("speed", text, preset=preset, **speed._asdict())
        elif speeds and result.exit_code in (0, None):
            text = f"{preset}: not timed, since there was no time left"
            yield note("speed", text, "--seconds=300")
        else:
            what = f"Training of {preset} does not work"
            yield packages.failure("speed", what, result)
            break
    for preset, speed in speeds.items():
        yield full_run.check_preset(preset, speed, machine, agent)
