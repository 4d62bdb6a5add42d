"""What the doctor reads of a machine, and what it makes of it."""

import json

import pytest
from tf_fakes import tiny_params

from planet_tf2 import agents
from planet_tf2.agents.planet import PRESETS
from planet_tf2.configs import collects
from planet_tf2.doctor import full_run, hardware, speed_probe
from planet_tf2.doctor.full_run import Speed, Work, plan_work
from planet_tf2.doctor.graphics import Frames
from planet_tf2.doctor.hardware import Card, Memory
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
        hardware, "_read_text", lambda path: files.get(path, "")
    )
    monkeypatch.setattr(hardware.platform, "machine", lambda: "x86_64")
    return files


@pytest.mark.parametrize(
    "flags, yes, no, precision",
    [
        (SAPPHIRE, {"AVX2", "AVX-512", "bf16", "AMX"}, set(), "bfloat16"),
        (SKYLAKE, {"AVX2", "AVX-512"}, {"bf16", "AMX"}, "float32"),
        (ZEN4, {"AVX2", "AVX-512", "bf16"}, {"AMX"}, "bfloat16"),
    ],
)
def test_processor(system, flags, yes, no, precision):
    system["/proc/cpuinfo"] = flags
    finding = hardware.check_processor()
    assert finding.status == "ok"
    features = finding.details["features"]
    assert {name for name in features if features[name]} >= yes
    assert not {name for name in features if features[name]} & no
    assert finding.details["precision"] == precision
    for name in no:
        assert f"{name} no" in finding.text


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
    assert hardware.suggest_precision({"AMX-bf16": True}, cards)[0] == precision


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
    free = hardware.read_memory()
    assert 0 < free.available <= free.total
    system["/sys/fs/cgroup/memory.max"] = f"{10**9}\n"
    system["/sys/fs/cgroup/memory.current"] = f"{7 * 10**8}\n"
    system["/sys/fs/cgroup/memory.stat"] = f"anon 5\ninactive_file {10**8}\n"
    assert hardware.read_memory() == Memory(1e9, 4e8)
    system["/sys/fs/cgroup/memory.max"] = "max\n"
    # Version 1 says a large number where there is no limit.
    system["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = str(2**63 - 4096)
    again = hardware.read_memory()
    assert again.total == free.total


def brute_force(params, episodes):
    """Counts the work of a run by going through its steps."""
    size, names = params["batch_shape"][0], params["tasks"]
    entries = collects.train_collects(params)
    tests = sum(e["batch_size"] for e in collects.test_collects(params))
    counts = dict(updates=0, test_batches=0, played=0)
    seeds = params["num_seed_episodes"] * len(names)
    collected, step = 0, 0
    while step < params["max_steps"]:
        for _ in range(-(-params["train_steps"] // size)):
            if step >= params["max_steps"]:
                return counts, collected
            phase_step = counts["updates"] * size
            counts["updates"] += 1
            step += size
            for entry in entries:
                if schedule.binary(
                    phase_step,
                    size,
                    entry["after"],
                    entry["every"],
                    entry["until"],
                ):
                    collected += entry["batch_size"] * len(names)
            if seeds + collected >= episodes:
                return counts, collected
        for _ in range(-(-params["test_steps"] // size)):
            counts["test_batches"] += 1
            step += size
        counts["played"] += tests * len(names)
    return counts, collected


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
    counts, collected = brute_force(params, episodes)
    seeds = params["num_seed_episodes"] * len(params["tasks"])
    # It is about estimates: one update more or less does not matter.
    assert abs(work.updates - counts["updates"]) <= 1
    assert work.train_episodes == seeds + collected
    batches = -(-params["test_steps"] // params["batch_shape"][0])
    assert abs(work.test_batches - counts["test_batches"]) <= batches


def test_work_of_the_paper():
    """1,000 episodes of cheetah_run: an episode per 100 updates."""
    work = plan_work(agents.resolve("default"))
    assert work.train_episodes == 1000
    assert not work.complete
    assert work.updates == pytest.approx(995 * 100, rel=0.001)
    played = 995 + 99  # A test episode for every 1,000 updates.
    assert work.decisions == 250 * played
    assert work.frames == 251 * (played + 10)
    assert work.simulator_steps == 1000 * (played + 10)


def test_forecast():
    work = Work(1000, 30, 500, 600, 3000, 7, True)
    speed = Speed(2.0, 0.5, None, 3e9, 0.0, 10**6, 12288)
    frames = Frames(1000.0, 60.0, 2000.0, 120.0)
    params = agents.resolve("default")
    found = full_run.forecast(work, speed, frames, params)
    assert found.seconds == pytest.approx(2000 + 20 + 250 + 10 + 3)
    assert found.memory_bytes == pytest.approx(3e9 + 0.35e9 + 600 * 12288)
    # Weights and two moments of each, in three checkpoints.
    assert found.disk_bytes == pytest.approx(600 * 2000 + 3 * 3 * 4e6)
    # Smaller shadows, a bounded loader, images of half the size.
    params = {**params, "shadow_size": 512, "loader_max_bytes": 1000}
    speed = speed._replace(step_bytes=12288 / 4)
    found = full_run.forecast(work, speed, frames, params)
    assert found.seconds == pytest.approx(2000 + 20 + 250 + 5 + 3)
    assert found.memory_bytes == pytest.approx(3e9 + 0.35e9 + 2000)
    assert found.disk_bytes == pytest.approx(600 * 500 + 3 * 3 * 4e6)


def test_speed_is_scaled_from_a_smaller_batch():
    small = {
        "what": "update",
        "preset": "default",
        "sequences": 5,
        "seconds": 0.4,
        "resident_bytes": 8e8,
        "peak_bytes": 1e9,
        "gpu_peak_bytes": 1e8,
        "weights": 7,
        "step_bytes": 9,
    }
    decision = {"what": "decision", "preset": "default", "seconds": 0.6}
    assert full_run.read_speed([small], "default") is None
    assert full_run.read_speed([decision], "default") is None
    speed = full_run.read_speed([small, decision], "default")
    assert speed == Speed(4.0, 0.6, 5, 2.8e9, 1e9, 7, 9)
    whole = {**small, "sequences": 50, "seconds": 3.7, "peak_bytes": 3e9}
    speed = full_run.read_speed([small, decision, whole], "default")
    assert speed.update_seconds == 3.7
    assert speed.scaled_from is None
    assert speed.peak_bytes == 3e9


@pytest.mark.parametrize(
    "seconds, text",
    [
        (1, "1 second"),
        (45.2, "45 seconds"),
        (100, "1.7 minutes"),
        (3600, "60 minutes"),
        (7200, "2 hours"),
        (86400 * 2.5, "2.5 days"),
        (86400 * 1234, "1,234 days"),
    ],
)
def test_durations(seconds, text):
    assert full_run.duration(seconds) == text


@pytest.mark.parametrize("image_size", [32, 64])
def test_probe_measures_the_real_program(monkeypatch, capsys, image_size):
    tiny = dict(tiny_params(batch_shape=[10, 5], image_size=image_size))
    monkeypatch.setattr(speed_probe.agents, "resolve", lambda name, agent: tiny)
    monkeypatch.setattr(speed_probe.full_run, "PRESETS", ["default"])
    probe = speed_probe.Probe(1e6, 1e15)
    probe.run()
    said = capsys.readouterr().out
    records = [json.loads(line) for line in said.splitlines()]
    assert [r["what"] for r in records] == [
        "start",
        "update",
        "decision",
        "update",
    ]
    assert [records[1]["sequences"], records[3]["sequences"]] == [5, 10]
    for record in (records[1], records[3]):
        assert 0 < record["seconds"]
        assert 0 < record["resident_bytes"] <= record["peak_bytes"]
        assert record["weights"] > 1000


def test_probe_leaves_out_what_does_not_fit(monkeypatch, capsys):
    done = []
    probe = speed_probe.Probe(1e6, 1e9)
    few = {
        "trace_seconds": 1.0,
        "seconds": 1.0,
        "resident_bytes": 8e8,
        "peak_bytes": 9e8,
    }

    def update(preset, sequences=None, updates=1):
        done.append((preset, sequences))
        return few

    monkeypatch.setattr(probe, "_update", update)
    monkeypatch.setattr(probe, "_decision", lambda preset: None)
    probe.run()
    # Ten times as many sequences would take 1.8 GB.
    assert ("default", None) not in done
    assert ("quickstart", None) in done
    probe._memory = 2e9
    probe.run()
    assert done[-1] == ("default", None)
    probe._seconds = speed_probe.time.perf_counter() - speed_probe._START
    done.clear()
    probe.run()
    assert done == [("default", speed_probe.FEW)]
