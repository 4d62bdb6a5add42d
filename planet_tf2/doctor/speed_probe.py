"""Times updates and decisions of the real program, and the memory they take.

Run as `python -m planet_tf2.doctor.speed_probe SECONDS BYTES`.
Prints a JSON object for everything that was measured, at once, so that nothing
is lost if it has to be stopped. It leaves out what would take it beyond so many
seconds or bytes of memory.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import psutil

_START = time.perf_counter()

import tensorflow as tf  # noqa: E402

from planet_tf2.agents import resolve  # noqa: E402
from planet_tf2.agents.planet import make_agent as agents  # noqa: E402
from planet_tf2.configs import tasks  # noqa: E402
from planet_tf2.doctor import full_run  # noqa: E402
from planet_tf2.tools import devices, seeds  # noqa: E402
from planet_tf2.training import assemble  # noqa: E402

# A batch of the preset `default` may take longer than there is time for.
FEW = 5
_UPDATES = 3
_ENOUGH_SECONDS = 3.0


class Probe:
    """Measures until the time is up.

    Args:
      seconds: how long, from the start of the process.
      memory: bytes that may be used.
    """

    def __init__(self, seconds: float, memory: float):
        self._seconds = seconds
        self._memory = memory

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._seconds - (time.perf_counter() - _START)

    def report(self, what: str, **values: Any) -> None:
        """Tells what was measured."""
        print(json.dumps({"what": what, **values}), flush=True)

    def run(self) -> None:
        """Measures what there is time for, the most important first."""
        gpus = devices.prepare()
        tf.constant(0).numpy()
        self.report(
            "start",
            seconds=time.perf_counter() - _START,
            gpus=gpus,
            cuda=bool(tf.test.is_built_with_cuda()),
            resident_bytes=_resident(),
        )
        few = self._update("default", FEW)
        tracing = few["trace_seconds"]
        self._decision("default")
        for name in full_run.PRESETS:
            if name != "default" and self.left > 2 * tracing:
                self._update(name)
                self._decision(name)
        size = resolve("default")["batch_shape"][0]
        scale = size / FEW
        growth = few["peak_bytes"] - few["resident_bytes"]
        needed = tracing + 2.5 * scale * few["seconds"]
        memory = few["resident_bytes"] + scale * growth
        if self.left > needed and memory < self._memory:
            self._update("default", updates=1)

    def _update(
        self, preset: str, sequences: int | None = None, updates: int = _UPDATES
    ) -> dict[str, float]:
        """Measures gradient steps with batches of some size."""
        params = resolve(preset)
        size = sequences or params["batch_shape"][0]
        action_size = _action_size(params)
        model = assemble.make_model(params, action_size)
        learner = assemble.make_learner(params, model)
        batch = _batch(size, params, action_size)
        start = time.perf_counter()
        learner.train_step.get_concrete_function(batch, seeds.derive(0))
        tracing = time.perf_counter() - start
        before = _resident()

        def step(number: int) -> None:
            values = learner.train_step(batch, seeds.derive(number))
            float(values["total"])

        variables = model.main_variables
        values = {
            "preset": preset,
            "sequences": size,
            "trace_seconds": tracing,
            "seconds": _time(step, updates),
            "resident_bytes": before,
            "peak_bytes": _peak(),
            "gpu_peak_bytes": _gpu_peak(),
            "weights": int(sum(np.prod(v.shape) for v in variables)),
            "step_bytes": sum(
                x.dtype.size * int(np.prod(x.shape[2:])) for x in batch.values()
            ),
        }
        self.report("update", **values)
        return values

    def _decision(self, preset: str) -> None:
        """Measures decisions, as when an episode is collected."""
        params = resolve(preset)
        action_size = _action_size(params)
        model = assemble.make_model(params, action_size)
        agent = agents.make_agent(params, model, action_size)
        everyone = tf.constant([0])
        perform = tf.function(
            lambda image, seed: agent.perform(
                everyone, {"image": image}, seed=seed
            ),
            autograph=False,
        )
        side = params["image_size"]
        image = tf.zeros([1, side, side, 3], tf.uint8)

        def decide(number: int) -> None:
            perform(image, seeds.derive(number)).numpy()

        self.report("decision", preset=preset, seconds=_time(decide, 3))


def _time(work: Callable[[int], None], count: int) -> float:
    """Returns the shortest time of several, after one that does not count.

    On slow machines one has to do.
    """
    work(0)
    seconds: list[float] = []
    while len(seconds) < count and sum(seconds) < _ENOUGH_SECONDS:
        start = time.perf_counter()
        work(1 + len(seconds))
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _action_size(params: Mapping[str, Any]) -> int:
    return max(tasks.get_task(name).action_size for name in params["tasks"])


def _batch(
    size: int, params: Mapping[str, Any], action_size: int
) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(0)
    length, side = params["batch_shape"][1], params["image_size"]
    image = random.integers(0, 256, (size, length, side, side, 3), np.uint8)
    action = random.uniform(-1, 1, (size, length, action_size))
    return {
        "image": tf.constant(image),
        "action": tf.constant(action, tf.float32),
        "reward": tf.zeros([size, length]),
    }


def _resident() -> int:
    """Returns the memory of this process in bytes."""
    return psutil.Process().memory_info().rss


def _peak() -> int:
    """Returns the largest memory that this process had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _gpu_peak() -> int:
    """Returns the largest memory taken of the first GPU in bytes, if any."""
    if not tf.config.list_physical_devices("GPU"):
        return 0
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


if __name__ == "__main__":
    Probe(float(sys.argv[1]), float(sys.argv[2])).run()
