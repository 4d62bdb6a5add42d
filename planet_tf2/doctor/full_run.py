"""What a whole run would take here, from what its parts take."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.filesize import decimal

from planet_tf2 import agents
from planet_tf2.configs import tasks
from planet_tf2.doctor.findings import Finding, judge, note
from planet_tf2.doctor.graphics import Frames
from planet_tf2.tools import schedule

EPISODES = 1000  # What the paper's curves end with.
# Those to tell about, the largest first, and for small machines last.
PRESETS = ("default", "quickstart", "cpu")

_FRAME_BYTES = 64 * 64 * 3  # Of the pictures that `Frames` is about.
# An environment's process and the loader beside the training step.
_WORKER_BYTES = 0.35e9
# Three checkpoints, each with weights and two moments of each in float32.
_BYTES_PER_WEIGHT = 3 * 3 * 4
_DAY = 86400


class Work(NamedTuple):
    """What there is to do in a run."""

    updates: int
    test_batches: int  # Those that are only tested on.
    decisions: int  # In all episodes but the random ones.
    frames: int  # To render, and to keep.
    simulator_steps: int
    train_episodes: int  # The random ones included.


class Speed(NamedTuple):
    """What the parts of a preset's run take."""

    trace_seconds: float  # Building the graph of an update.
    update_seconds: float
    decision_seconds: float
    scaled_from: int | None  # Sequences of a smaller batch that was measured.
    peak_bytes: float  # Memory of the program without episodes.
    gpu_peak_bytes: float  # Of which on the GPU; 0 without one.
    weights: int
    step_bytes: float  # Memory of a time step of an episode.


class Machine(NamedTuple):
    """What there is for a run."""

    memory: int  # Bytes.
    gpu_memory: float  # Bytes of the GPU; 0 without one.
    disk: int  # Free bytes.
    frames: Frames | None  # If rendering works.


def presets(agent: str = agents.DEFAULT) -> list[str]:
    """Returns those of `PRESETS` that an agent has, or its first."""
    known = agents.find(agent).PRESETS
    return [name for name in PRESETS if name in known] or list(known)[:1]


def plan_work(
    params: Mapping[str, Any],
    episodes: int = EPISODES,
    agent: str = agents.DEFAULT,
) -> Work:
    """Counts what a run does until it is done, or has so many episodes."""
    package = agents.find(agent)
    size, names = params["batch_shape"][0], params["tasks"]
    train = -(-params["train_steps"] // size)
    test = -(-params["test_steps"] // size)
    epochs, rest = divmod(-(-params["max_steps"] // size), train + test)
    most = epochs * train + min(rest, train)
    seeds = params["num_seed_episodes"] * len(names)
    steps = size * np.arange(most)
    collected = np.zeros(most, int)
    for entry in package.train_collects(params):
        times = entry["after"], entry["every"], entry["until"]
        due = schedule.binary(steps, size, *times)
        collected += entry["batch_size"] * len(names) * np.cumsum(due)
    enough = int(np.searchsorted(collected, episodes - seeds))
    updates = min(enough + 1, most)
    epochs = updates // train
    tested = sum(e["batch_size"] for e in package.test_collects(params))
    trained = int(collected[updates - 1])
    played = trained + epochs * len(names) * tested
    known = [tasks.get_task(name) for name in names]
    repeats = [params["action_repeat"] or t.action_repeat for t in known]
    decisions = np.array([t.max_length or 1000 for t in known]) // repeats
    total = played + 2 * seeds
    return Work(
        updates=updates,
        test_batches=epochs * test,
        decisions=round(played * np.mean(decisions)),
        frames=round(total * np.mean(decisions + 1)),
        simulator_steps=round(total * np.mean(decisions * repeats)),
        train_episodes=seeds + trained,
    )


def forecast(
    work: Work, speed: Speed, machine: Machine, params: Mapping[str, Any]
) -> dict[str, float]:
    """Adds up what a run takes: seconds, memory_bytes and disk_bytes."""
    # Losses without gradients take about a third.
    updates = work.updates + work.test_batches / 3
    seconds = updates * speed.update_seconds
    seconds += work.decisions * speed.decision_seconds
    frame_bytes = _FRAME_BYTES / 4
    if (frames := machine.frames) is not None:
        rate = frames.frames_per_second
        if params["shadow_size"] is not None:
            rate = frames.light_frames_per_second
        seconds += work.frames / rate
        seconds += work.simulator_steps / frames.steps_per_second
        frame_bytes = frames.bytes_per_frame
    loaded = work.frames * speed.step_bytes
    if params["loader_max_bytes"] is not None:
        loaded = min(loaded, 2 * params["loader_max_bytes"])
    program = max(speed.peak_bytes, 3e9 if machine.gpu_memory else 0)
    files = work.frames * frame_bytes * speed.step_bytes / _FRAME_BYTES
    memory = int(program + _WORKER_BYTES + loaded)
    disk = int(files + _BYTES_PER_WEIGHT * speed.weights)
    return {"seconds": seconds, "memory_bytes": memory, "disk_bytes": disk}


def check_preset(
    preset: str, speed: Speed, machine: Machine, agent: str = agents.DEFAULT
) -> Finding:
    """Says what a run of a preset would take here."""
    params = agents.resolve(preset, agent=agent)
    work = plan_work(params, agent=agent)
    needed = forecast(work, speed, machine, params)
    seconds, memory, disk = needed.values()
    text = (
        f"{preset}: {work.train_episodes:,} episodes of "
        f"{', '.join(params['tasks'])} take about {duration(seconds)}, "
        f"{decimal(memory)} of memory and {decimal(disk)} of disk"
    )
    fix = None
    if memory > machine.memory:
        fix = "--micro_batches=5 --loader_max_bytes=1e9"
        text += f". There are only {decimal(machine.memory)} of memory"
    elif machine.gpu_memory and speed.gpu_peak_bytes > machine.gpu_memory:
        fix = "--micro_batches=5"
        text += ". That is more than the graphics card has"
    elif disk > machine.disk:
        fix = "--logdir on a disk with more room"
        text += f". There are only {decimal(machine.disk)} of disk"
    elif seconds > 7 * _DAY and preset == PRESETS[0]:
        fix = f"--config {PRESETS[-1]}, or a machine with a GPU"
    details = {"preset": preset, **needed, **work._asdict()}
    return (note if fix else judge)("full run", text, fix, **details)


def duration(seconds: float) -> str:
    """Writes a time span roughly, as `3.5 minutes` or `25.0 days`."""
    for unit, size in (("days", _DAY), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:.1f} minutes"
