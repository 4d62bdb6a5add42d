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

_TASK = tasks.get_task("cheetah_run")
_SIZE = 64


def main() -> None:
    """Measures for about as many seconds as the argument says."""
    seconds = float(sys.argv[1])
    env = _open()
    report = {
        "steps_per_second": _rate(lambda: _step(env), seconds / 4, 900),
    }
    if os.environ.get("MUJOCO_GL") != "off":
        report["frames_per_second"] = _frame_rate(env, seconds / 2)
        report["bytes_per_frame"] = _compressed_size()
        light = _open(SHADOW_SIZE)
        report["light_frames_per_second"] = _frame_rate(light, seconds / 2)
    print(json.dumps(report), flush=True)


def _open(shadow_size: int | None = None) -> envs.DMControl:
    env = envs.DMControl(
        _TASK.domain, _TASK.task, size=_SIZE, shadow_size=shadow_size
    )
    env.action_space.seed(0)
    env.reset(seed=0)
    return env


def _step(env: envs.DMControl) -> None:
    env.step(env.action_space.sample())


def _frame_rate(env: envs.DMControl, seconds: float) -> float:
    env.render()  # Sets the graphics up.
    return _rate(env.render, seconds, 500)


def _rate(work: Callable[[], object], seconds: float, most: int) -> float:
    """Returns how often something can be done per second."""
    start = time.perf_counter()
    count = 0
    while count < 3 or (count < most and time.perf_counter() - start < seconds):
        work()
        count += 1
    return count / (time.perf_counter() - start)


def _compressed_size() -> float:
    """Returns the bytes that a frame of an episode takes on the disk."""
    env = _open()
    frames: list[np.ndarray] = []
    for _ in range(10):
        _step(env)
        frames.append(env.render())
    return len(zlib.compress(np.stack(frames).tobytes())) / len(frames)


if __name__ == "__main__":
    main()
