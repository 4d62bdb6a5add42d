"""Times updates and decisions of the real program, and the memory they take.

Run as `python -m planet_tf2.doctor.speed_probe END BYTES AGENT`.
Prints a JSON object for everything that was measured, at once, so that nothing
is lost if it has to be stopped. It leaves out what would take it beyond END, as
`time.time` counts, or beyond so many bytes of memory.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import psutil
import tensorflow as tf

from planet_tf2 import agents
from planet_tf2.agents.agent import Agent, Batch
from planet_tf2.configs.environments import task_spaces
from planet_tf2.doctor import full_run
from planet_tf2.doctor.full_run import Speed
from planet_tf2.tools import devices, seeds

# A batch of the preset `default` may take longer than there is time for.
FEW = 5
_ENOUGH_SECONDS = 3.0


def main(end: float, memory: float, agent: str) -> None:
    """Measures what there is time for, the most important first."""
    gpus = devices.prepare()
    if not gpus:  # One that the package is not made for fails here.
        tf.constant(0).numpy()
    made_for = tf.sysconfig.get_build_info().get("cuda_compute_capabilities")
    start = {"gpus": gpus, "made_for": list(made_for or ())}
    print(json.dumps(start), flush=True)
    first, *others = full_run.presets(agent)
    few = measure(agent, first, FEW)
    for preset in others:
        if end - time.time() > 2 * few.trace_seconds:
            measure(agent, preset)
    needed = few.trace_seconds + 2.5 * few.update_seconds
    if end - time.time() > needed and few.peak_bytes < memory:
        measure(agent, first, decision_seconds=few.decision_seconds)


def measure(
    agent_name: str,
    preset: str,
    sequences: int | None = None,
    decision_seconds: float | None = None,
) -> Speed:
    """Measures a preset, and prints what was found.

    Batches may have fewer sequences; what an update takes is taken to grow with
    their number. Where the time of a decision is known, one update has to do.
    """
    params = agents.resolve(preset, agent=agent_name)
    package = agents.find(agent_name)
    spaces = task_spaces(params["tasks"][0], params, package.VECTOR_ACTIONS)
    agent = package.make_agent(params, *spaces)
    size, length = params["batch_shape"]
    batch = _batch(agent, sequences or size, length)
    step_graph = tf.function(agent.train_step, autograph=False)
    start = time.perf_counter()
    step_graph.get_concrete_function(batch, seeds.derive(0))
    trace_seconds = time.perf_counter() - start
    before = psutil.Process().memory_info().rss

    def update(number: int) -> None:
        values = step_graph(batch, seeds.derive(number))
        float(values[agent.loss_names[0]])

    update_seconds = _time(update, 1 if decision_seconds else 3)
    # Of macOS in bytes, of others in kilobytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
    gpu_peak = 0
    if tf.config.list_physical_devices("GPU"):
        memory = tf.config.experimental.get_memory_info("GPU:0")
        gpu_peak = int(memory["peak"])
    scale = size / (sequences or size)
    speed = Speed(
        trace_seconds=trace_seconds,
        update_seconds=scale * update_seconds,
        decision_seconds=decision_seconds or _time_decisions(agent),
        scaled_from=sequences if scale > 1 else None,
        peak_bytes=before + scale * (peak - before),
        gpu_peak_bytes=scale * gpu_peak,
        weights=sum(int(np.prod(v.shape)) for v in agent.trained_variables),
        step_bytes=sum(
            x.dtype.size * int(np.prod(x.shape[2:])) for x in batch.values()
        ),
        latent_bytes=float(
            sum(
                np.dtype(dtype).itemsize * math.prod(shape)
                for shape, dtype in agent.replay_latents.values()
            )
        ),
    )
    print(json.dumps({"preset": preset, "speed": speed._asdict()}), flush=True)
    return speed


def _time_decisions(agent: Agent) -> float:
    """Returns what a decision takes when an episode is collected."""
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
    return _time(lambda n: perform(observ, seeds.derive(n)).numpy(), 3)


def _time(work: Callable[[int], object], count: int) -> float:
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


def _batch(agent: Agent, size: int, length: int) -> Batch:
    """Makes up what the agent learns from, `[size, length, ...]`."""
    values = dict(agent.observation_space.sample())
    values["action"] = agent.action_space.sample()
    values["is_first"] = values["terminal"] = np.bool_(False)
    batch = {}
    for name, shape in agent.batch_spec.items():
        value = values.get(name, np.float32(0))
        batch[name] = tf.broadcast_to(value, [size, length, *shape])
    return batch


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
