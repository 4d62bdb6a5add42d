"""The simulator and every way to render, each tried in a process of its own."""

import concurrent.futures
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from planet_tf2.doctor import children, packages
from planet_tf2.doctor.findings import Finding, judge, note
from planet_tf2.doctor.hardware import Card
from planet_tf2.envs import rendering

# What the frames of presets for CPUs are timed with.
SHADOW_SIZE = 512

_PROBE = "planet_tf2.envs.rendering_probe"
_SIMULATOR = "planet_tf2.doctor.simulator_probe"
# The backend that needs least.
_INSTALL = f"on Debian or Ubuntu: {rendering.PACKAGES['egl']}"

Results = Mapping[str, children.Result]


class Frames(NamedTuple):
    """What the simulator does in a second."""

    steps_per_second: float
    frames_per_second: float  # Pictures of 64 x 64 pixels.
    bytes_per_frame: float  # Size of a picture in an episode's file.
    light_frames_per_second: float  # With shadows from a map of `SHADOW_SIZE`.


def try_all(seconds: float) -> dict[str, children.Result]:
    """Runs the simulator, and renders with every backend, all side by side.

    Returns:
      How each backend did by its name, and the simulator alone as `off`.
    """

    def attempt(name: str) -> children.Result:
        probe = [_SIMULATOR, "0.4"] if name == "off" else [_PROBE]
        variables = rendering.gl_variables(name)
        return children.run([*children.MODULE, *probe], seconds, variables)

    names = ("off", *rendering.BACKENDS)
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(attempt, names), strict=True))


def check_simulator(tried: Results) -> Finding:
    """Says whether MuJoCo runs at all."""
    answer = tried["off"].answer
    if answer is None:
        what, needed = "MuJoCo does not run", ("dm_control", "mujoco")
        return packages.failure("simulator", what, tried["off"], *needed)
    text = f"{answer['steps_per_second']:,.0f} steps of cheetah_run per second"
    return judge("simulator", f"MuJoCo runs: {text}", **answer)


def check_rendering(
    tried: Results, cards: Sequence[Card] = ()
) -> tuple[str | None, list[Finding]]:
    """Says which backends render, and what to do if none does.

    Returns also the one that a program would use here, if any.
    """
    names = rendering.BACKENDS
    answers = {name: tried[name].answer for name in names}
    renderers = {n: found["renderer"] for n, found in answers.items() if found}
    if not renderers and tried["off"].answer is None:
        text = "cannot be told while the simulator does not run"
        return None, [note("rendering", text)]
    findings = []
    for name in names:
        if renderer := renderers.get(name):
            where = "soft" if rendering.is_software(renderer) else "hard"
            text = f"{name} works in {where}ware: {renderer}"
            findings.append(judge("rendering", text, backend=name))
        else:
            text = f"{name} does not work: {tried[name].complaint}"
            findings.append(note("rendering", text, backend=name))
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    chosen = next((n for n in renderers if wanted in ("", n)), None)
    if chosen is None and wanted:
        text = f"MUJOCO_GL is {wanted!r}, which cannot render here"
        fix = f"unset MUJOCO_GL   # then {next(iter(renderers), _INSTALL)}"
        findings.append(judge("rendering", text, fix))
    elif chosen is None:
        text = "No OpenGL was found that MuJoCo could render with."
        findings.append(judge("rendering", text, _INSTALL))
    elif cards and rendering.is_software(renderers[chosen]):
        text = f"The processor draws, though there is a {cards[0].name}. "
        text += "A container may lack the driver's libraries for graphics."
        fix = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all ..."
        findings.append(note("rendering", text, fix))
    return chosen, findings


def time_frames(backend: str, seconds: float) -> tuple[Frames | None, Finding]:
    """Measures how fast a backend renders, and how large frames are."""
    command = [*children.MODULE, _SIMULATOR, "2"]
    result = children.run(command, seconds, rendering.gl_variables(backend))
    if result.answer is None:
        text = f"{backend} rendered once, and then failed: {result.complaint}"
        return None, judge("frames", text, packages.MORE_TIME)
    frames = Frames(**result.answer)
    rate, light = frames.frames_per_second, frames.light_frames_per_second
    text = f"{rate:.0f} frames of 64 x 64 pixels per second with {backend}, "
    text += f"{light:.0f} with --shadow_size={SHADOW_SIZE}"
    return frames, judge("frames", text, **result.answer)
