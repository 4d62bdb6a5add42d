"""What a whole run would take here, from what its parts take."""

import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.filesize import decimal

from planet_tf2 import agents
from planet_tf2.configs import tasks
from planet_tf2.configs.step_schedule import StepSchedule
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
_SMALLER_BATCH = ("micro_batches=5", "batch_size=4")


class Work(NamedTuple):
    """What there is to do in a run."""

    updates: int
    test_batches: int  # Those that are only tested on.
    decisions: int  # In all episodes but the random ones; of several together.
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
    latent_bytes: float = 0.0  # What an agent wants to be stored with it.


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
    """Counts what a run does until it is done, or has so many episodes.

    Of those that are trained by steps, everything is counted.
    """
    package = agents.find(agent)
    by_steps = agents.schedule(package, params)
    if by_steps is not None:
        return _plan_steps(params, by_steps)
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
    decisions, repeats = _lengths(params)
    total = played + 2 * seeds
    return Work(
        updates=updates,
        test_batches=epochs * test,
        decisions=round(played * np.mean(decisions)),
        frames=round(total * np.mean(decisions + 1)),
        simulator_steps=round(total * np.mean(decisions * repeats)),
        train_episodes=seeds + trained,
    )


def _plan_steps(params: Mapping[str, Any], by_steps: StepSchedule) -> Work:
    """Counts what a run by steps does."""
    decisions, repeats = _lengths(params)
    length, count = np.mean(decisions), len(params["tasks"])
    updates = by_steps.epochs * by_steps.train_updates
    acting = max(0, updates - by_steps.pretrain)
    trained = float(acting * by_steps.decisions_per_update)
    tested = by_steps.epochs * by_steps.eval_episodes * count
    total = by_steps.prefill + trained + tested * length
    together = min(by_steps.envs, by_steps.eval_episodes) or 1
    rounds = trained / (by_steps.envs * count) + tested * length / together
    return Work(
        updates=updates,
        test_batches=by_steps.epochs * by_steps.test_updates,
        decisions=round(rounds),
        frames=round(total * (1 + 1 / length)),
        simulator_steps=round(total * np.mean(repeats)),
        train_episodes=round((by_steps.prefill + trained) / length),
    )


def _lengths(params: Mapping[str, Any]) -> tuple[np.ndarray, list[int]]:
    """Returns decisions of an episode, and steps of a decision, by task."""
    known = [tasks.get_task(name) for name in params["tasks"]]
    repeats = [params["action_repeat"] or t.action_repeat for t in known]
    limit = params.get("time_limit")
    lengths = [limit or t.max_length or 1000 for t in known]
    return np.array(lengths) // repeats, repeats


def forecast(
    work: Work,
    speed: Speed,
    machine: Machine,
    params: Mapping[str, Any],
    by_steps: StepSchedule | None = None,
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
        if params.get("draw_images", True):
            seconds += work.frames / rate
        seconds += work.simulator_steps / frames.steps_per_second
        frame_bytes = frames.bytes_per_frame
    loaded, latents = work.frames * speed.step_bytes, 0.0
    if by_steps is not None:
        held = min(work.frames, 1.1 * by_steps.dataset_size)
        loaded, latents = held * speed.step_bytes, held * speed.latent_bytes
        if by_steps.max_bytes is not None:
            loaded = min(loaded, 1.1 * by_steps.max_bytes)
    elif params["loader_max_bytes"] is not None:
        loaded = min(loaded, 2 * params["loader_max_bytes"])
    program = max(speed.peak_bytes, 3e9 if machine.gpu_memory else 0)
    files = work.frames * frame_bytes * speed.step_bytes / _FRAME_BYTES
    # Checkpoints hold them too, of which there are three. While one is written,
    # its content is in memory twice.
    memory = int(program + _WORKER_BYTES + loaded + 3 * latents)
    disk = int(files + _BYTES_PER_WEIGHT * speed.weights + 3 * latents)
    return {"seconds": seconds, "memory_bytes": memory, "disk_bytes": disk}


def check_preset(
    preset: str, speed: Speed, machine: Machine, agent: str = agents.DEFAULT
) -> Finding:
    """Says what a run of a preset would take here."""
    params = agents.resolve(preset, agent=agent)
    work = plan_work(params, agent=agent)
    package = agents.find(agent)
    by_steps = agents.schedule(package, params)
    needed = forecast(work, speed, machine, params, by_steps)
    seconds, memory, disk = needed.values()
    text = (
        f"{preset}: {work.train_episodes:,} episodes of "
        f"{', '.join(params['tasks'])} take about {duration(seconds)}, "
        f"{decimal(memory)} of memory and {decimal(disk)} of disk"
    )
    fix = None
    if memory > machine.memory:
        names = (*_SMALLER_BATCH, "loader_max_bytes=1e9", "dataset_bytes=1e9")
        fix = _flags(package, names)
        text += f". There are only {decimal(machine.memory)} of memory"
    elif machine.gpu_memory and speed.gpu_peak_bytes > machine.gpu_memory:
        fix = _flags(package, _SMALLER_BATCH)
        text += ". That is more than the graphics card has"
    elif disk > machine.disk:
        fix = "--logdir on a disk with more room"
        text += f". There are only {decimal(machine.disk)} of disk"
    elif seconds > 7 * _DAY and preset == PRESETS[0]:
        other = presets(agent)[-1]
        fix = "a machine with a GPU"
        fix = f"--config {other}, or {fix}" if other != preset else fix
    details = {"preset": preset, **needed, **work._asdict()}
    return (note if fix else judge)("full run", text, fix, **details)


def _flags(package: types.ModuleType, settings: Sequence[str]) -> str:
    """Returns as flags those settings that an agent has."""
    known = package.Parameters.model_fields
    return " ".join(f"--{x}" for x in settings if x.partition("=")[0] in known)


def duration(seconds: float) -> str:
    """Writes a time span roughly, as `3.5 minutes` or `25.0 days`."""
    for unit, size in (("days", _DAY), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:.1f} minutes"
