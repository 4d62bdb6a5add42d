"""Times MuJoCo: simulator steps, and frames if there is an OpenGL.

Run as `python -m planet_tf2.doctor.simulator_probe SECONDS`, with
MUJOCO_GL set to a backend or to `off`. Prints a JSON object.
"""

import json
import os
import sys
import time
import zlib
from collections.abc import Callable

import numpy as np

from planet_tf2 import envs
from planet_tf2.configs import tasks
from planet_tf2.doctor.graphics import SHADOW_SIZE

TASK = "cheetah_run"
_SIZE = 64


def main() -> None:
    """Measures for about as many seconds as the argument says."""
    seconds = float(sys.argv[1])
    task = tasks.get_task(TASK)
    env = _open(task)
    random = np.random.default_rng(0)
    low, high = env.action_space.low, env.action_space.high
    env.reset(seed=0)
    report = {
        "steps_per_second": _rate(
            lambda: env.step(random.uniform(low, high)), seconds / 4, 900
        )
    }
    if os.environ.get("MUJOCO_GL") != "off":
        report["frames_per_second"] = _frame_rate(env, seconds / 2)
        report["bytes_per_frame"] = _compressed_size(env, random)
        light = _open(task, SHADOW_SIZE)
        light.reset(seed=0)
        report["light_frames_per_second"] = _frame_rate(light, seconds / 2)
    print(json.dumps(report), flush=True)


def _open(task: tasks.Task, shadow_size: int | None = None) -> envs.DMControl:
    return envs.DMControl(
        task.domain, task.task, size=_SIZE, shadow_size=shadow_size
    )


def _frame_rate(env: envs.DMControl, seconds: float) -> float:
    env.render()  # Sets the graphics up.
    frames: list[np.ndarray] = []
    return _rate(lambda: frames.append(env.render()), seconds, 500)


def _rate(work: Callable[[], object], seconds: float, most: int) -> float:
    """Returns how often something can be done per second."""
    start = time.perf_counter()
    count = 0
    while count < 3 or (count < most and time.perf_counter() - start < seconds):
        work()
        count += 1
    return count / (time.perf_counter() - start)


def _compressed_size(env: envs.DMControl, random: np.random.Generator) -> float:
    """Returns the bytes that a frame of an episode takes on the disk."""
    env.reset(seed=1)
    low, high = env.action_space.low, env.action_space.high
    frames = []
    for _ in range(10):
        env.step(random.uniform(low, high))
        frames.append(env.render().tobytes())
    return len(zlib.compress(b"".join(frames))) / len(frames)


if __name__ == "__main__":
    main()
