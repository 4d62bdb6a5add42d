"""Times updates and decisions of the real program, and the memory they take.

Run as `python -m planet_tf2.doctor.speed_probe SECONDS BYTES AGENT`.
Prints a JSON object for everything that was measured, at once, so that nothing
is lost if it has to be stopped. It leaves out what would take it beyond so many
seconds or bytes of memory.
"""

import itertools
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

from planet_tf2 import agents  # noqa: E402
from planet_tf2.agents.agent import Agent  # noqa: E402
from planet_tf2.configs.environments import task_spaces  # noqa: E402
from planet_tf2.data.loader import made_up  # noqa: E402
from planet_tf2.doctor import full_run  # noqa: E402
from planet_tf2.tools import devices, seeds  # noqa: E402

# A batch of the preset `default` may take longer than there is time for.
FEW = 5
_UPDATES = 3
_ENOUGH_SECONDS = 3.0


class Probe:
    """Measures until the time is up.

    Args:
      seconds: how long, from the start of the process.
      memory: bytes that may be used.
      agent: name of the agent.
    """

    def __init__(
        self, seconds: float, memory: float, agent: str = agents.DEFAULT
    ):
        self._seconds = seconds
        self._memory = memory
        self._name = agent

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
        self.report("start", gpus=gpus)
        first, *others = full_run.presets(self._name)
        few = self._update(first, FEW)
        tracing = few["trace_seconds"]
        self._decision(first)
        for preset in others:
            if self.left > 2 * tracing:
                self._update(preset)
                self._decision(preset)
        scale = self._params(first)["batch_shape"][0] / FEW
        growth = few["peak_bytes"] - few["resident_bytes"]
        needed = tracing + 2.5 * scale * few["seconds"]
        memory = few["resident_bytes"] + scale * growth
        if self.left > needed and memory < self._memory:
            self._update(first, updates=1)

    def _params(self, preset: str) -> Mapping[str, Any]:
        return agents.resolve(preset, agent=self._name)

    def _agent(self, params: Mapping[str, Any]) -> Agent:
        """Makes an agent for the first of the tasks, with random weights."""
        package = agents.find(self._name)
        spaces = task_spaces(params["tasks"][0], params, package.VECTOR_ACTIONS)
        return package.make_agent(params, *spaces)

    def _update(
        self, preset: str, sequences: int | None = None, updates: int = _UPDATES
    ) -> dict[str, float]:
        """Measures gradient steps with batches of some size."""
        params = self._params(preset)
        size = sequences or params["batch_shape"][0]
        agent = self._agent(params)
        batch = _batch(agent, size, params["batch_shape"][1])
        step_graph = tf.function(agent.train_step, autograph=False)
        start = time.perf_counter()
        step_graph.get_concrete_function(batch, seeds.derive(0))
        tracing = time.perf_counter() - start
        before = _resident()

        def step(number: int) -> None:
            values = step_graph(batch, seeds.derive(number))
            float(values[agent.loss_names[0]])

        variables = agent.trained_variables
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
        agent = self._agent(self._params(preset))
        actor = agent.actor()
        everyone = tf.constant([0])
        perform = tf.function(
            lambda observ, seed: actor.perform(everyone, observ, seed=seed),
            autograph=False,
        )
        observ = {
            name: tf.zeros([1, *space.shape], space.dtype)
            for name, space in agent.observation_space.items()
        }

        def decide(number: int) -> None:
            perform(observ, seeds.derive(number)).numpy()

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


def _batch(agent: Agent, size: int, length: int) -> dict[str, tf.Tensor]:
    """Makes up what the agent learns from, `[size, length, ...]`."""
    types = {n: space.dtype for n, space in agent.observation_space.items()}
    types |= {"is_first": bool, "terminal": bool}
    example = {
        name: np.zeros((1, *shape), types.get(name, np.float32))
        for name, shape in agent.batch_spec.items()
    }
    episodes = list(itertools.islice(made_up(example, length, (0,)), size))
    batch = {key: np.stack([e[key] for e in episodes]) for key in example}
    agent.action_space.seed(0)
    batch["action"] = np.stack(
        [
            [agent.action_space.sample() for _ in range(length)]
            for _ in range(size)
        ]
    )
    return {name: tf.constant(values) for name, values in batch.items()}


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
    Probe(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]).run()
