"""The whole examination, in an order in which nothing disturbs a timing."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from planet_tf2 import agents
from planet_tf2.doctor import children, full_run, graphics, hardware, packages
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding

# Seconds of the whole time for each part, and those kept for later ones.
_OPENGL_SECONDS, _AFTER_OPENGL = 40, 45
_FRAMES_SECONDS, _AFTER_FRAMES = 20, 40
_LAST_SECONDS = 3


def examine(
    seconds: float = 110,
    folder: str | os.PathLike[str] = ".",
    report: Callable[[str], None] = lambda text: None,
    agent: str = agents.DEFAULT,
) -> Iterator[Finding]:
    """Examines everything; yields what is found as it is found.

    Never raises for what is wrong with the hardware.

    Args:
      seconds: time for everything.
      folder: where runs are going to be.
      report: told what goes on now.
      agent: name of the agent to time.

    Raises:
      ValueError: there is no such agent.
    """
    presets = full_run.presets(agent)
    end = time.monotonic() + seconds

    def limit(most: float, reserve: float = 0.0) -> float:
        return max(0.0, min(most, end - time.monotonic() - reserve))

    found = packages.check_packages()
    yield from found
    broken = any(finding.status == PROBLEM for finding in found)
    cards = hardware.find_cards(limit(10))
    yield hardware.check_processor(cards)
    yield hardware.check_memory()
    disk = hardware.check_disk(folder)
    yield disk
    yield from hardware.check_load()
    report("Trying OpenGL ...")
    tried = graphics.try_all(limit(_OPENGL_SECONDS, _AFTER_OPENGL))
    yield graphics.check_simulator(tried, broken)
    yield from graphics.check_rendering(tried, cards)
    frames = None
    backend = graphics.choose(tried)
    if backend is not None:
        report("Timing frames ...")
        frames, finding = graphics.time_frames(
            backend, limit(_FRAMES_SECONDS, _AFTER_FRAMES)
        )
        yield finding
    report("Timing updates and decisions ...")
    machine = full_run.Machine(
        hardware.read_memory(), disk.details["free_bytes"], cards, frames
    )
    left = limit(float("inf"), _LAST_SECONDS)
    most = 0.9 * machine.memory.available
    result = children.run_module(
        "planet_tf2.doctor.speed_probe",
        [f"{max(0.0, left - 5):.1f}", f"{most:.0f}", agent],
        left,
    )
    starts = [r for r in result.records if r["what"] == "start"]
    if starts:
        yield _check_gpu(starts[0], cards)
        if not starts[0]["gpus"]:
            machine = machine._replace(cards=[])
        yield from _check_presets(result, presets, machine, agent)
    else:
        yield _not_started(result, broken)


def _not_started(result: children.Result, broken: bool) -> Finding:
    more, fix = packages.repair(
        broken, "tensorflow", "tensorflow-probability", "tensorboard"
    )
    if result.exit_code is None:
        more, fix = "", packages.MORE_TIME
    elif "SIGILL" in result.complaint and not broken:
        fix = "use a processor with AVX"
    text = f"TensorFlow does not start: {result.complaint}{more}"
    return Finding("TensorFlow", PROBLEM, text, fix)


def _check_gpu(start: Mapping[str, Any], cards: list[hardware.Card]) -> Finding:
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
    elif not cards:
        text = "none; TensorFlow computes on the processor"
    else:
        text = f"There is {shown}, but TensorFlow does not find it."
        fix = packages.install_command("tensorflow", extra="and-cuda")
        return Finding("GPU", PROBLEM, text, fix, details)
    return Finding("GPU", OK, text, details=details)


def _check_presets(
    result: children.Result,
    presets: Sequence[str],
    machine: full_run.Machine,
    agent: str,
) -> Iterator[Finding]:
    """Says how fast each preset is, or why that is not known, and forecasts."""
    speeds = {
        preset: full_run.read_speed(result.records, preset, agent)
        for preset in presets
    }
    first = speeds[presets[0]]
    for preset, speed in speeds.items():
        if speed is not None:
            yield _describe_speed(preset, speed)
        elif preset == presets[0]:
            yield _nothing_timed(result)
        elif result.exit_code == 0 or result.exit_code is None:
            text = f"{preset}: not timed, since there was no time left"
            yield Finding("speed", NOTE, text, "--seconds=300")
        elif first is not None:
            text = f"{preset} does not work: {result.complaint}"
            yield Finding("speed", PROBLEM, text, packages.install_command())
    for preset, speed in speeds.items():
        if speed is not None:
            yield full_run.check_preset(preset, speed, machine, agent)


def _nothing_timed(result: children.Result) -> Finding:
    if result.exit_code is None:
        text = f"No update within {result.seconds:.0f} seconds."
        return Finding("speed", PROBLEM, text, packages.MORE_TIME)
    text = f"Training does not work: {result.complaint}"
    return Finding("speed", PROBLEM, text, packages.install_command())


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
