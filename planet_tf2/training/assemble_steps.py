"""Puts together what a session needs that trains by steps; see `assemble`."""

import contextlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from planet_tf2 import agents
from planet_tf2.agents.agent import Agent
from planet_tf2.configs import tasks
from planet_tf2.configs.step_schedule import StepSchedule
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.data.conversion import StepType
from planet_tf2.data.replay import Replay
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.data.streams import Streams
from planet_tf2.envs import BatchEnv
from planet_tf2.tools.devices import make_strategy
from planet_tf2.tools.signals import Guard
from planet_tf2.training import cluster_run
from planet_tf2.training.assemble import (
    Environments,
    step_types,
    stored_interface,
)
from planet_tf2.training.collecting import Collector
from planet_tf2.training.live_envs import LiveEnvs
from planet_tf2.training.progress import Progress
from planet_tf2.training.replay_batches import ReplayBatches
from planet_tf2.training.stages import Parts
from planet_tf2.training.step_parts import StepParts
from planet_tf2.training.stepper import Stepper
from planet_tf2.training.stream_batches import StreamBatches
from planet_tf2.training.summaries import Summaries

Params = Mapping[str, Any]

# Of test episodes, of which there are few, this part of what may be in memory.
_TEST_PART = 10


def make_parts(
    params: Params,
    folder: RunFolder,
    seed: int,
    guard: Guard = Guard(),
    agent_name: str = agents.DEFAULT,
) -> Parts:
    """Makes everything that a session needs; arguments as of `assemble`."""
    package = agents.find(agent_name)
    schedule = agents.schedule(package, params)
    environments = Environments(params, folder, package)
    with contextlib.ExitStack() as closing:
        closing.callback(environments.close)
        envs: dict[str, Any] = {}
        if schedule.offline:
            interface = stored_interface(params, folder, package)
        else:
            names = params["tasks"]
            envs = {task: environments.get(task, 1)[0] for task in names}
            first = envs[names[0]]
            interface = first.observation_space, first.action_space
        lead = cluster_run.begin(folder, interface, seed)
        strategy = make_strategy(params["num_gpus"])
        agent = package.make_agent(params, *interface, seed, strategy)
        replays = make_replays(schedule, agent)
        stepper, collectors, stepped = None, [], []
        if not schedule.offline:
            live, stepped = _live_envs(
                params, schedule, environments, replays["train"]
            )
            streams = replays["train"] if schedule.sequence else None
            stepper = Stepper(agent, live, schedule, seed, streams)
            collectors = make_evaluations(
                params, schedule, agent, environments, guard.should_stop
            )
        task = tasks.get_task(params["tasks"][0])
        shape = params["batch_shape"]
        batches = ReplayBatches(replays, shape, folder, seed, guard)
        if schedule.sequence:
            latents = agent.fresh_latents
            batches = StreamBatches(
                replays, shape, folder, seed, guard, latents=latents
            )
        steps = StepParts(
            schedule,
            batches,
            params.get("action_repeat") or task.action_repeat,
            stepped,
            stepper,
        )
        summaries = Summaries(folder, agent, guard)
        closing.callback(summaries.close)
        progress = Progress(params["max_steps"])
        closing.callback(progress.close)
        return Parts(
            agent=agent,
            collectors={"train": [], "test": collectors},
            seed_envs=envs,
            make_batches=lambda *args: iter(()),
            summaries=summaries,
            progress=progress,
            close=closing.pop_all().close,
            retry=environments.retry,
            steps=steps,
            lead=lead,
        )


def make_replays(
    schedule: StepSchedule, agent: Agent
) -> dict[str, Replay | Streams]:
    """Makes what episodes of both splits are held in."""
    types = step_types(agent)
    if "is_first" not in types:
        raise ValueError("The batch_spec of the agent has no is_first.")
    size, most = schedule.dataset_size, schedule.max_bytes
    few = max(1, size // _TEST_PART), most and max(1, most // _TEST_PART)
    length, online = schedule.sequence, schedule.online_queue
    if not length:
        return {"train": Replay(types, size, most), "test": Replay(types, *few)}
    kinds = {
        name: StepType(dtype, shape)
        for name, (shape, dtype) in agent.replay_latents.items()
    }
    train = Streams(types, length, size, most, kinds, online=online)
    return {"train": train, "test": Streams(types, length, *few, kinds)}


def make_evaluations(
    params: Params,
    schedule: StepSchedule,
    agent: Agent,
    environments: Environments,
    should_stop: Callable[[], bool],
) -> list[Collector]:
    """Makes what plays the episodes of test phases.

    Each environment plays a number of episodes that is fixed beforehand: which
    ones are counted must not depend on how long they are. The environments are
    not those that are stepped in training, and start when first needed.
    """
    total = schedule.eval_episodes
    amount = min(schedule.envs, total)
    result: list[Collector] = []
    for task in params["tasks"] if total else []:
        rollout = _LazyRollout(
            agent, environments, task, schedule.envs, amount, should_stop
        )
        entry = {"name": "main", "batch_size": amount}
        for first in range(0, total, amount):
            left = min(amount, total - first)
            collector = Collector(
                entry,
                task,
                len(result),
                rollout,
                rollout,
                environments.retry,
                left if left < amount else None,
                shown=first + amount >= total,
            )
            result.append(collector)
    return result


class _LazyRollout:
    """Starts environments behind those of training when it is first called."""

    def __init__(
        self,
        agent: Agent,
        environments: Environments,
        task: str,
        skipped: int,
        amount: int,
        should_stop: Callable[[], bool],
    ):
        self._agent, self._environments, self._task = agent, environments, task
        self._skipped, self._amount = skipped, amount
        self._should_stop = should_stop
        self._rollout: Rollout | None = None

    def __len__(self) -> int:
        return self._amount

    def __call__(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        if self._rollout is None:
            envs = self._environments.get(
                self._task, self._skipped + self._amount
            )
            batch_env = BatchEnv(envs[self._skipped :])
            env = InGraphBatchEnv(batch_env, self._should_stop)
            self._rollout = Rollout(self._agent.actor(self._amount, {}), env)
        return self._rollout(*args, **kwargs)


def _live_envs(
    params: Params,
    schedule: StepSchedule,
    environments: Environments,
    replay: Replay | Streams,
) -> tuple[LiveEnvs, list[str]]:
    """Returns all environments of all tasks, and the tasks of each."""
    names = [
        task
        for task, _ in itertools.product(params["tasks"], range(schedule.envs))
    ]
    envs = [
        env
        for task in params["tasks"]
        for env in environments.get(task, schedule.envs)
    ]
    failures = params["env_max_failures"]
    return LiveEnvs(envs, names, replay, failures), names
