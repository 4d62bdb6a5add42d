"""Finds an OpenGL that MuJoCo can render with.

MuJoCo draws through EGL (graphics cards without a screen, and Mesa's software
renderer), OSMesa (software only) or GLFW (needs a screen). Which of them works
depends on the machine, and a broken one may take the process down, so each is
tried in a process of its own.
"""

import dataclasses
import functools
import os
import sys

from planet_tf2.envs import child_process

BACKENDS = ("egl", "osmesa", "glfw")
STRATEGIES = ("process", "thread", "none")
PROBE_SECONDS = 120

# How variables begin that tell OpenGL which device or driver to take.
_STEERING = ("MUJOCO_EGL_", "EGL_", "__EGL_", "MESA_", "GALLIUM_", "LIBGL_")

_PROBE = (sys.executable, "-m", "planet_tf2.envs.rendering_probe")
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software", "lavapipe", "swr")
# What MuJoCo and PyOpenGL load on Debian 12. The GLFW library itself comes with
# its Python package.
PACKAGES = {
    "egl": "apt-get install libegl1 libopengl0 libgl1-mesa-dri",
    "osmesa": "apt-get install libosmesa6",
    "glfw": "apt-get install xvfb xauth, then start with xvfb-run",
}


class RenderingError(RuntimeError):
    """No OpenGL backend can render; the message tells what to install."""


@dataclasses.dataclass(frozen=True)
class Backend:
    """A way to render that was seen to work.

    Attributes:
      name: Value for the variable MUJOCO_GL: `egl`, `osmesa` or `glfw`.
      renderer: What OpenGL calls itself, for example `llvmpipe (LLVM 15)`.
      software: Whether the processor draws instead of a graphics card.
    """

    name: str
    renderer: str
    software: bool


def choose_backend() -> Backend:
    """Returns the first OpenGL backend that renders a frame.

    A value in the environment variable MUJOCO_GL wins; otherwise EGL, OSMesa
    and GLFW are tried in this order. The answer is remembered for the life of
    the process; finding it takes one or two seconds per backend.

    Raises:
      RenderingError: None works, or the one in MUJOCO_GL does not.
    """
    return _choose(os.environ.get("MUJOCO_GL", "").strip().lower())


def check_isolation(strategy: str, tensorflow: bool = True) -> None:
    """Makes sure that rendering cannot crash this process.

    TensorFlow and Mesa's software OpenGL in one process end in a segmentation
    fault, whichever comes first.

    Args:
      strategy: Where environments shall live: `process`, `thread` or `none`.
      tensorflow: Whether TensorFlow is, or will be, imported here.

    Raises:
      ValueError: The strategy is unsafe on this machine.
      RenderingError: No backend can render, so that the question is moot.
    """
    if strategy == "process" or not tensorflow:
        return
    backend = choose_backend()
    if backend.software:
        raise ValueError(
            f"isolate_envs is {strategy!r}, but this machine renders in"
            f" software ({backend.name}: {backend.renderer}), which crashes in"
            " one process with TensorFlow. Use isolate_envs: process."
        )


def variables_for(
    strategy: str, render: bool | None
) -> child_process.Variables:
    """Returns the environment variables that an environment is built with.

    Args:
      strategy: `process`, `thread` or `none`.
      render: Whether it draws; None gives it a backend where that is safe.

    Raises:
      ValueError: The strategy is unknown, or it would crash this process.
      RenderingError: No backend can render.
    """
    if strategy not in STRATEGIES:
        raise ValueError(
            f"isolate_envs is {strategy!r}, but must be one of"
            f" {', '.join(STRATEGIES)}."
        )
    if render is False:
        return gl_variables(None)
    try:
        check_isolation(strategy, "tensorflow" in sys.modules)
        return gl_variables(choose_backend().name)
    except (ValueError, RenderingError):
        if render:
            raise
        return gl_variables(None)


def forbid_rendering() -> None:
    """Keeps OpenGL away from this process, so that MuJoCo can simulate here.

    To be called before dm_control is imported by programs that also use
    TensorFlow; dm_control loads OpenGL when it is imported.
    """
    imported = sys.modules.get("dm_control._render")
    if imported is None:
        os.environ["MUJOCO_GL"] = "off"
    elif imported.BACKEND in BACKENDS:
        raise RenderingError(
            f"dm_control was imported with OpenGL ({imported.BACKEND}), which"
            " crashes in one process with TensorFlow. Set MUJOCO_GL=off before"
            " the program starts."
        )


def gl_variables(backend_name: str | None) -> dict[str, str | None]:
    """Returns environment variables that make MuJoCo use a backend.

    With None for the backend they keep OpenGL away. None as a value stands for
    a variable to remove.
    """
    platform = backend_name if backend_name in ("egl", "osmesa") else None
    return {"MUJOCO_GL": backend_name or "off", "PYOPENGL_PLATFORM": platform}


def probe(name: str, seconds: float = PROBE_SECONDS) -> child_process.Result:
    """Renders a frame with a backend; its answer has the `renderer`."""
    return child_process.run(_PROBE, seconds, gl_variables(name))


def misled_by(name: str) -> list[str]:
    """Names variables without which a backend that fails would render."""
    set_here = [key for key in os.environ if key.startswith(_STEERING)]
    changes = {**gl_variables(name), **dict.fromkeys(set_here)}
    if set_here and child_process.run(_PROBE, PROBE_SECONDS, changes).answer:
        return set_here
    return []


@functools.cache
def _choose(requested: str) -> Backend:
    if requested and requested not in BACKENDS:
        raise RenderingError(
            f"MUJOCO_GL is {requested!r}, but must be one of"
            f" {', '.join(BACKENDS)} to render images. Unset it to choose"
            " automatically."
        )
    lines = ["MuJoCo found no OpenGL to render with. Install any of these:"]
    if requested:
        lines = [
            f"MUJOCO_GL is {requested!r}, but MuJoCo cannot render with it."
            " Install what is missing, or unset MUJOCO_GL."
        ]
    for name in [requested] if requested else BACKENDS:
        result = probe(name)
        if result.answer is not None:
            renderer = result.answer["renderer"]
            return Backend(name, renderer, is_software(renderer))
        if names := misled_by(name):
            values = [f"{key}={os.environ[key]}" for key in names]
            raise RenderingError(
                f"OpenGL ({name}) does not render with {', '.join(values)}:"
                f" {result.complaint.rstrip('.')}. Without, it does: unset"
                f" {' '.join(names)}, or give another value."
            )
        lines.append(f"  {name}: {result.complaint}")
        lines.append(f"    on Debian: {PACKAGES[name]}")
    raise RenderingError("\n".join(lines))


def is_software(renderer: str) -> bool:
    """Tells by a renderer's name whether the processor draws."""
    return any(name in renderer.lower() for name in _SOFTWARE)
