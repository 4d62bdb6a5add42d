"""What does cheaper shadow_size bring, and which pixels does it change?

Draws the same states of an episode of random actions with shadow maps of
several sizes, and compares the images with those of the first. Times are of the
processor, all threads of this process together.
"""

import os
import statistics
import time
from typing import Any

import harness
import numpy as np
from absl import flags

from planet_tf2 import agents
from planet_tf2.configs import builders, tasks
from planet_tf2.envs import child_process, rendering

FLAGS = flags.FLAGS

_SUITE = [t.name for t in tasks.TASKS.values() if t.kind == tasks.DM_CONTROL]
flags.DEFINE_string("config", "default", "Preset that says how to draw.")
flags.DEFINE_list("tasks", _SUITE, "Tasks of the control suite.")
flags.DEFINE_list(
    "shadow_sizes", ["2048", "1024", "512", "0"], "Sides of the map."
)
flags.DEFINE_integer("states", 40, "States per task, in one episode.", 1)


def run() -> harness.Result:
    # TensorFlow must not be in this process.
    variables = rendering.gl_variables(rendering.choose_backend().name)
    child_process.update_environ(os.environ, variables)
    params = agents.resolve(FLAGS.config)
    try:
        rows = [row for task in FLAGS.tasks for row in _compare(task, params)]
    except ValueError as error:
        raise harness.Missing(error) from None
    bits = params["image_bits"]
    return harness.Result(
        f"Shadow maps, otherwise as in {FLAGS.config}",
        ("task", "map", "CPU ms", "pixels", f"{bits} bits", "mean", "most"),
        rows,
        {f"{task}/{shadow_size}": ms for task, shadow_size, ms, *_ in rows},
        [
            "Pixels that differ from those of the first, also in the bits that"
            " the model sees; mean and largest difference, of 255."
        ],
    )


def _compare(task: str, params: dict[str, Any]) -> list[tuple]:
    """Returns the rows of a task."""
    envs = [
        _Drawn(task, shadow_size, params) for shadow_size in FLAGS.shadow_sizes
    ]
    for _ in range(FLAGS.states):
        for env in envs:  # In turn.
            env.step()
    first, shift = np.stack(envs[0].images), 8 - params["image_bits"]
    rows = []
    for shadow_size, env in zip(FLAGS.shadow_sizes, envs, strict=True):
        images = np.stack(env.images)
        there = (images != first).any(-1).mean()
        seen = (images >> shift != first >> shift).any(-1).mean()
        change = np.abs(images.astype(int) - first)
        milliseconds = 1000 * statistics.median(env.seconds)
        shares = f"{there:.3%}", f"{seen:.3%}"
        figures = change.mean(), int(change.max())
        rows.append((task, shadow_size, milliseconds, *shares, *figures))
        env.close()
    return rows


class _Drawn:
    """An environment, its images and the times of the frames."""

    def __init__(self, task: str, shadow_size: str, params: dict[str, Any]):
        length = tasks.get_task(task).max_length or 1000
        self._env = builders.make_env(
            task,
            length // FLAGS.states,
            image_size=params["image_size"],
            image_supersampling=params["image_supersampling"],
            shadow_size=int(shadow_size),
        )
        self._env.reset(seed=0)  # The first frame sets everything up.
        self._env.action_space.seed(0)
        self.images: list[np.ndarray] = []
        self.seconds: list[float] = []
        simulator = self._env.unwrapped
        self._render, simulator.render = simulator.render, self._timed
        self.close = self._env.close

    def step(self) -> None:
        action = self._env.action_space.sample()
        self.images.append(self._env.step(action)[0]["image"])

    def _timed(self) -> np.ndarray:
        start = time.process_time()
        image = self._render()
        self.seconds.append(time.process_time() - start)
        return image


if __name__ == "__main__":
    harness.main(run)
