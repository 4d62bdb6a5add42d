"""Episodes of a trained agent, without noise and outside of its run."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.agents import of_run
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.environments import open_env, task_spaces
from planet_tf2.control.in_graph_batch_env import (
    InGraphBatchEnv,
    RolloutStopped,
)
from planet_tf2.control.simulate import Rollout
from planet_tf2.data import episodes
from planet_tf2.envs import Async, BatchEnv, EnvError
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.frames import is_image
from planet_tf2.evaluation.loading import LoadedRun
from planet_tf2.tools import seeds
from planet_tf2.tools.signals import StopSignals
from planet_tf2.training import assemble

# Tell the random numbers of different uses apart.
_ENVS, _AGENTS = 1, 2


class PlayedEpisode(NamedTuple):
    """An episode that was played.

    Attributes:
      score: its return, the sum of all rewards.
      length: its length in agent steps.
      arrays: the episode as it would be stored, if it was to be recorded.
    """

    score: float
    length: int
    arrays: dict[str, np.ndarray] | None


def play(
    run: LoadedRun,
    task: str,
    num_episodes: int,
    seed: int = 0,
    agents: int = 1,
    record: bool = False,
    images: bool = False,
) -> Iterator[PlayedEpisode]:
    """Plays noise-free episodes, several at a time.

    The environments live in processes of their own. Episode n starts as the
    seed and n say, whatever `agents` is; the planner's random numbers depend on
    `agents` too.

    Args:
      run: the loaded run.
      task: task to play.
      num_episodes: how many episodes, at least 1.
      seed: determines all randomness; a whole number of at least 0.
      agents: environments that are stepped at the same time, with one plan for
        all.
      record: whether to return what happened in the episodes.
      images: see `open_task`.

    Yields:
      The episodes, in order.

    Raises:
      KeyboardInterrupt: SIGTERM or Ctrl-C; the environments are closed.
      ValueError: the agent cannot act in the task.
    """
    agents = min(agents, num_episodes)
    with StopSignals() as signals, contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        opened = [
            stack.enter_context(
                open_task(run, task, place if record else None, images=images)
            )
            for _ in range(agents)
        ]
        env = InGraphBatchEnv(BatchEnv(opened), lambda: signals.requested)
        rollout = Rollout(run.agent.actor(agents), env)
        for first in range(0, num_episodes, agents):
            env_seeds = [env_seed(seed, first + n) for n in range(agents)]
            try:
                results = rollout(env_seeds, seeds.derive(seed, _AGENTS, first))
            except RolloutStopped:
                raise KeyboardInterrupt from None
            # A last round with too many has some that nobody asked for.
            for result in results[: num_episodes - first]:
                arrays = None
                if recorded := result["info"].get("episode"):
                    arrays = episodes.load_episode(recorded["path"])
                    pathlib.Path(recorded["path"]).unlink()
                yield PlayedEpisode(result["return"], result["length"], arrays)


def open_task(
    run: LoadedRun,
    task: str,
    record_dir: str | None = None,
    blocking: bool = False,
    images: bool = False,
) -> Async:
    """Opens an environment in which the agent of a run can act.

    It lives in a process of its own: rendering and TensorFlow only get along
    in separate ones.

    Args:
      run: the loaded run.
      task: the environment's task.
      record_dir: folder for episodes, if they are to be recorded.
      blocking: whether to wait until it is built.
      images: whether to draw it for an agent that sees no images, too.

    Raises:
      ValueError: the agent cannot act in the task.
    """
    package = of_run(run.folder.read_config())
    params = {**run.params, "isolate_envs": "process"}
    if images:
        params["draw_images"] = True
    try:
        observed, action = task_spaces(task, params, package.VECTOR_ACTIONS)
    except ConfigError as error:
        if not runs.plays_nothing(run.folder):
            raise
        raise ConfigError(
            f"The run {run.folder.path} was trained on stored episodes, and "
            f"to play there is no simulator {task}: {error} Name another --task"
        ) from error
    interface = assemble.shared_interface(run.params, package)
    if package.OBSERVATIONS is not None:
        observed = {}  # It may not tell of all.
    _check_suits(run, task, observed, action)
    if action.shape != run.agent.action_space.shape:
        interface["pad_actions"] = run.action_size
    if images and "image" not in interface.get("observations", ["image"]):
        interface["observations"].append("image")
    return open_env(
        task, params, blocking=blocking, record_dir=record_dir, **interface
    )


def can_be_drawn(run: LoadedRun, task: str) -> bool:
    """Whether there are pictures of a task, and says why if there are none."""
    if any(map(is_image, run.agent.observation_space.values())):
        return True
    package = of_run(run.folder.read_config())
    params = {**run.params, "draw_images": True}
    try:
        task_spaces(task, params, package.VECTOR_ACTIONS)
    except (ConfigError, EnvError) as error:
        print(f"No video: {getattr(error, 'summary', error)}")
        return False
    return True


def _check_suits(
    run: LoadedRun,
    task: str,
    observed: Mapping[str, gymnasium.Space],
    action: gymnasium.Space,
) -> None:
    """Raises a `ValueError` if the agent cannot act in a task."""
    acts, trained = run.agent.action_space, ", ".join(run.params["tasks"])
    if runs.plays_nothing(run.folder):
        trained = "stored episodes"
    begin = f"The run {run.folder.path} was trained on {trained} and"
    if isinstance(acts, spaces.Box) and isinstance(action, spaces.Box):
        # Smaller ones are padded.
        if action.shape[0] > acts.shape[0]:
            raise ValueError(
                f"{begin} has {acts.shape[0]} actions, but {task} needs "
                f"{action.shape[0]}. Choose another task."
            )
    elif action != acts:
        raise ValueError(
            f"{begin} acts in {acts}, but {task} in {action}. Choose another "
            "task."
        )
    for name, space in run.agent.observation_space.items():
        found = observed.get(name)
        if observed and (found is None or found.shape != space.shape):
            there = "none" if found is None else f"{list(found.shape)}"
            raise ValueError(
                f"{begin} sees {name} {list(space.shape)}, of which {task} has "
                f"{there}. Choose another task."
            )


def env_seed(seed: int, number: int) -> int:
    """Returns what the environment of an episode is seeded with."""
    sequence = np.random.SeedSequence((seed, _ENVS, number))
    return int(sequence.generate_state(1)[0]) >> 1
