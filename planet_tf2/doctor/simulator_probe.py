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
from planet_tf2.data.first_look import image_remark
from planet_tf2.doctor.graphics import SHADOW_SIZE


def main(seconds: float) -> None:
    """Measures for about so many seconds."""
    env = _open()

    def step() -> None:
        env.step(env.action_space.sample())

    report = {}
    if os.environ["MUJOCO_GL"] != "off":
        # As in the file of an episode.
        frames = []
        for _ in range(10):
            step()
            frames.append(env.render())
        if remark := image_remark(np.stack(frames)):
            sys.exit(remark)
        file = zlib.compress(np.stack(frames).tobytes())
        report["bytes_per_frame"] = len(file) / len(frames)
        report["frames_per_second"] = _rate(env.render, seconds / 2)
        light = _open(SHADOW_SIZE)
        report["light_frames_per_second"] = _rate(light.render, seconds / 2)
    report["steps_per_second"] = _rate(step, seconds / 4)
    print(json.dumps(report), flush=True)


def _open(shadow_size: int | None = None) -> envs.DmEnv:
    env = envs.make_suite("cheetah", "run", None, 0, 64, shadow_size)
    env.action_space.seed(0)
    env.reset(seed=0)
    return env


def _rate(work: Callable[[], object], seconds: float) -> float:
    """Returns how often something can be done per second."""
    work()  # The first frame sets the graphics up.
    start = time.perf_counter()
    count = 0
    # An episode has 1,000 steps.
    while count < 3 or (count < 900 and time.perf_counter() - start < seconds):
        work()
        count += 1
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main(float(sys.argv[1]))
