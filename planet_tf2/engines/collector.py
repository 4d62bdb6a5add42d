"""A process that plays episodes for a run that another process trains.

    python -m planet_tf2.engines.collector RUN

It acts with the newest checkpoint, and ends when the run is over. See
`training.apart`, and scripts/collect.py.
"""

import collections
import contextlib
import itertools
import os
import pathlib
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from planet_tf2 import agents
from planet_tf2.agents.agent import Agent
from planet_tf2.configs.environments import draws
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import choose_backend
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.checkpoints import load_weights
from planet_tf2.tools import devices
from planet_tf2.tools.signals import RolloutStopped, StopSignals
from planet_tf2.training.apart import ENOUGH, Pool, private_folder
from planet_tf2.training.assemble import Environments, make_collectors
from planet_tf2.training.checkpoints import checkpoint_paths
from planet_tf2.training.collecting import Collector
from planet_tf2.training.trainer import Step, schedule_of

Params = Mapping[str, Any]

_APART = 7  # As a use of a run's seed, see `training.stages`.
_POLL_SECONDS = 1.0


def collect(run_dir: str, should_stop: Callable[[], bool]) -> None:
    """Plays episodes for a run until it is done or has failed.

    Args:
      run_dir: folder of the run, which has begun.
      should_stop: whether to stop before that.

    Raises:
      ValueError: that is no run, or learns from running episodes.
      EnvUnreliable: the environment fails again and again.
    """
    folder = runs.find_run(run_dir)
    config, params = folder.read_config(), runs.read_params(folder)
    package = agents.of_run(config)
    if agents.schedule(package, params):
        raise ValueError("The agent of this run learns from running episodes.")
    if any(draws(name, params) for name in params["tasks"]):
        choose_backend()
    token = secrets.token_hex(8)
    pool = Pool(folder)
    with contextlib.ExitStack() as closing:
        folder.scratch = closing.enter_context(private_folder(pool, token))
        environments = Environments(params, folder, package)
        closing.callback(environments.close)
        env = environments.get(params["tasks"][0], 1)[0]
        interface = env.observation_space, env.action_space
        agent = package.make_agent(params, *interface, config["seed"])
        acting = {"train": agent, "test": agent}
        collectors = make_collectors(
            params, package, acting, environments, should_stop
        )["train"]
        player = _Player(folder, config, params, agent, collectors)
        with contextlib.suppress(RolloutStopped):
            for number in itertools.count():
                seed = config["seed"], _APART, int(token, 16), number
                while not (collector := player.choose()):
                    if should_stop() or player.is_over():
                        return
                    time.sleep(_POLL_SECONDS)
                player.play(collector, seed)


class _Player:
    """What a collector does again and again.

    Args:
      folder, config, params: those of the run.
      agent: acts, and gets the weights.
      collectors: what there is to collect.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: Mapping[str, Any],
        params: Params,
        agent: Agent,
        collectors: Sequence[Collector],
    ):
        self._folder, self._pool = folder, Pool(folder)
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._identity, self._agent = config.get("id", ""), agent
        self._collectors = collectors
        self._schedule = schedule_of(params, folder.checkpoints)
        self._path: pathlib.Path | None = None
        self._step: Step | None = None

    def is_over(self) -> bool:
        """Whether there is nothing left to play for."""
        return self._folder.done.exists() or self._folder.fail.exists()

    def choose(self) -> Collector | None:
        """Loads the newest weights; returns what is wanted most, if anything.

        That is what will be due, and of which fewest episodes are ready.
        """
        self._load()
        if self._step is None or self.is_over():
            return None
        ready = collections.Counter(
            (x["task"], x["name"]) for x in self._pool.ready().values()
        )
        now, wanted = self._step.phase_step, []
        for collector in self._collectors:
            entry = collector.entry
            count = ready[collector.task, entry["name"]]
            is_soon = entry["after"] - max(entry["every"], 0) <= now
            is_left = entry["every"] > 0 and not 0 <= entry["until"] <= now
            if is_soon and is_left and count < ENOUGH * entry["batch_size"]:
                wanted.append((count, collector))
        return min(wanted, key=lambda pair: pair[0], default=(0, None))[1]

    def play(self, collector: Collector, seed: tuple[int, ...]) -> None:
        """Plays an episode in each environment, and leaves them in the pool."""
        noise = collector.noise_at(self._step)
        for result in collector.collect(seed, noise):
            self._pool.put(
                result,
                task=collector.task,
                name=collector.entry["name"],
                action_noise=noise,
                weights_step=self._step.global_step,
                collector=self._name,
            )

    def _load(self) -> None:
        newest = (checkpoint_paths(self._folder.checkpoints) or [None])[-1]
        if newest == self._path:
            return
        found = load_weights(self._agent.weights, str(newest), self._identity)
        if found is None:
            return  # It is gone already; there is a newer one.
        self._path, self._step = newest, self._schedule.step_at(found)
        while self._step.phase != "train":
            self._step = self._schedule.step_at(self._step.end)


def main(arguments: list[str]) -> None:
    """Plays for a run; ends with the process that is named, if any."""
    devices.prepare()
    run_dir, *parents = arguments
    with StopSignals() as signals:
        collect(
            run_dir,
            lambda: (
                signals.requested
                or any(int(parent) != os.getppid() for parent in parents)
            ),
        )


if __name__ == "__main__":
    main(sys.argv[1:])
