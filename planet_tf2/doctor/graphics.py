"""The simulator and every way to render, each tried in a process of its own."""

import concurrent.futures
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from planet_tf2.doctor import packages
from planet_tf2.doctor.findings import Finding, judge, note
from planet_tf2.doctor.hardware import Card
from planet_tf2.envs import child_process, rendering

# What the frames of presets for CPUs are timed with.
SHADOW_SIZE = 512

# The backend that needs least.
_INSTALL = f"on Debian or Ubuntu: {rendering.PACKAGES['egl']}"

Results = Mapping[str, child_process.Result]


class Frames(NamedTuple):
    """What the simulator does in a second."""

    steps_per_second: float
    frames_per_second: float  # Pictures of 64 x 64 pixels.
    bytes_per_frame: float  # Size of a picture in an episode's file.
    light_frames_per_second: float  # With shadows from a map of `SHADOW_SIZE`.


def try_all(seconds: float) -> dict[str, child_process.Result]:
    """Renders with every backend, all side by side; returns how each did."""
    probe = functools.partial(rendering.probe, seconds=seconds)
    names = rendering.BACKENDS
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(probe, names), strict=True))


def choose(tried: Results) -> str | None:
    """Returns the backend that a program would use here, if any works."""
    names = [name for name in tried if tried[name].answer]
    return next((name for name in names if _wanted() in ("", name)), None)


def check_simulator(
    backend: str | None, seconds: float
) -> tuple[Frames | None, Finding]:
    """Measures how fast MuJoCo runs and, if it can, renders."""
    command = [sys.executable, "-m", "planet_tf2.doctor.simulator_probe", "2"]
    result = child_process.run(
        command, seconds, rendering.gl_variables(backend)
    )
    if result.answer is None:
        what = f"MuJoCo does not run{f' with {backend}' if backend else ''}"
        needed = ("dm_control", "mujoco")
        return None, packages.failure("simulator", what, result, *needed)
    rate = result.answer["steps_per_second"]
    text = f"MuJoCo runs: {rate:,.0f} steps of cheetah_run per second"
    if backend is None:
        return None, judge("simulator", text, **result.answer)
    frames = Frames(**result.answer)
    text += f", {frames.frames_per_second:.0f} frames of 64 x 64 pixels with "
    text += f"{backend}, {frames.light_frames_per_second:.0f} with "
    text += f"--shadow_size={SHADOW_SIZE}"
    return frames, judge("simulator", text, **result.answer)


def check_rendering(tried: Results, cards: Sequence[Card]) -> list[Finding]:
    """Says which backends render, and what to do if none does."""
    findings, renderers = [], {}
    for name, result in tried.items():
        if result.answer is None:
            text = f"{name} does not work: {result.complaint}"
            findings.append(note("rendering", text, backend=name))
            continue
        renderers[name] = renderer = result.answer["renderer"]
        where = "soft" if rendering.is_software(renderer) else "hard"
        text = f"{name} works in {where}ware: {renderer}"
        details = {"backend": name, "renderer": renderer}
        findings.append(judge("rendering", text, **details))
    chosen = choose(tried)
    if chosen is None and _wanted():
        text = f"MUJOCO_GL is {_wanted()!r}, which cannot render here"
        fix = f"unset MUJOCO_GL   # then {next(iter(renderers), _INSTALL)}"
        findings.append(judge("rendering", text, fix))
    elif chosen is None:
        text = "No OpenGL was found that MuJoCo could render with."
        misled = [name for each in tried for name in rendering.misled_by(each)]
        fix = f"unset {' '.join(dict.fromkeys(misled))}" if misled else _INSTALL
        findings.append(judge("rendering", text, fix))
    elif cards and rendering.is_software(renderers[chosen]):
        text = f"The processor draws, though there is a {cards[0].name}. "
        text += "A container may lack the driver's libraries for graphics."
        fix = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all ..."
        findings.append(note("rendering", text, fix))
    return findings


def _wanted() -> str:
    return os.environ.get("MUJOCO_GL", "").strip().lower()
