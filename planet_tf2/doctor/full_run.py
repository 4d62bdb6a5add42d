"""What a whole run would take here, from what its parts take."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from planet_tf2 import agents
from planet_tf2.configs import tasks
from planet_tf2.doctor.findings import NOTE, OK, Finding
from planet_tf2.doctor.graphics import Frames
from planet_tf2.doctor.hardware import Card, Memory
from planet_tf2.tools import schedule

EPISODES = 1000  # What the paper's curves end with.
# Those to tell about, the largest first, and for small machines last.
PRESETS = ("default", "quickstart", "cpu")

_FRAME_BYTES = 64 * 64 * 3  # Of the pictures that `Frames` is about.
# An environment's process and the loader beside the training step.
_WORKER_BYTES = 0.35e9
_CHECKPOINTS, _VALUES_PER_WEIGHT, _VALUE_BYTES = 3, 3, 4
_DAY = 86400
# Units in seconds, and up to where each is used.
_UNITS = (
    ("second", 1, 90),
    ("minute", 60, 90 * 60),
    ("hour", 3600, 48 * 3600),
    ("day", _DAY, float("inf")),
)


class Work(NamedTuple):
    """What there is to do in a run.

    Attributes:
      updates: gradient steps.
      test_batches: batches that are only tested on.
      decisions: of the agent, in all episodes but the random ones.
      frames: pictures to render, which are also those to keep.
      simulator_steps: of all episodes.
      train_episodes: episodes to train on, the random ones included.
      complete: whether the run ends by itself, before `EPISODES`.
    """

    updates: int
    test_batches: int
    decisions: int
    frames: int
    simulator_steps: int
    train_episodes: int
    complete: bool


class Speed(NamedTuple):
    """What the parts of a preset's run take.

    Attributes:
      update_seconds: a gradient step.
      decision_seconds: a decision.
      scaled_from: sequences of the batch that was measured instead of a whole
        one, or None.
      peak_bytes: memory of the program without episodes.
      gpu_peak_bytes: of which on the GPU; 0 without one.
      weights: number of weights of the agent.
      step_bytes: what a time step of an episode takes in memory.
    """

    update_seconds: float
    decision_seconds: float
    scaled_from: int | None
    peak_bytes: float
    gpu_peak_bytes: float
    weights: int
    step_bytes: float


class Machine(NamedTuple):
    """What there is for a run.

    Attributes:
      memory: of the processor.
      disk_bytes: free space.
      cards: graphics cards that TensorFlow uses.
      frames: what rendering takes, if it works.
    """

    memory: Memory
    disk_bytes: float
    cards: list[Card]
    frames: Frames | None


class Forecast(NamedTuple):
    """What a run takes in the end."""

    seconds: float
    memory_bytes: float
    disk_bytes: float


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

    Args:
      params: parameters of the run.
      episodes: training episodes to stop at, the random ones included.
      agent: name of the agent.
    """
    package = agents.find(agent)
    names = params["tasks"]
    size = params["batch_shape"][0]
    train, test = (
        -(-params[f"{split}_steps"] // size) for split in ("train", "test")
    )
    epochs, rest = divmod(-(-params["max_steps"] // size), train + test)
    most = epochs * train + min(rest, train)
    seeds = params["num_seed_episodes"] * len(names)
    steps = size * np.arange(most)
    collected = np.zeros(most, int)
    for entry in package.train_collects(params):
        due = schedule.binary(
            steps, size, entry["after"], entry["every"], entry["until"]
        )
        collected += entry["batch_size"] * len(names) * np.cumsum(due)
    enough = int(np.searchsorted(collected, episodes - seeds))
    updates = min(enough + 1, most)
    epochs = updates // train
    played = int(collected[updates - 1]) + epochs * len(names) * sum(
        entry["batch_size"] for entry in package.test_collects(params)
    )
    lengths = [_episode_length(name, params) for name in names]
    decisions, simulator_steps = np.mean(lengths, axis=0)
    total = played + 2 * seeds
    return Work(
        updates=updates,
        test_batches=epochs * test,
        decisions=round(played * decisions),
        frames=round(total * (decisions + 1)),
        simulator_steps=round(total * simulator_steps),
        train_episodes=seeds + int(collected[updates - 1]),
        complete=updates == most,
    )


def forecast(
    work: Work,
    speed: Speed,
    frames: Frames | None,
    params: Mapping[str, Any],
    on_gpu: bool = False,
) -> Forecast:
    """Adds up what the parts of a run take.

    Args:
      work: what there is to do.
      speed: what was measured of the agent.
      frames: what was measured of the simulator, if it renders.
      params: parameters of the run, of which those of shadows and of the
        loader's memory count.
      on_gpu: whether batches are computed on a GPU, which has memory of its
        own.
    """
    # Losses without gradients take about a third.
    updates = work.updates + work.test_batches / 3
    seconds = updates * speed.update_seconds
    seconds += work.decisions * speed.decision_seconds
    frame_bytes = _FRAME_BYTES / 4
    if frames is not None:
        light = params["shadow_size"] is not None
        rate = (
            frames.light_frames_per_second
            if light
            else frames.frames_per_second
        )
        seconds += work.frames / rate
        seconds += work.simulator_steps / frames.steps_per_second
        frame_bytes = frames.bytes_per_frame
    episodes = work.frames * speed.step_bytes
    if params["loader_max_bytes"] is not None:
        episodes = min(episodes, 2 * params["loader_max_bytes"])
    program = max(speed.peak_bytes, 3e9) if on_gpu else speed.peak_bytes
    checkpoint = speed.weights * _VALUES_PER_WEIGHT * _VALUE_BYTES
    files = work.frames * frame_bytes * speed.step_bytes / _FRAME_BYTES
    return Forecast(
        seconds=seconds,
        memory_bytes=program + _WORKER_BYTES + episodes,
        disk_bytes=files + _CHECKPOINTS * checkpoint,
    )


def read_speed(
    records: Iterable[Mapping[str, Any]],
    preset: str,
    agent: str = agents.DEFAULT,
) -> Speed | None:
    """Returns what the probe says of a preset, or None if that is too little.

    A smaller batch stands for the whole one where that was not measured: the
    time is taken to grow with the number of sequences.
    """
    records = [r for r in records if r.get("preset") == preset]
    updates = [r for r in records if r["what"] == "update"]
    decisions = [r for r in records if r["what"] == "decision"]
    if not updates or not decisions:
        return None
    measured = max(updates, key=lambda record: record["sequences"])
    size = agents.resolve(preset, agent=agent)["batch_shape"][0]
    scale = size / measured["sequences"]
    growth = measured["peak_bytes"] - measured["resident_bytes"]
    return Speed(
        update_seconds=scale * measured["seconds"],
        decision_seconds=decisions[0]["seconds"],
        scaled_from=measured["sequences"] if scale > 1 else None,
        peak_bytes=measured["resident_bytes"] + scale * growth,
        gpu_peak_bytes=scale * measured["gpu_peak_bytes"],
        weights=measured["weights"],
        step_bytes=measured["step_bytes"],
    )


def check_preset(
    preset: str, speed: Speed, machine: Machine, agent: str = agents.DEFAULT
) -> Finding:
    """Says what a run of a preset would take here.

    Args:
      preset: its name.
      speed: what its parts take.
      machine: what there is.
      agent: name of the agent.
    """
    params = agents.resolve(preset, agent=agent)
    work = plan_work(params, agent=agent)
    cards, memory = machine.cards, machine.memory
    needed = forecast(work, speed, machine.frames, params, bool(cards))
    text = (
        f"{preset}: {work.train_episodes:,} episodes of "
        f"{', '.join(params['tasks'])} take about {duration(needed.seconds)}, "
        f"{_size(needed.memory_bytes)} of memory and "
        f"{_size(needed.disk_bytes)} of disk"
    )
    details = {"preset": preset, **needed._asdict(), **work._asdict()}
    status, fix = NOTE, None
    if needed.memory_bytes > memory.total:
        fix = "--micro_batches=5 --loader_max_bytes=1e9"
        text += f". There are only {_size(memory.total)} of memory"
    elif cards and speed.gpu_peak_bytes > max(card.memory for card in cards):
        fix = "--micro_batches=5"
        text += ". That is more than the graphics card has"
    elif needed.disk_bytes > machine.disk_bytes:
        fix = "--logdir on a disk with more room"
        text += f". There are only {_size(machine.disk_bytes)} of disk"
    elif needed.seconds > 7 * _DAY and preset == PRESETS[0]:
        fix = f"--config {PRESETS[-1]}, or a machine with a GPU"
    else:
        status = OK
    return Finding("full run", status, text, fix, details)


def duration(seconds: float) -> str:
    """Writes a time span roughly, as `3 minutes` or `2.5 days`."""
    name, size = next((n, s) for n, s, most in _UNITS if seconds < most)
    amount = seconds / size
    digits = f"{amount:.1f}" if amount < 10 else f"{amount:,.0f}"
    digits = digits.removesuffix(".0")
    return f"{digits} {name}{'' if digits == '1' else 's'}"


def _size(amount: float) -> str:
    if amount < 1e9:
        return f"{amount / 1e6:.0f} MB"
    return f"{amount / 1e9:.1f} GB"


def _episode_length(name: str, params: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the decisions and simulator steps of a task's episode."""
    task = tasks.get_task(name)
    repeat = params["action_repeat"] or task.action_repeat
    decisions = (task.max_length or 1000) // repeat
    return decisions, decisions * repeat
