"""What a whole run would take here, from what its parts take."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from planet_tf2 import agents
from planet_tf2.configs import collects, tasks
from planet_tf2.doctor.findings import NOTE, OK, Finding
from planet_tf2.doctor.graphics import Frames
from planet_tf2.doctor.hardware import Card, Memory

EPISODES = 1000  # What the paper's curves end with.
PRESETS = ("default", "quickstart", "cpu")  # Those to tell about.

_SIZE = 64  # Side of the images whose bytes are known.
# An environment's process and the loader beside the training step.
_WORKER_BYTES = 0.35e9
_CHECKPOINTS, _VALUES_PER_WEIGHT, _VALUE_BYTES = 3, 3, 4
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


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
      weights: number of weights of the model.
    """

    update_seconds: float
    decision_seconds: float
    scaled_from: int | None
    peak_bytes: float
    gpu_peak_bytes: float
    weights: int


def plan_work(params: Mapping[str, Any], episodes: int = EPISODES) -> Work:
    """Counts what a run does until it is done, or has so many episodes.

    Args:
      params: parameters of the run.
      episodes: training episodes to stop at, the random ones included.
    """
    names = params["tasks"]
    size = params["batch_shape"][0]
    train, test = (
        -(-params[f"{split}_steps"] // size) for split in ("train", "test")
    )
    seeds = params["num_seed_episodes"] * len(names)
    per_test = len(names) * sum(
        entry["batch_size"] for entry in collects.test_collects(params)
    )
    entries = collects.train_collects(params)
    # Steps of the training phase, in sequences.
    most = _train_steps(params["max_steps"], train * size, test * size)
    steps, collected = _until(entries, len(names), most, size, episodes - seeds)
    updates = steps // size
    epochs = updates // train
    played = collected + epochs * per_test
    lengths = [_episode_length(name, params) for name in names]
    decisions = sum(length for length, _ in lengths) / len(names)
    simulated = sum(total for _, total in lengths) / len(names)
    total = played + 2 * seeds
    return Work(
        updates=updates,
        test_batches=epochs * test,
        decisions=round(played * decisions),
        frames=round(total * (decisions + 1)),
        simulator_steps=round(total * simulated),
        train_episodes=seeds + collected,
        complete=steps >= most,
    )


def total_seconds(
    work: Work, speed: Speed, frames: Frames | None, light: bool = False
) -> float:
    """Returns how long a run takes.

    Args:
      work: what there is to do.
      speed: what the model's parts take.
      frames: what the simulator's parts take.
      light: whether shadows are drawn from smaller maps.
    """
    seconds = work.updates * speed.update_seconds
    # Losses without gradients take about a third.
    seconds += work.test_batches * speed.update_seconds / 3
    seconds += work.decisions * speed.decision_seconds
    if frames is not None:
        per_second = (
            frames.light_frames_per_second
            if light
            else frames.frames_per_second
        )
        seconds += work.frames / per_second
        seconds += work.simulator_steps / frames.steps_per_second
    return seconds


def total_memory(
    work: Work, speed: Speed, params: Mapping[str, Any], cards: bool = False
) -> float:
    """Returns the bytes of memory that a run takes in the end.

    Args:
      work: what there is to do.
      speed: what was measured.
      params: parameters of the run, of which the loader's bound counts.
      cards: whether the batches are computed on a graphics card, which has
        memory of its own.
    """
    episodes = work.frames * 3 * params["image_size"] ** 2
    if params["loader_max_bytes"] is not None:
        episodes = min(episodes, 2 * params["loader_max_bytes"])
    program = speed.peak_bytes if not cards else max(speed.peak_bytes, 3e9)
    return program + _WORKER_BYTES + episodes


def total_disk(
    work: Work, speed: Speed, frames: Frames | None, image_size: int = _SIZE
) -> float:
    """Returns the bytes of disk that a run takes in the end."""
    per_frame = frames.bytes_per_frame if frames else 3 * _SIZE**2 / 4
    per_frame *= (image_size / _SIZE) ** 2
    checkpoint = speed.weights * _VALUES_PER_WEIGHT * _VALUE_BYTES
    return work.frames * per_frame + _CHECKPOINTS * checkpoint


def read_speed(
    records: Iterable[Mapping[str, Any]], preset: str
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
    size = agents.resolve(preset)["batch_shape"][0]
    scale = size / measured["sequences"]
    growth = measured["peak_bytes"] - measured["resident_bytes"]
    return Speed(
        update_seconds=scale * measured["seconds"],
        decision_seconds=decisions[0]["seconds"],
        scaled_from=measured["sequences"] if scale > 1 else None,
        peak_bytes=measured["resident_bytes"] + scale * growth,
        gpu_peak_bytes=scale * measured["gpu_peak_bytes"],
        weights=measured["weights"],
    )


def check_preset(
    preset: str,
    speed: Speed,
    frames: Frames | None,
    memory: Memory | None,
    disk_bytes: float,
    cards: list[Card],
) -> Finding:
    """Says what a run of a preset would take here.

    Args:
      preset: its name.
      speed: what its parts take.
      frames: what rendering takes, if it works.
      memory: what there is.
      disk_bytes: free space.
      cards: graphics cards that TensorFlow uses.
    """
    params = agents.resolve(preset)
    work = plan_work(params)
    light = params["shadow_size"] is not None
    seconds = total_seconds(work, speed, frames, light)
    needed = total_memory(work, speed, params, bool(cards))
    disk = total_disk(work, speed, frames, params["image_size"])
    task = ", ".join(params["tasks"])
    text = (
        f"{preset}: {work.train_episodes:,} episodes of {task} take about "
        f"{duration(seconds)}, {_size(needed)} of memory and {_size(disk)} of "
        "disk"
    )
    details = {
        "preset": preset,
        "seconds": seconds,
        "memory_bytes": needed,
        "disk_bytes": disk,
        **work._asdict(),
    }
    status, fix = OK, None
    if memory is not None and needed > memory.total:
        status, fix = NOTE, "--micro_batches=5 --loader_max_bytes=1e9"
        text += f". There are only {_size(memory.total)} of memory"
    elif cards and speed.gpu_peak_bytes > max(card.memory for card in cards):
        status, fix = NOTE, "--micro_batches=5"
        text += ". That is more than the graphics card has"
    elif disk > disk_bytes:
        status, fix = NOTE, "--logdir on a disk with more room"
        text += f". There are only {_size(disk_bytes)} of disk"
    elif seconds > 7 * _DAY and preset == "default":
        status, fix = NOTE, f"--config {_smaller()}, or a machine with a GPU"
    return Finding("full run", status, text, fix, details)


def duration(seconds: float) -> str:
    """Writes a time span roughly, as `3 minutes` or `2.5 days`."""
    units = ((1, "second"), (_MINUTE, "minute"), (_HOUR, "hour"), (_DAY, "day"))
    most = (90 * 1, 90 * _MINUTE, 48 * _HOUR, math.inf)
    index = next(i for i, limit in enumerate(most) if seconds < limit)
    size, name = units[index]
    amount = seconds / size
    digits = f"{amount:.1f}" if amount < 10 else f"{amount:,.0f}"
    digits = digits.removesuffix(".0")
    return f"{digits} {name}{'' if digits == '1' else 's'}"


def _size(amount: float) -> str:
    if amount < 1e9:
        return f"{amount / 1e6:.0f} MB"
    return f"{amount / 1e9:.1f} GB"


def _smaller() -> str:
    """Returns the preset for those without a GPU."""
    return PRESETS[-1]


def _train_steps(max_steps: int, train: int, test: int) -> int:
    """Returns the steps of training phases among the first so many."""
    epochs, rest = divmod(max_steps, train + test)
    return epochs * train + min(rest, train)


def _until(
    entries: list[Mapping[str, Any]],
    num_tasks: int,
    most: int,
    size: int,
    episodes: int,
) -> tuple[int, int]:
    """Returns steps, and episodes collected, up to so many of either."""

    def collected(steps: int) -> int:
        return sum(
            num_tasks * entry["batch_size"] * _times(entry, steps, size)
            for entry in entries
        )

    if collected(most) < episodes:
        return most // size * size, collected(most)
    low, high = 0, most // size
    while high - low > 1:  # The first step with that many.
        middle = (low + high) // 2
        if collected(middle * size) >= episodes:
            high = middle
        else:
            low = middle
    return high * size, collected(high * size)


def _times(entry: Mapping[str, Any], steps: int, size: int) -> int:
    """Returns how often an entry is due in so many training steps."""
    after, every = entry["after"], entry["every"]
    last = steps - size  # Where the last update starts.
    if entry["until"] >= 0:
        last = min(last, entry["until"] - 1)
    if every <= 0 or last < after:
        return 0
    if every >= size:
        return (last - after) // every + 1
    return -(-last // size) - -(-after // size) + 1  # In each update.


def _episode_length(name: str, params: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the decisions and simulator steps of a task's episode."""
    task = tasks.get_task(name)
    repeat = params["action_repeat"] or task.action_repeat
    decisions = (task.max_length or 1000) // repeat
    return decisions, decisions * repeat
