"""Puts together what a training session needs."""

import contextlib
import functools
import itertools
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

import gymnasium
from gymnasium import spaces

from planet_tf2 import agents
from planet_tf2.agents import stored_episodes
from planet_tf2.agents.agent import Agent
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.environments import open_env, task_spaces
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.data.episodes import (
    clean_staged,
    list_episodes,
    list_staged,
)
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import Async, BatchEnv
from planet_tf2.tools.devices import make_strategy
from planet_tf2.tools.signals import Guard
from planet_tf2.training import cluster_run
from planet_tf2.training.ahead import Ahead
from planet_tf2.training.apart import Apart
from planet_tf2.training.batches import make_batches, step_types
from planet_tf2.training.collecting import Collector, retry
from planet_tf2.training.progress import Progress
from planet_tf2.training.stages import Parts
from planet_tf2.training.summaries import Summaries

Params = Mapping[str, Any]
T = TypeVar("T")


class Environments:
    """The environments of a run, started as they are needed.

    Train and test collections of a task share their environments, and so the
    graph that runs the agent in them.
    """

    def __init__(self, params: Params, folder: RunFolder, package: ModuleType):
        self._max_failures = params["env_max_failures"]
        # Where finished episodes wait until they are announced.
        self._record_dir = str(folder.scratch or folder.train_episodes)
        self._open = functools.partial(
            open_env,
            params=params,
            blocking=False,
            record_dir=self._record_dir,
            staged=True,
            **shared_interface(params, package),
        )
        self._envs: dict[str, list[Async]] = {
            task: [] for task in params["tasks"]
        }

    def get(self, task: str, amount: int) -> list[Async]:
        """Returns `amount` environments of a task."""
        envs = self._envs[task]
        while len(envs) < amount:
            envs.append(self._open(task))
        return envs[:amount]

    def retry(self, what: str, work: Callable[[int], T]) -> T:
        """Does something again when one of them breaks; see `retry`."""
        # What was collected ahead waits there to be announced.
        kept = list_staged(self._record_dir)
        recover = functools.partial(self._recover, kept)
        return retry(what, work, self._max_failures, recover)

    def _recover(self, kept: Collection[str]) -> None:
        """Starts those anew that broke, and removes what was recorded.

        An episode that another agent has finished meanwhile is repeated too.
        """
        clean_staged(self._record_dir, kept)
        for env in itertools.chain(*self._envs.values()):
            # Here, since a process follows the thread that starts it.
            if env.failed:
                env.restart()

    def close(self) -> None:
        """Ends all of them."""
        for env in itertools.chain(*self._envs.values()):
            env.close()


def shared_interface(params: Params, package: ModuleType) -> dict[str, Any]:
    """What environments need so that one agent can act in all of them.

    Of several tasks, actions are padded to the largest space, and observations
    are those that the agent sees, since the others differ. Nothing is rendered
    for an agent that sees no images.
    """
    names = params["tasks"]
    interface: dict[str, Any] = {
        "vector_actions": package.VECTOR_ACTIONS,
        "learned": agents.learned(package, params),
    }
    seen = package.OBSERVATIONS
    if seen is not None and (len(names) > 1 or "image" not in seen):
        wanted = params.get("record_observations") or ()
        interface["observations"] = [*seen, *wanted]
    if len(names) > 1:
        vectors = package.VECTOR_ACTIONS
        found = [task_spaces(name, params, vectors) for name in names]
        if seen is None:
            interface["observations"] = list(common_spaces(names, found)[0])
        if all(isinstance(action, spaces.Box) for _, action in found):
            interface["pad_actions"] = max(a.shape[0] for _, a in found)
    if hasattr(package, "schedule"):
        interface["min_length"] = None  # Sequences go on in other episodes.
    if hasattr(package, "environment_arguments"):
        interface |= package.environment_arguments(params)
    return interface


def common_spaces(
    tasks: Sequence[str], found: Sequence[tuple[spaces.Dict, gymnasium.Space]]
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what can be observed in all tasks, and the largest action space.

    Raises:
      ConfigError: actions are no vectors, and not the same in all of them.
    """
    first, action = found[0]
    for task, (_, other) in zip(tasks, found, strict=True):
        both = isinstance(other, spaces.Box) and isinstance(action, spaces.Box)
        if not both and other != action:
            raise ConfigError(
                f"Parameter 'tasks': {tasks[0]} takes the actions {action}, "
                f"but {task} takes {other}. Learn them in runs of their own."
            )
    shared = {
        name: space
        for name, space in first.items()
        if all(observed.get(name) == space for observed, _ in found)
    }
    largest = max((a for _, a in found), key=spaces.flatdim)
    return spaces.Dict(shared), largest


def make_collectors(
    params: Params,
    package: ModuleType,
    acting: Mapping[str, Agent],
    environments: Environments,
    should_stop: Callable[[], bool],
) -> dict[str, list[Collector]]:
    """Makes the collectors of both splits, those of a kind sharing a graph.

    Args:
      params, package, environments: those of the run.
      acting: who acts, by split.
      should_stop: whether to break off rollouts.
    """
    rollouts: dict[tuple, tuple[InGraphBatchEnv, Rollout]] = {}
    entries = {
        "train": package.train_collects(params),
        "test": package.test_collects(params),
    }
    result: dict[str, list[Collector]] = {split: [] for split in entries}
    for split, task in itertools.product(entries, params["tasks"]):
        agent = acting[split]
        for entry in entries[split]:
            amount = entry["batch_size"]
            settings = (entry.get(k) for k in agent.actor_settings)
            key = id(agent), task, amount, *settings
            if key not in rollouts:
                batch_env = BatchEnv(environments.get(task, amount))
                env = InGraphBatchEnv(batch_env, should_stop)
                rollouts[key] = env, Rollout(agent.actor(amount, entry), env)
            index, how = len(result[split]), environments.retry
            result[split].append(
                Collector(entry, task, index, *rollouts[key], how)
            )
    return result


def stored_interface(
    params: Params, folder: RunFolder, package: ModuleType
) -> tuple[spaces.Dict, gymnasium.Space] | None:
    """Puts stored episodes into a run's folders, as links where that works.

    Returns:
      What the agent sees and does in them; None if there are environments.
    """
    targets = {"train": folder.train_episodes, "test": folder.test_episodes}
    found = stored_episodes.folders(package, params)
    for split, path in found.items():
        for file in list_episodes(path):
            link = targets[split] / file
            if link.exists():
                continue
            link.unlink(missing_ok=True)  # Of a folder that was moved.
            try:
                link.symlink_to(path / file)
            except OSError:
                shutil.copyfile(path / file, link)
    if not found:
        return None
    return stored_episodes.interface(package, folder.train_episodes)


def make_parts(
    params: Params,
    folder: RunFolder,
    seed: int,
    guard: Guard = Guard(),
    agent_name: str = agents.DEFAULT,
    *,
    collectors_apart: int = 0,
) -> Parts:
    """Makes everything that a training session needs.

    Args:
      params, folder, seed: those of the run.
      guard: says when to stop, and whether the run may be written to.
      agent_name: which agent, see `agents.find`.
      collectors_apart: processes that play training episodes; see `apart`.
    """
    package = agents.find(agent_name)
    environments = Environments(params, folder, package)
    with contextlib.ExitStack() as closing:
        closing.callback(environments.close)
        interface = stored_interface(params, folder, package)
        names = [] if interface else params["tasks"]
        envs = {task: environments.get(task, 1)[0] for task in names}
        if envs:
            first = envs[names[0]]
            interface = first.observation_space, first.action_space
        lead = cluster_run.begin(folder, interface, seed)
        strategy = make_strategy(params["num_gpus"])
        agent = package.make_agent(params, *interface, seed, strategy)
        acting, ahead, should_stop = agent, None, guard.should_stop
        if params["collect_ahead"] and envs:
            acting = package.make_agent(params, *interface, seed)
            ahead = Ahead(agent, acting, should_stop)
            closing.callback(ahead.close)
            should_stop = ahead.should_stop
        collectors = make_collectors(
            {**params, "tasks": names},
            package,
            {"train": acting, "test": agent},
            environments,
            should_stop,
        )
        apart = None
        if collectors_apart and envs:
            limit = params["env_max_failures"]
            apart = Apart(folder, collectors_apart, limit, guard.should_stop)
            closing.callback(apart.close)
        summaries = Summaries(folder, agent, guard)
        closing.callback(summaries.close)
        progress = Progress(params["max_steps"])
        closing.callback(progress.close)
        return Parts(
            agent=agent,
            collectors=collectors,
            seed_envs=envs,
            make_batches=functools.partial(
                make_batches, params, folder, step_types(agent), guard
            ),
            summaries=summaries,
            progress=progress,
            close=closing.pop_all().close,
            retry=environments.retry,
            ahead=ahead,
            lead=lead,
            apart=apart,
        )
