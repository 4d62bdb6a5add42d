"""Where does the time of an episode go?

Runs episodes of the whole agent. The planner is timed inside the graph, physics
and rendering inside the worker. The rest is the encoder, the filter, the way to
the worker and back, writing the episode, and the graph itself.
"""

import contextlib
import statistics
import tempfile
import time
from typing import Any

import cases
import harness
import tensorflow as tf
from absl import flags

from planet_tf2.agents.planet import build
from planet_tf2.agents.planet.mpc_agent import MPCAgent
from planet_tf2.configs import environments, tasks
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.envs import Async, BatchEnv
from planet_tf2.tools import devices, seeds

FLAGS = flags.FLAGS

flags.DEFINE_integer("decisions", 100, "Length of the episodes.", 1)


class TimedPlanner:
    """Adds up the seconds that a planner takes, inside the graph."""

    def __init__(self, planner: Any):
        self._planner = planner
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    def __call__(self, state: dict[str, tf.Tensor], seed: tf.Tensor):
        with tf.control_dependencies([*state.values(), seed]):
            start = tf.timestamp()
        with tf.control_dependencies([start]):
            state = tf.nest.map_structure(tf.identity, state)
            seed = tf.identity(seed)
        plan = self._planner(state, seed)
        with tf.control_dependencies([plan]):
            self.seconds.assign_add(tf.timestamp() - start)
        return plan


def run() -> harness.Result:
    devices.prepare()
    harness.check_processor_only()
    params = cases.params()
    task = params["tasks"][0]
    repeat = params["action_repeat"] or tasks.get_task(task).action_repeat
    with contextlib.ExitStack() as stack:
        _, kwargs = environments.env_spec(
            task,
            {**params, "action_repeat": repeat},
            max_length=FLAGS.decisions * repeat,
            record_dir=stack.enter_context(tempfile.TemporaryDirectory()),
        )
        env = stack.enter_context(
            Async(
                "timed_env:make_env",
                kwargs,
                strategy=params["isolate_envs"],
                render=tasks.get_task(task).renders,
            )
        )
        action_size = env.action_space.shape[0]
        model = build.make_model(params, action_size)
        planner = TimedPlanner(build.make_planner(params, model, action_size))
        agent = MPCAgent(1, action_size, model, planner)
        rollout = Rollout(agent, InGraphBatchEnv(BatchEnv([env])))
        rollout([0], seeds.derive(0))
        episodes = [
            measure(rollout, planner, number) for number in range(FLAGS.rounds)
        ]
    return report(task, episodes, rollout.retraces)


def measure(rollout: Rollout, planner: Any, number: int) -> dict[str, float]:
    """Returns the seconds of an episode's parts."""
    planner.seconds.assign(0)
    start = time.perf_counter()
    (result,) = rollout([number], seeds.derive(number))
    total = time.perf_counter() - start
    parts = {
        "planner": float(planner.seconds),
        "physics": result["info"]["physics_seconds"],
        "rendering": result["info"]["rendering_seconds"],
    }
    rest = total - sum(parts.values())
    return {"episode": total, **parts, "the rest": rest}


def report(
    task: str, episodes: list[dict[str, float]], retraces: int
) -> harness.Result:
    rows = []
    for name in episodes[0]:
        seconds = statistics.median(e[name] for e in episodes)
        share = statistics.median(e[name] / e["episode"] for e in episodes)
        rows.append((name, seconds, seconds / FLAGS.decisions, share))
    return harness.Result(
        f"An episode of {task} with {FLAGS.decisions} decisions",
        ("part", "seconds", "per decision", "share"),
        rows,
        {"overhead_share": rows[-1][-1], "retraces": retraces},
        [f"Retraced {retraces} times."],
        len(episodes),
    )


if __name__ == "__main__":
    harness.main(run)
