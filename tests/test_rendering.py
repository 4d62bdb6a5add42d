"""The choice of an OpenGL backend; its errors say what to do."""

import json
import sys

import pytest

from planet_tf2.envs import rendering
from planet_tf2.envs.child_process import Result
from planet_tf2.envs.rendering import Backend, RenderingError

_LLVMPIPE = "llvmpipe (LLVM 15.0.6, 256 bits)"
_DEBIAN = {
    "egl": "apt-get install libegl1 libopengl0 libgl1-mesa-dri",
    "osmesa": "apt-get install libosmesa6",
    "glfw": "apt-get install xvfb xauth",
}


@pytest.fixture(autouse=True)
def fresh_choice(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    rendering._choose.cache_clear()
    yield
    rendering._choose.cache_clear()


@pytest.fixture
def probes(monkeypatch):
    """What the probes find: a renderer by backend. Lists those asked for."""
    found, asked = {}, []

    def probe(name):
        asked.append(name)
        if name in found:
            return Result(0, json.dumps({"renderer": found[name]}), "", 1.0)
        return Result(1, "", f"Traceback\nImportError: no {name} here\n", 1.0)

    monkeypatch.setattr(rendering, "probe", probe)
    return found, asked


def test_first_that_works(probes):
    found, asked = probes
    found.update(osmesa="OSMesa software", glfw="GeForce")
    assert rendering.choose_backend().name == "osmesa"
    assert asked == ["egl", "osmesa"]
    rendering.choose_backend()
    assert asked == ["egl", "osmesa"]  # Remembered.


def test_variable_wins(probes, monkeypatch):
    """Defect 12 of the DreamerV3 port: what the user chose stays."""
    found, asked = probes
    found.update(egl=_LLVMPIPE, glfw="GeForce")
    monkeypatch.setenv("MUJOCO_GL", "GLFW")
    assert rendering.choose_backend() == Backend("glfw", "GeForce", False)
    assert asked == ["glfw"]


def test_nothing_works(probes):
    with pytest.raises(RenderingError) as caught:
        rendering.choose_backend()
    for name, command in _DEBIAN.items():
        assert f"{name}: ImportError: no {name} here" in str(caught.value)
        assert command in str(caught.value)


def test_backend_of_the_variable_does_not_work(probes, monkeypatch):
    found, _ = probes
    found.update(egl=_LLVMPIPE)
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    with pytest.raises(RenderingError) as caught:
        rendering.choose_backend()
    assert "MUJOCO_GL is 'osmesa'" in str(caught.value)
    assert "no osmesa here" in str(caught.value)
    assert "egl:" not in str(caught.value)
    monkeypatch.setenv("MUJOCO_GL", "off")
    with pytest.raises(RenderingError, match="MUJOCO_GL is 'off'"):
        rendering.choose_backend()


@pytest.mark.parametrize(
    "renderer,software",
    [
        (_LLVMPIPE, True),
        ("OSMesa software, Mesa OffScreen", True),
        ("NVIDIA H100 80GB HBM3/PCIe/SSE2", False),
        ("AMD Radeon RX 6800 (radeonsi, navi21, LLVM 15.0.6)", False),
    ],
)
def test_software_is_told_by_the_renderer(probes, renderer, software):
    found, _ = probes
    found.update(egl=renderer)
    assert rendering.choose_backend().software is software


def test_isolation(probes, monkeypatch):
    found, _ = probes
    found.update(egl=_LLVMPIPE)
    rendering.check_isolation("process")
    for strategy in ("thread", "none"):
        rendering.check_isolation(strategy, tensorflow=False)
        with pytest.raises(ValueError) as caught:
            rendering.check_isolation(strategy)
        assert repr(strategy) in str(caught.value)
        assert "llvmpipe" in str(caught.value)
        assert "isolate_envs: process" in str(caught.value)
    with pytest.raises(ValueError, match="'fork'.*process, thread, none"):
        rendering.variables_for("fork", False)
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    with pytest.raises(ValueError, match="isolate_envs: process"):
        rendering.variables_for("thread", True)


@pytest.mark.parametrize(
    "variable,value",
    [("MUJOCO_EGL_DEVICE_ID", "one"), ("GALLIUM_DRIVER", "no_such_driver")],
)
def test_variables_that_mislead_opengl(variable, value, monkeypatch):
    def run(command, seconds, changes):
        if changes.get(variable, value) is None:
            return Result(0, json.dumps({"renderer": "GeForce"}), "", 1.0)
        return Result(1, "", "ValueError: no such device.", 1.0)

    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(rendering.child_process, "run", run)
    with pytest.raises(RenderingError) as caught:
        rendering.choose_backend()
    text = str(caught.value)
    assert f"{variable}={value}: ValueError: no such device. Wit" in text
    assert f"unset {variable}" in text and "apt-get" not in text
    monkeypatch.setattr(
        rendering.child_process, "run", lambda *args: Result(1, "", "x", 1.0)
    )
    with pytest.raises(RenderingError, match="apt-get"):
        rendering.choose_backend()
