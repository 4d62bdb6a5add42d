"""The doctor: it finds what is wrong, says what mends it, and never fails."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from bad_folders import run_script

from planet_tf2.doctor import (
    examination,
    full_run,
    graphics,
    hardware,
    packages,
)
from planet_tf2.doctor.findings import NOTE, PROBLEM, problems
from planet_tf2.envs import child_process, rendering
from planet_tf2.envs.child_process import Result

LLVMPIPE = "llvmpipe (LLVM 15.0.6, 256 bits)"
EGL_PACKAGES = "apt-get install libegl1 libopengl0 libgl1-mesa-dri"
NEEDED = {
    "mujoco": ">=3.17,<3.18",
    "dm_control": ">=1.0.50,<1.0.51",
    "tensorflow": ">=2.21,<2.22",
}
INSTALLED = {"mujoco": "3.17.1", "dm_control": "1.0.50", "tensorflow": "2.21.0"}


def result(code=0, record=None, stderr=""):
    return Result(code, "" if record is None else json.dumps(record), stderr, 1)


def lines(*records):
    return Result(0, "\n".join(map(json.dumps, records)), "", 1)


START = {"gpus": []}


def speed(preset, update_seconds, decision_seconds=0.05, scaled_from=None):
    peak = 3e9 if scaled_from else 1e9
    values = 9.0, update_seconds, decision_seconds, scaled_from, peak, 0, 5e6
    values = full_run.Speed(*values, step_bytes=12_288)
    return {"preset": preset, "speed": values._asdict()}


DEFAULT = speed("default", 5.0, 0.6, 5)


class World:
    """What the children of the doctor say, instead of running them."""

    def __init__(self, folder):
        self.simulator = result(record={"steps_per_second": 4000.0})
        frames = graphics.Frames(4000.0, 60.0, 3000.0, 150.0)
        self.frames = result(record=frames._asdict())
        self.renderers = {
            "egl": result(record={"renderer": LLVMPIPE}),
            "osmesa": result(1, stderr="ImportError: no libOSMesa"),
            "glfw": result(1, stderr="mujoco.FatalError: no screen"),
        }
        self.speed = lines(
            START, DEFAULT, speed("quickstart", 0.1), speed("cpu", 0.1)
        )
        self.cards = result(127, stderr="nvidia-smi: No such file")
        self.asked = []
        self.folder = folder

    def run(self, command, seconds, changes=None):
        assert seconds > 0
        self.asked.append((command, changes))
        name = command[2] if command[1] == "-m" else command[0]
        backend = (changes or {}).get("MUJOCO_GL")
        if name == "nvidia-smi":
            return self.cards
        if name.endswith("rendering_probe"):
            return self.renderers[backend]
        if name.endswith("simulator_probe"):
            return self.simulator if backend == "off" else self.frames
        assert name.endswith("speed_probe")
        return self.speed

    def install(self, python=">=3.10", **versions):
        """Makes it look as if packages of some versions were installed."""
        ranges = [f"Requires-Dist: {n}{r}" for n, r in NEEDED.items()]
        ranges.append('Requires-Dist: pytest>=99; extra == "test"')
        own = [f"Requires-Python: {python}", *ranges]
        versions = {"planet_tf2": "0.1.0", **INSTALLED, **versions}
        for name, version in versions.items():
            path = self.folder / f"{name}-{version}.dist-info" / "METADATA"
            path.parent.mkdir()
            lines = ["Metadata-Version: 2.1", f"Name: {name}"]
            lines += [f"Version: {version}", *(own if "planet" in name else [])]
            path.write_text("\n".join([*lines, ""]))


@pytest.fixture
def world(monkeypatch, tmp_path):
    """A machine on which all is well once `world.install()` was called."""
    world = World(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(child_process, "run", world.run)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(hardware.psutil, "getloadavg", lambda: (0.1, 0, 0))
    remember(monkeypatch, 16, 12)
    monkeypatch.setattr(hardware, "_read_text", lambda path: "")
    return world


def remember(monkeypatch, *gigabytes):
    """Makes it look as if there were so much memory, and as much free."""
    sizes = tuple(10**9 * number for number in gigabytes)
    monkeypatch.setattr(hardware, "read_memory", lambda: sizes)


def test_all_well(world, capsys):
    world.install()
    assert run_script("doctor") == 0
    said = capsys.readouterr().out
    assert "All is well." in said
    assert "PROBLEM" not in said
    for text in (
        "all 3 are in the ranges that were tested",
        f"egl works in software: {LLVMPIPE}",
        "60 frames of 64 x 64 pixels with egl, 150 with",
        "default: 5.000 s per update, 0.600 s per decision",
        "scaled up from 5 sequences",
        "quickstart: 0.100 s per update, 0.050 s per decision",
        "default: 1,000 episodes of cheetah_run take about",
    ):
        assert text in " ".join(said.split())
    assert max(map(len, said.splitlines())) < 110


def test_no_opengl(world, capsys):
    world.install()
    world.renderers = {
        name: result(1, stderr=f"Traceback\nImportError: no {name} library")
        for name in rendering.BACKENDS
    }
    assert run_script("doctor") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "No OpenGL was found" in said
    for name in rendering.BACKENDS:
        assert f"{name} does not work: ImportError: no {name} library" in said
    assert said.count(EGL_PACKAGES) == 2  # There and in the end.
    assert "1 problem found." in said
    # What can be said without pictures is said.
    assert "per update" in said


def test_wrong_mujoco(world, capsys):
    world.install(mujoco="4.0.0")
    world.simulator = result(
        1, stderr="AttributeError: no attribute 'x'\n\nTry this:\n  that"
    )
    world.renderers = dict.fromkeys(rendering.BACKENDS, world.simulator)
    assert run_script("doctor") == 1
    said = capsys.readouterr().out
    assert "mujoco is 4.0.0, but >=3.17,<3.18 was tested" in said
    fix = f"{sys.executable} -m pip install 'mujoco>=3.17,<3.18'"
    assert said.count(fix) == 2
    assert "MuJoCo does not run: AttributeError: no attribute 'x'" in said
    # It is not the fault of OpenGL, nor are there two things to do.
    assert "apt-get" not in said and "force-reinstall" not in said


def test_missing_and_wrong_packages_make_one_command(world, monkeypatch):
    monkeypatch.setitem(NEEDED, "no-such-package", ">=2,<3")
    world.install(dm_control="1.0.51")
    (found,) = problems(packages.check_packages())
    assert found.text.splitlines() == [
        "dm_control is 1.0.51, but >=1.0.50,<1.0.51 was tested",
        "no-such-package is missing, but >=2,<3 was tested",
    ]
    assert found.fix == (
        f"{sys.executable} -m pip install 'dm_control>=1.0.50,<1.0.51'"
        " 'no-such-package>=2,<3'"
    )


def test_python_or_package_that_does_not_fit(world, monkeypatch):
    world.install(python=">=3.99")
    finding = examine_all()[0]
    assert (finding.area, finding.status) == ("Python", PROBLEM)
    assert ">=3.99 is needed" in finding.text
    monkeypatch.setattr(packages, "__version__", "9.9")
    notes = [f for f in packages.check_packages() if f.status == NOTE]
    assert "0.1.0 was installed, but this is 9.9" in notes[0].text
    monkeypatch.setattr(packages, "NAME", "no_such_planet")
    (finding,) = packages.check_packages()
    assert (finding.area, finding.status) == ("packages", PROBLEM)
    assert finding.fix.startswith(f"{sys.executable} -m pip install --editable")


def examine_all(folder="."):
    return list(examination.examine(110, folder, "planet", str))


def test_backend_of_the_variable(world, monkeypatch):
    world.install()
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    found = examine_all()
    (finding,) = problems(found)
    assert "MUJOCO_GL is 'osmesa'" in finding.text
    assert finding.fix.startswith("unset MUJOCO_GL")
    assert "egl" in finding.fix
    # What a program would not use is not timed.
    assert not any("frames" in f.text for f in found)
    world.renderers["osmesa"] = result(record={"renderer": "OSMesa"})
    assert not problems(examine_all())
    assert world.asked[-2][1]["MUJOCO_GL"] == "osmesa"


def test_crashing_and_hanging_backends(world):
    world.install()
    world.frames = result(-signal.SIGSEGV)
    (finding,) = problems(examine_all())
    assert finding.area == "simulator" and "SIGSEGV" in finding.text
    world.renderers["egl"] = result(-signal.SIGSEGV)
    world.renderers["glfw"] = Result(None, "", "", 40)
    found = examine_all()
    (finding,) = problems(found)
    assert finding.fix.endswith(EGL_PACKAGES)
    texts = [f.text for f in found if f.area == "rendering"]
    assert "egl does not work: it died of SIGSEGV" in texts
    assert "glfw does not work: no answer within 40 seconds" in texts


CARD = Result(0, "NVIDIA H100 80GB HBM3, 81559, 550.90.07, 9.0\n", "", 1)


def test_graphics_cards(world):
    world.install()
    world.cards = CARD
    (finding,) = problems(examine_all())
    assert finding.area == "GPU" and "NVIDIA H100" in finding.text
    assert "'tensorflow[and-cuda]>=2.21,<2.22'" in finding.fix
    start = {"gpus": ["/physical_device:GPU:0"]}
    world.speed = lines(start, speed("default", 0.1))
    found = examine_all()
    assert not problems(found)
    by_area = {finding.area: finding for finding in found}
    assert "--precision=bfloat16" in by_area["processor"].text
    assert "uses NVIDIA H100" in by_area["GPU"].text
    # Software draws although there is a card: worth a note.
    assert any("NVIDIA_DRIVER_CAPABILITIES" in str(f.fix) for f in found)


@pytest.mark.parametrize(
    "outcome, text, fix",
    [
        (
            result(1, stderr="ImportError: libtensorflow is broken"),
            "libtensorflow is broken",
            "--force-reinstall 'tensorflow>=2.21,<2.22'",
        ),
        (
            Result(None, json.dumps(START), "", 70),
            "default does not work: no answer within 70",
            "--seconds=300",
        ),
    ],
)
def test_what_goes_wrong_with_tensorflow(world, outcome, text, fix):
    world.install()
    world.speed = outcome
    (finding,) = problems(examine_all())
    assert text in finding.text
    assert fix in finding.fix


def test_presets_that_do_not_work_or_were_not_timed(world):
    world.install()
    world.speed = timed = lines(START, DEFAULT)
    found = examine_all()
    assert not problems(found)
    notes = [f for f in found if "not timed" in f.text]
    assert [f.text.split(":")[0] for f in notes] == ["quickstart", "cpu"]
    assert all("--seconds" in f.fix for f in notes)
    world.speed = dataclasses.replace(
        timed, exit_code=1, stderr="ValueError: of a shape"
    )
    (found,) = problems(examine_all())
    assert "quickstart does not work: ValueError: of a shape" in found.text


def test_little_memory_and_busy_cores(world, monkeypatch):
    world.install()
    remember(monkeypatch, 4, 3)
    monkeypatch.setattr(hardware.psutil, "getloadavg", lambda: (99.0, 0, 0))
    found = examine_all()
    assert not problems(found)
    assert [f.status for f in found if f.area == "load"] == [NOTE]
    (note,) = [f for f in found if f.area == "full run" and f.status == NOTE]
    assert note.details["preset"] == "default"
    assert "--micro_batches=5" in note.fix
    remember(monkeypatch, 2, 1)
    assert [f.area for f in problems(examine_all())] == ["memory"]


def test_disk(world, monkeypatch, tmp_path):
    world.install()
    there = tmp_path / "not" / "yet"
    found = {f.area: f for f in examine_all(folder=there)}
    assert str(tmp_path) in found["disk"].text
    assert not there.exists()

    class Usage:
        free = 5 * 10**8

    monkeypatch.setattr(hardware.psutil, "disk_usage", lambda path: Usage)
    (finding,) = problems(examine_all())
    assert finding.area == "disk"
    assert "--logdir" in finding.fix


def test_json(world, capsys):
    world.install(mujoco="4.0.0")
    assert run_script("doctor", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False and told["seconds"] >= 0
    bad = [f for f in told["findings"] if f["status"] == "problem"]
    assert [f["details"]["mujoco"] for f in bad] == ["4.0.0"]
    runs = [f["details"] for f in told["findings"] if f["area"] == "full run"]
    assert [run["preset"] for run in runs] == ["default", "quickstart", "cpu"]


def test_missing_dependency_of_the_doctor_itself(tmp_path):
    """Without the packages that it needs it says what to install."""
    root = pathlib.Path(__file__).parents[1]
    hidden = tmp_path / "absl" / "__init__.py"
    hidden.parent.mkdir()
    hidden.write_text("raise ModuleNotFoundError('no absl', name='absl')")
    done = subprocess.run(
        [sys.executable, str(root / "scripts" / "doctor.py")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{root}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "absl is missing" in done.stderr
    assert "pip install --editable ." in done.stderr
