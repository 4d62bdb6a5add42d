"""Planning with the true simulator in the place of the learned model.

A check that tells a broken planner from a model that has not learned yet. The
planner is the one that agents use; where it asks the latent cell what comes of
an action it is told by MuJoCo, and where it asks for rewards it is told those
of the task. What it then scores is what a perfect model would let it score.
The paper has the same experiment in table 1.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from planet_tf2 import agents, envs
from planet_tf2.configs import tasks
from planet_tf2.tools import seeds

PLANNERS = agents.find("planet").PLANNERS

State = dict[str, tf.Tensor]
Planner = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# "CEM + true simulator" in table 1 of the paper, 1000 candidates, 10 rounds.
PUBLISHED = {
    "cartpole_swingup": 850,
    "reacher_easy": 964,
    "cheetah_run": 656,
    "finger_spin": 825,
    "cup_catch": 993,
    "walker_walk": 994,
}


class SimulatorCell:
    """What planners need of a latent cell, from an `envs.BatchSimulator`.

    The state of the simulator is called `sample`, float64 `[N, S]`, and the
    reward of the step that led to it `reward`, float32 `[N]`.
    """

    def __init__(self, simulator: Any):
        self._simulator = simulator

    def noise(self, seed: tf.Tensor, shape: Sequence[Any]) -> tf.Tensor:
        """Returns nothing `[T, N, 0]`, since nothing is random."""
        return tf.zeros([*shape, 0])

    def transition(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Simulates an action `[N, A]` from each state."""
        del noise
        before = prev_state["sample"]
        sample, reward = tf.numpy_function(
            self._simulator.predict,
            [before, prev_action],
            [tf.float64, tf.float32],
        )
        return {
            "sample": tf.ensure_shape(sample, before.shape),
            "reward": tf.ensure_shape(reward, before.shape[:1]),
        }


def run_episodes(
    task: str,
    planner: str = "cem",
    *,
    episodes: int = 3,
    seed: int = 0,
    action_repeat: int | None = None,
    num_threads: int = 1,
    amount: int = 200,
    topk: int = 20,
    iterations: int = 5,
    **search: Any,
) -> Iterator[dict[str, Any]]:
    """Plans whole episodes with the true simulator, with a bar meanwhile.

    Args:
      task: name of a task of the control suite.
      planner: one of `PLANNERS`.
      episodes: number of episodes.
      seed: determines the start states and the planner's samples.
      action_repeat: simulator steps per decision; the task's own by default.
      num_threads: threads that simulate.
      amount: candidates per iteration.
      topk: candidates that the next iteration is fitted to.
      iterations: rounds of sampling and refitting.
      search: `horizon`, and the planner's own arguments; see
        `agents.planet.planning`.

    Yields:
      For each episode a dictionary of `episode`, `return`, `length` in agent
      steps and `seconds`.

    Raises:
      ValueError: the task is unknown, or not one of the control suite; or
        `topk` is too large.
      RenderingError: OpenGL is already loaded in this process.
    """
    if topk > amount:
        raise ValueError(
            f"topk is {topk}, but must be at most amount, which is {amount}."
        )
    spec = tasks.get_task(task)
    if spec.kind != tasks.DM_CONTROL or spec.kwargs:
        raise ValueError(
            f"Task {task!r} is no task of the control suite, or has arguments,"
            " so that there is no simulator to plan with."
        )
    envs.forbid_rendering()
    simulator = envs.BatchSimulator(
        spec.domain,
        spec.task,
        action_repeat or spec.action_repeat,
        num_threads,
        spec.max_length,
    )
    with contextlib.closing(simulator):
        search |= {"amount": amount, "topk": topk, "iterations": iterations}
        plan = _make_planner(simulator, planner, search)
        for number in range(episodes):
            yield _run_episode(simulator, plan, seed, number)


def _run_episode(
    simulator: Any, planner: Planner, seed: int, number: int
) -> dict[str, Any]:
    start = time.perf_counter()
    sequence = np.random.SeedSequence((seed, number))
    state = simulator.reset(int(sequence.generate_state(1)[0]))
    rewards, done = [], False
    with tqdm(unit="decision", leave=False, disable=None) as bar:
        while not done:
            decision_seed = seeds.derive(seed, number, len(rewards))
            action = planner(tf.constant(state), decision_seed)
            reward, done = simulator.step(action.numpy())
            state = simulator.state
            rewards.append(reward)
            bar.set_description(f"return {sum(rewards):.1f}", False)
            bar.update()
    return {
        "episode": number,
        "return": sum(rewards),
        "length": len(rewards),
        "seconds": time.perf_counter() - start,
    }


def _make_planner(
    simulator: Any, planner: str, search: Mapping[str, Any]
) -> Planner:
    """Makes a function from a state `[S]` and a seed to an action `[A]`."""
    cell = SimulatorCell(simulator)

    def plan(state: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        plans = PLANNERS[planner](
            cell,
            lambda states: tf.reduce_sum(states["reward"], 1),
            {"sample": state[None], "reward": tf.zeros([1])},
            simulator.action_size,
            seed=seed,
            **search,
        )
        return plans[0, 0]

    return tf.function(plan, autograph=False)
