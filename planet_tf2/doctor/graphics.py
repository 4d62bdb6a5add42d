"""The simulator and every way to render, each tried in a process of its own."""

import concurrent.futures
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from planet_tf2.doctor import children, packages
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM, Finding
from planet_tf2.doctor.hardware import Card
from planet_tf2.envs import rendering

# What the frames of presets for CPUs are timed with.
SHADOW_SIZE = 512

_PROBE = "planet_tf2.envs.rendering_probe"
_SIMULATOR = "planet_tf2.doctor.simulator_probe"


class Tried(NamedTuple):
    """What became of the attempts.

    Attributes:
      simulator: how the simulator ran without any OpenGL.
      backends: by name, how each backend rendered.
    """

    simulator: children.Result
    backends: Mapping[str, children.Result]

    @property
    def renderers(self) -> dict[str, str]:
        """What OpenGL calls itself, of the backends that work."""
        answers = {n: result.answer for n, result in self.backends.items()}
        return {
            n: answer["renderer"] for n, answer in answers.items() if answer
        }


class Frames(NamedTuple):
    """What the simulator does in a second.

    Attributes:
      steps_per_second: simulator steps.
      frames_per_second: pictures of 64 x 64 pixels.
      bytes_per_frame: size of a picture in an episode's file.
      light_frames_per_second: the same pictures with the shadows of a map of
        512 x 512.
    """

    steps_per_second: float
    frames_per_second: float
    bytes_per_frame: float
    light_frames_per_second: float


def try_all(seconds: float) -> Tried:
    """Runs the simulator, and renders with every backend, all side by side."""

    def start(name: str | None) -> concurrent.futures.Future:
        module, arguments = (_PROBE, []) if name else (_SIMULATOR, ["0.4"])
        variables = rendering.gl_variables(name)
        return pool.submit(
            children.run_module, module, arguments, seconds, variables
        )

    with concurrent.futures.ThreadPoolExecutor() as pool:
        simulator = start(None)
        backends = {name: start(name) for name in rendering.BACKENDS}
    return Tried(
        simulator.result(), {n: tried.result() for n, tried in backends.items()}
    )


def check_simulator(tried: Tried, broken: bool = False) -> Finding:
    """Says whether MuJoCo runs at all.

    Args:
      tried: what became of the attempts.
      broken: whether packages are known to be wrong, which is to mend first.
    """
    result = tried.simulator
    if result.answer:
        speed = result.answer["steps_per_second"]
        text = f"MuJoCo runs: {speed:,.0f} steps of cheetah_run per second"
        return Finding("simulator", OK, text, details=result.answer)
    more, fix = "", packages.MORE_TIME
    if result.exit_code is not None:
        more, fix = packages.repair(broken, "dm_control", "mujoco")
    text = f"MuJoCo does not run: {result.complaint}{more}"
    return Finding("simulator", PROBLEM, text, fix)


def check_rendering(tried: Tried, cards: Sequence[Card] = ()) -> list[Finding]:
    """Says which backends render, and what to do if none does.

    Args:
      tried: what became of the attempts.
      cards: the graphics cards that there are.
    """
    renderers = tried.renderers
    if tried.simulator.exit_code != 0 and not renderers:
        text = "cannot be told while the simulator does not run"
        return [Finding("rendering", NOTE, text)]
    findings = [
        _describe(name, renderers.get(name), result)
        for name, result in tried.backends.items()
    ]
    if wanted := _wanted():
        if wanted not in renderers:
            findings.append(_wrong_variable(wanted, renderers))
    elif not renderers:
        findings.append(_nothing_works(tried))
    chosen = choose(tried)
    if chosen and cards and rendering.is_software(renderers[chosen]):
        text = (
            f"The processor draws, though there is a {cards[0].name}. In a "
            "container, the driver's libraries for graphics may be missing."
        )
        fix = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all ..."
        findings.append(Finding("rendering", NOTE, text, fix))
    return findings


def choose(tried: Tried) -> str | None:
    """Returns the backend that a program would use here, if any works."""
    wanted = _wanted()
    names = [wanted] if wanted else rendering.BACKENDS
    return next((name for name in names if name in tried.renderers), None)


def time_frames(backend: str, seconds: float) -> tuple[Frames | None, Finding]:
    """Measures how fast a backend renders, and how large frames are."""
    result = children.run_module(
        _SIMULATOR, ["2"], seconds, rendering.gl_variables(backend)
    )
    if result.answer is None:
        text = f"{backend} rendered once, and then failed: {result.complaint}"
        return None, Finding("frames", PROBLEM, text, packages.MORE_TIME)
    frames = Frames(**result.answer)
    text = (
        f"{frames.frames_per_second:.0f} frames of 64 x 64 pixels per second "
        f"with {backend}, {frames.light_frames_per_second:.0f} with "
        f"--shadow_size={SHADOW_SIZE}"
    )
    return frames, Finding("frames", OK, text, details=result.answer)


def _wanted() -> str:
    return os.environ.get("MUJOCO_GL", "").strip().lower()


def _describe(
    name: str, renderer: str | None, result: children.Result
) -> Finding:
    details = {"backend": name, "renderer": renderer}
    if renderer is None:
        text = f"{name} does not work: {result.complaint}"
        return Finding("rendering", NOTE, text, details=details)
    details["software"] = rendering.is_software(renderer)
    kind = "in software" if details["software"] else "in hardware"
    text = f"{name} works {kind}: {renderer}"
    return Finding("rendering", OK, text, details=details)


def _wrong_variable(wanted: str, renderers: Mapping[str, str]) -> Finding:
    text = f"MUJOCO_GL is {wanted!r}, which cannot render here"
    fix = f"unset MUJOCO_GL; {_install_command()}"
    if renderers:
        fix = f"unset MUJOCO_GL   # then {next(iter(renderers))} is taken"
    return Finding("rendering", PROBLEM, text, fix)


def _nothing_works(tried: Tried) -> Finding:
    if all(result.exit_code is None for result in tried.backends.values()):
        text = "No OpenGL answered in time."
        return Finding("rendering", PROBLEM, text, packages.MORE_TIME)
    text = "No OpenGL was found that MuJoCo could render with."
    return Finding("rendering", PROBLEM, text, _install_command())


def _install_command() -> str:
    """Returns the command for the backend that needs least."""
    command = rendering.PACKAGES["egl"]
    if not shutil.which("apt-get"):
        return f"on Debian or Ubuntu: {command}"
    return command if os.geteuid() == 0 else f"sudo {command}"
