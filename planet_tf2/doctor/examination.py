"""The whole examination, in an order in which nothing disturbs a timing."""

import dataclasses
import os
from collections.abc import Callable, Iterator

from planet_tf2.doctor import (
    children,
    full_run,
    graphics,
    hardware,
    packages,
)
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding

_SPEED = "planet_tf2.doctor.speed_probe"
# Seconds of the whole time for each part, and those kept for later ones.
_OPENGL_SECONDS, _AFTER_OPENGL = 40, 45
_FRAMES_SECONDS, _AFTER_FRAMES = 20, 40
_LAST_SECONDS = 3
_BUSY = 1.5  # Programs that want a core, for each core that there is.


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
      seconds: time for everything.
      folder: where runs are going to be.
      report: told what goes on now.
    """

    seconds: float = 110
    folder: str | os.PathLike[str] = "."
    report: Callable[[str], None] = lambda text: None


def examine(settings: Settings = Settings()) -> Iterator[Finding]:
    """Examines everything; yields what is found as it is found.

    Never raises for what is wrong with the hardware.
    """
    deadline = children.Deadline(settings.seconds)
    broken = []
    for finding in packages.check_packages():
        broken.append(finding.status == PROBLEM)
        yield finding
    cards = hardware.find_cards(deadline.limit(10))
    yield hardware.check_processor(cards)
    yield hardware.check_memory()
    disk = hardware.check_disk(settings.folder)
    yield disk
    yield from _check_load()
    settings.report("Trying OpenGL ...")
    tried = graphics.try_all(deadline.limit(_OPENGL_SECONDS, _AFTER_OPENGL))
    yield graphics.check_simulator(tried, any(broken))
    yield from graphics.check_rendering(tried, cards)
    frames = None
    backend = graphics.choose(tried)
    if backend is not None:
        settings.report("Timing frames ...")
        limit = deadline.limit(_FRAMES_SECONDS, _AFTER_FRAMES)
        frames, result = graphics.time_frames(backend, limit)
        yield graphics.check_frames(backend, frames, result)
    settings.report("Timing updates and decisions ...")
    yield from _check_speed(
        deadline, cards, frames, disk.details["free_bytes"], any(broken)
    )


def _check_load() -> Iterator[Finding]:
    """Warns if other programs make everything slower."""
    try:
        load = os.getloadavg()[0]
    except (OSError, AttributeError):
        return
    cores = hardware.usable_cores()
    if load > _BUSY * cores:
        text = (
            f"{load:.1f} programs want to run, and cores to use: {cores}. What "
            "is timed below takes longer than it would alone"
        )
        details = {"load": load, "cores": cores}
        yield Finding("load", NOTE, text, details=details)


def _check_speed(
    deadline: children.Deadline,
    cards: list[hardware.Card],
    frames: graphics.Frames | None,
    disk_bytes: float,
    broken: bool,
) -> Iterator[Finding]:
    """Runs the real program for a few updates."""
    memory = hardware.read_memory()
    seconds = deadline.limit(float("inf"), _LAST_SECONDS)
    available = memory.available if memory else float("inf")
    result = children.run_module(
        _SPEED,
        [f"{max(0.0, seconds - 5):.1f}", f"{0.9 * available:.0f}"],
        seconds,
    )
    records = result.records
    started = [r for r in records if r["what"] == "start"]
    if not started:
        yield _not_started(result, broken)
        return
    used = cards if started[0]["gpus"] else []
    yield _check_gpu(started[0], cards)
    speeds = {}
    for preset in full_run.PRESETS:
        speed = full_run.read_speed(records, preset)
        if speed is not None:
            speeds[preset] = speed
            yield _describe_speed(preset, speed)
        elif preset == "default":
            yield _not_timed(result)
        elif result.exit_code:
            if "default" not in speeds:
                continue  # It has been told what does not work.
            text = f"{preset} does not work: {result.complaint}"
            yield Finding("speed", PROBLEM, text, packages.install_command())
        else:
            text = f"{preset}: not timed, since there was no time left"
            yield Finding("speed", NOTE, text, "--seconds=300")
    for preset, speed in speeds.items():
        yield full_run.check_preset(
            preset, speed, frames, memory, disk_bytes, used
        )


def _not_started(result: children.Result, broken: bool) -> Finding:
    text = f"TensorFlow does not start: {result.complaint}"
    if result.exit_code is None:
        fix = "try again while nothing else runs, or with --seconds=300"
    elif broken:
        text += "\nMend the packages first."
        fix = None
    elif "SIGILL" in result.complaint:
        fix = "use a processor with AVX"
    else:
        needed = [r for r in packages.requirements() if "tensor" in r.name]
        fix = packages.install_command(needed or None)
        fix = fix.replace(" install ", " install --force-reinstall ", 1)
    return Finding("TensorFlow", PROBLEM, text, fix)


def _not_timed(result: children.Result) -> Finding:
    if result.exit_code is None:
        text = f"No update within {result.seconds:.0f} seconds."
        fix = "try again while nothing else runs, or with --seconds=300"
    else:
        text = f"Training does not work: {result.complaint}"
        fix = packages.install_command()
    return Finding("speed", PROBLEM, text, fix)


def _check_gpu(start: dict, cards: list[hardware.Card]) -> Finding:
    """Compares the cards that there are with those that TensorFlow finds."""
    details = {
        "cards": [card._asdict() for card in cards],
        "tensorflow": start["gpus"],
    }
    shown = ", ".join(
        f"{card.name} ({card.memory / 1e9:.0f} GB)" for card in cards
    )
    if start["gpus"]:
        text = f"TensorFlow uses {shown or ', '.join(start['gpus'])}"
        return Finding("GPU", OK, text, details=details)
    if not cards:
        text = "none; TensorFlow computes on the processor"
        return Finding("GPU", OK, text, details=details)
    text = f"There is {shown}, but TensorFlow does not find it."
    needed = [r for r in packages.requirements() if r.name == "tensorflow"]
    for requirement in needed:
        requirement.extras.add("and-cuda")
    fix = packages.install_command(needed or None)
    return Finding("GPU", PROBLEM, text, fix, details)


def _describe_speed(preset: str, speed: full_run.Speed) -> Finding:
    text = (
        f"{preset}: {_seconds(speed.update_seconds)} per update, "
        f"{_seconds(speed.decision_seconds)} per decision"
    )
    if speed.scaled_from:
        text += f" (update scaled up from {speed.scaled_from} sequences)"
    details = {"preset": preset, **speed._asdict()}
    return Finding("speed", OK, text, details=details)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else f"{1000 * value:.1f} ms"
