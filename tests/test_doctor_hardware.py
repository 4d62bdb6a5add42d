"""What the doctor reads of a machine, and what it makes of it."""

import json
from types import SimpleNamespace

import pytest
from tf_fakes import tiny_params

from planet_tf2 import agents
from planet_tf2.agents.planet import PRESETS
from planet_tf2.configs import collects
from planet_tf2.doctor import full_run, graphics, hardware, speed_probe
from planet_tf2.doctor.full_run import Machine, Speed, Work, plan_work
from planet_tf2.doctor.graphics import Frames
from planet_tf2.doctor.hardware import Card
from planet_tf2.envs import rendering
from planet_tf2.tools import schedule

SAPPHIRE = "flags\t: fpu avx avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n"
SKYLAKE = "flags\t\t: fpu avx avx2 avx512f avx512dq\n"
ZEN4 = "flags : avx avx2 avx512f avx512_bf16\n"
ANCIENT = "flags : fpu sse sse2\n"
GRAVITON = "Features\t: fp asimd bf16 i8mm\n"


@pytest.fixture
def system(monkeypatch):
    """Files of the system by path, and the kind of processor."""
    files = {}
    monkeypatch.setattr(
        hardware, "_read_text", lambda path: files.get(str(path), "")
    )
    monkeypatch.setattr(hardware.platform, "machine", lambda: "x86_64")
    return files


@pytest.mark.parametrize(
    "flags, no, precision",
    [
        (SAPPHIRE, set(), "bfloat16"),
        (SKYLAKE, {"bf16", "AMX"}, "float32"),
        (ZEN4, {"AMX"}, "bfloat16"),
    ],
)
def test_processor(system, flags, no, precision):
    system["/proc/cpuinfo"] = flags
    finding = hardware.check_processor()
    assert finding.status == "ok"
    assert finding.details["precision"] == precision
    for name in ("AVX2", "AVX-512", "bf16", "AMX"):
        assert f"{name} {'no' if name in no else 'yes'}" in finding.text


def test_other_processors(system, monkeypatch):
    assert hardware.check_processor().status == "ok"  # It says nothing.
    system["/proc/cpuinfo"] = ANCIENT
    finding = hardware.check_processor()
    assert finding.status == "problem"
    assert "AVX" in finding.text
    monkeypatch.setattr(hardware.platform, "machine", lambda: "aarch64")
    system["/proc/cpuinfo"] = GRAVITON
    finding = hardware.check_processor()
    assert finding.status == "ok"
    assert "bf16 yes" in finding.text
    assert "AVX" not in finding.text


@pytest.mark.parametrize(
    "capability, precision",
    [(9.0, "bfloat16"), (8.0, "bfloat16"), (7.5, "float16"), (6.1, "float32")],
)
def test_precision_of_cards(capability, precision):
    cards = [Card("old", 8e9, "500", 3.5), Card("new", 8e9, "500", capability)]
    advice = hardware.suggest_precision({"amx_bf16"}, cards)
    assert advice.split()[0] == precision


def test_cores_of_a_container(system, monkeypatch):
    monkeypatch.setattr(hardware.machine, "usable_cores", lambda: 16)
    assert hardware.usable_cores() == 16
    system["/sys/fs/cgroup/cpu.max"] = "max 100000\n"
    assert hardware.usable_cores() == 16
    system["/sys/fs/cgroup/cpu.max"] = "250000 100000\n"
    assert hardware.usable_cores() == 2
    system["/sys/fs/cgroup/cpu.max"] = "50000 100000\n"
    assert hardware.usable_cores() == 1


def test_memory_of_a_container(system):
    total, available = hardware.read_memory()
    assert 0 < available <= total
    system["/sys/fs/cgroup/memory.max"] = f"{10**9}\n"
    system["/sys/fs/cgroup/memory.current"] = f"{7 * 10**8}\n"
    system["/sys/fs/cgroup/memory.stat"] = f"anon 5\ninactive_file {10**8}\n"
    assert hardware.read_memory() == (10**9, 4 * 10**8)
    system["/sys/fs/cgroup/memory.max"] = "max\n"
    # Version 1 says a large number where there is no limit.
    old = "/sys/fs/cgroup/memory/memory"
    system[f"{old}.limit_in_bytes"] = f"{2**63 - 4096}\n"
    system[f"{old}.usage_in_bytes"] = "1000\n"
    assert hardware.read_memory()[0] == total


def brute_force(params, episodes):
    """Counts the work of a run by going through its steps."""
    size, names = params["batch_shape"][0], params["tasks"]
    seeds = params["num_seed_episodes"] * len(names)
    updates = tests = collected = step = 0
    while step < params["max_steps"]:
        for _ in range(-(-params["train_steps"] // size)):
            if step >= params["max_steps"]:
                return updates, tests, collected
            for entry in collects.train_collects(params):
                times = entry["after"], entry["every"], entry["until"]
                if schedule.binary(updates * size, size, *times):
                    collected += entry["batch_size"] * len(names)
            updates += 1
            step += size
            if seeds + collected >= episodes:
                return updates, tests, collected
        for _ in range(-(-params["test_steps"] // size)):
            tests += 1
            step += size
    return updates, tests, collected


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("episodes", [20, 1000])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"train_collects": [{"after": 7, "every": 30, "batch_size": 2}]},
        {"train_collects": [{"every": 900, "until": 4000}, {"after": 0}]},
        {"tasks": ["cartpole_balance", "walker_walk"], "max_steps": 9000},
        {"train_collects": [{"every": 0}], "max_steps": 9000},
    ],
)
def test_work_is_that_of_a_run(preset, episodes, change):
    # Not more than can be gone through in a moment.
    change = {"max_steps": 40_000, **change}
    params = agents.resolve(preset, overrides=change)
    work = plan_work(params, episodes)
    updates, tests, collected = brute_force(params, episodes)
    seeds = params["num_seed_episodes"] * len(params["tasks"])
    # It is about estimates: one update more or less does not matter.
    assert abs(work.updates - updates) <= 1
    assert work.train_episodes == seeds + collected
    batches = -(-params["test_steps"] // params["batch_shape"][0])
    assert abs(work.test_batches - tests) <= batches


def test_cards_that_are_too_new():
    """A code for 9.0 runs on no 12.0, and the processor is what is left."""
    made_for = ["sm_60", "sm_89", "compute_90"]
    old = Card("H200", 141e9, "570", 9.0)
    new = Card("RTX 5090", 32e9, "570", 12.0)
    found = hardware.check_gpu([old, new], ["GPU:0", "GPU:1"], made_for)
    assert found.status == "problem" and "RTX 5090 (sm_120)" in found.text
    assert "CUDA_VISIBLE_DEVICES=-1" in found.fix
    assert hardware.check_gpu([new], [], made_for).status == "note"
    assert hardware.check_gpu([old], ["GPU:0"], made_for).status == "ok"
    assert hardware.check_gpu([new], ["GPU:0"], ["sm_120"]).status == "ok"


def test_work_of_the_paper():
    """1,000 episodes of cheetah_run: an episode per 100 updates."""
    work = plan_work(agents.resolve("default"))
    assert work.train_episodes == 1000
    assert work.updates == pytest.approx(995 * 100, rel=0.001)
    played = 995 + 99  # A test episode for every 1,000 updates.
    assert work.decisions == 250 * played
    assert work.frames == 251 * (played + 10)
    assert work.simulator_steps == 1000 * (played + 10)


def test_work_by_steps():
    """Dreamer: 500,000 decisions, an update after two; 10 tests of 100."""
    params = agents.resolve("default", agent="dreamer")
    work = plan_work(params, agent="dreamer")
    trained = 2 * (250_000 - params["pretrain"])
    assert work.updates == 250_000 and work.test_batches == 100
    assert work.decisions == trained + 1000 * 500
    assert work.simulator_steps == 2 * (2500 + trained + 1000 * 500)
    assert work.train_episodes == round((2500 + trained) / 500)
    four = agents.resolve("dmc_vision", agent="dreamer")
    together = plan_work(four, agent="dreamer").decisions
    assert together == pytest.approx(work.decisions / 4, rel=1e-3)


def test_fixes_name_parameters_that_the_agent_has():
    speed = Speed(9.0, 0.1, 0.1, None, 3e9, 0.0, 10**6, 12288)
    machine = Machine(10**9, 0, 10**12, None)
    found = full_run.check_preset("default", speed, machine, "dreamer")
    assert found.fix == "--batch_size=4 --dataset_bytes=1e9"


def test_forecast():
    work = Work(1000, 30, 500, 600, 3000, 7)
    speed = Speed(9.0, 2.0, 0.5, None, 3e9, 0.0, 10**6, 12288)
    frames = Frames(1000.0, 60.0, 2000.0, 120.0)
    machine = Machine(10**10, 0, 10**10, frames)
    params = agents.resolve("default")
    assert full_run.forecast(work, speed, machine, params) == {
        "seconds": pytest.approx(2000 + 20 + 250 + 10 + 3),
        "memory_bytes": pytest.approx(3e9 + 0.35e9 + 600 * 12288),
        # Weights and two moments of each, in three checkpoints.
        "disk_bytes": pytest.approx(600 * 2000 + 3 * 3 * 4e6),
    }
    # Smaller shadows, a bounded loader, images of half the size.
    params = {**params, "shadow_size": 512, "loader_max_bytes": 1000}
    speed = speed._replace(step_bytes=12288 / 4)
    assert full_run.forecast(work, speed, machine, params) == {
        "seconds": pytest.approx(2000 + 20 + 250 + 5 + 3),
        "memory_bytes": pytest.approx(3e9 + 0.35e9 + 2000),
        "disk_bytes": pytest.approx(600 * 500 + 3 * 3 * 4e6),
    }


def test_forecast_of_what_agents_store():
    """Beside observations in memory, and in checkpoints."""
    params = agents.resolve("default", agent="dreamer")
    by_steps = agents.schedule(agents.find("dreamer"), params)
    work, machine = Work(9, 3, 5, 600, 30, 7), Machine(10**10, 0, 10**10, None)
    few, more = (
        full_run.forecast(
            work,
            Speed(9.0, 2.0, 0.5, None, 3e9, 0.0, 10**6, 12288, latent_bytes),
            machine,
            params,
            by_steps,
        )
        for latent_bytes in (0.0, 100.0)
    )
    for name in ("memory_bytes", "disk_bytes"):
        assert more[name] - few[name] == 3 * 600 * 100


def test_durations():
    assert full_run.duration(100) == "1.7 minutes"
    assert full_run.duration(7200) == "2.0 hours"
    assert full_run.duration(86400 * 1234) == "1,234.0 days"


@pytest.fixture
def tiny(monkeypatch):
    """Parameters of the one preset that is probed."""
    tiny = dict(tiny_params(batch_shape=[10, 5]))
    monkeypatch.setattr(speed_probe.agents, "resolve", lambda name, agent: tiny)
    monkeypatch.setattr(speed_probe.full_run, "PRESETS", ["default"])
    return tiny


@pytest.mark.parametrize("image_size", [32, 64])
def test_probe_measures_the_real_program(tiny, capsys, image_size):
    tiny["image_size"] = image_size
    speed_probe.main(1e12, 1e15, "planet")
    lines = capsys.readouterr().out.splitlines()
    start, *speeds = [json.loads(line) for line in lines]
    assert start["gpus"] == [] and start["made_for"]
    assert [record["preset"] for record in speeds] == ["default"] * 2
    few, whole = (Speed(**record["speed"]) for record in speeds)
    assert (few.scaled_from, whole.scaled_from) == (5, None)
    for speed in (few, whole):
        assert 0 < speed.update_seconds and 0 < speed.peak_bytes
        assert speed.weights > 1000
        assert speed.step_bytes >= 3 * image_size**2
    assert few.decision_seconds == whole.decision_seconds > 0


def test_speed_is_scaled_from_a_smaller_batch(tiny, monkeypatch):
    class Process:
        def memory_info(self):
            return SimpleNamespace(rss=8e8)

    monkeypatch.setattr(speed_probe.psutil, "Process", Process)
    usage = SimpleNamespace(ru_maxrss=1e9 / 1024)
    monkeypatch.setattr(speed_probe.resource, "getrusage", lambda who: usage)
    monkeypatch.setattr(speed_probe, "_time", lambda work, count: 0.4)
    speed = speed_probe.measure("planet", "default", sequences=5)
    assert speed.update_seconds == 0.8
    assert speed.decision_seconds == 0.4
    assert speed.peak_bytes == pytest.approx(8e8 + 2 * 2e8)


def test_probe_leaves_out_what_does_not_fit(monkeypatch, capsys):
    done = []
    few = Speed(1.0, 10.0, 0.1, 5, 1.8e9, 0, 7, 9)

    def measure(agent, preset, sequences=None, decision_seconds=None):
        done.append((preset, sequences))
        return few

    monkeypatch.setattr(speed_probe, "measure", measure)
    speed_probe.main(1e12, 1e9, "planet")
    assert ("default", None) not in done
    assert ("quickstart", None) in done
    speed_probe.main(1e12, 2e9, "planet")
    assert done[-1] == ("default", None)
    done.clear()
    speed_probe.main(0, 2e9, "planet")
    assert done == [("default", speed_probe.FEW)]


BLOCK = """
import ctypes

dlopen = ctypes._dlopen

def blocked(name, *args):
    words = ("egl", "opengl", "osmesa", "libgl", "glfw", "glx")
    if any(word in str(name).lower() for word in words):
        raise OSError(f"{name}: cannot open shared object file")
    return dlopen(name, *args)

ctypes._dlopen = blocked
"""


@pytest.mark.slow
def test_no_opengl_library_for_real(tmp_path, monkeypatch):
    """MuJoCo runs, no backend does, and the doctor says what to install."""
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    tried = graphics.try_all(240)
    assert graphics.choose(tried) is None
    _, finding = graphics.check_simulator(None, 240)
    assert finding.status == "ok"
    found = graphics.check_rendering(tried, [])
    assert found[-1].status == "problem"
    assert found[-1].fix.endswith(rendering.PACKAGES["egl"])


@pytest.mark.slow
@pytest.mark.render
def test_frames_for_real():
    backend = rendering.choose_backend()
    frames, finding = graphics.check_simulator(backend.name, 240)
    assert finding.status == "ok"
    assert frames.frames_per_second > 0
    # Smaller than a frame, and not nothing.
    assert 100 < frames.bytes_per_frame < 64 * 64 * 3
