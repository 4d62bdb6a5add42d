"""A session on parts that do nothing but leave traces."""

import contextlib
import dataclasses
import functools
import itertools
from unittest.mock import Mock

import numpy as np
import tensorflow as tf
from fakes import CountingEnv
from small_runs import records

from planet_tf2.agents.agent import Agent
from planet_tf2.data.recorder import RecordEpisodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Guard
from planet_tf2.training.ahead import Ahead
from planet_tf2.training.collecting import Collector, retry
from planet_tf2.training.session import Session
from planet_tf2.training.stages import Parts

# Two epochs of two updates and a test batch each.
PARAMS = {
    "batch_shape": [5, 3],
    "train_steps": 10,
    "test_steps": 5,
    "max_steps": 30,
    "checkpoint_every": 10,
    "num_seed_episodes": 2,
    "log_every": 1,
}
# Agent steps of an episode of the first task; one more for each after it.
# The reward of step t is t.
LENGTH, RETURN = 3, 6.0
TIMES = {"decision_seconds": 0.2, "planning_seconds": 0.1}


class FakeAgent(Agent):
    """Its weight is the number of updates."""

    loss_names = ["divergence", "image", "reward", "total"]
    norm_names = ["gradient_norm"]
    has_model = True

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(0.0)
        self.losses = {"divergence": 1.0, "image": 2.0, "reward": 3.0}

    @property
    def trained_variables(self):
        return [self.weight]

    @property
    def saved(self):
        return {"learner": self}

    def train_step(self, batch, seed):
        self.weight.assign_add(1)
        return {**self.test_step(batch, seed), "gradient_norm": 4.0}

    def test_step(self, batch, seed):
        return {**self.losses, "total": float(self.weight)}


class FakeRollout:
    """Records an episode in each of its environments."""

    def __init__(self, envs, agent, on_call=lambda: None):
        self.calls = []
        self.weights = []  # Those that it acts with, for each call.
        self._envs = envs
        self._agent = agent
        self._on_call = on_call

    def __call__(self, env_seeds, seed, action_noise):
        self.calls.append((env_seeds, seed.numpy().tolist(), action_noise))
        self.weights.append(float(self._agent.weight))
        self._on_call()
        results = []
        for env, env_seed in zip(self._envs, env_seeds, strict=True):
            env.reset(seed=env_seed)
            done = False
            while not done:
                _, _, done, _, info = env.step(np.full(2, 0.5))
            results.append({"info": info, **TIMES})
        return results


class Program:
    """One start of the program on a run's folder."""

    def __init__(
        self,
        path,
        tasks=("walk",),
        agents=1,
        *,
        params=None,
        on_rollout=lambda: None,
        max_failures=1,
        guard=Guard(),
        ahead=False,
    ):
        # A folder that was claimed, or just a path.
        self.folder = path if isinstance(path, RunFolder) else RunFolder(path)
        self.folder.create()
        self.seeds = []
        # How many episodes there were for each batch.
        self.batches = {}
        self.closed = 0
        self.steps = []
        self.scores = []
        self.agent = self.acting = FakeAgent()
        self.ahead = None
        if ahead:
            self.acting = FakeAgent()
            self.ahead = Ahead(self.agent, self.acting, guard.should_stop)
        self.retry = functools.partial(retry, max_failures=max_failures)
        self.envs, self.rollouts = {}, {}
        for length, task in enumerate(tasks, LENGTH):
            env, *envs = (self._record(length) for _ in range(1 + agents))
            self.envs[task] = env
            self.rollouts[task] = FakeRollout(envs, self.acting, on_rollout)
        self.parts = Parts(
            agent=self.agent,
            collectors={
                "train": self._collectors(agents, after=5, every=10),
                "test": self._collectors(agents, after=0, every=1),
            },
            seed_envs=self.envs,
            make_batches=self._make_batches,
            summaries=Mock(),
            progress=Mock(updates_per_second=1.0, seconds_left=None),
            close=self._close,
            retry=self.retry,
            ahead=self.ahead,
        )
        self._shown_to = guard
        self.session = Session(
            self.folder,
            self.parts,
            {**PARAMS, **(params or {})},
            seed=3,
            guard=dataclasses.replace(guard, show=self._show),
        )

    def run(self):
        """Returns the scores of all test phases that were worked on."""
        with contextlib.closing(self.parts):
            self.score = self.session.run()
        return self.scores

    def _show(self, **details):
        self._shown_to.show(**details)
        if "step" in details:
            self.steps.append(details["step"])
        elif "score" in details:
            self.scores.append(details["score"])

    def trace(self):
        """All that must not depend on whether and where a run was cut."""
        return {
            "metrics": records(self.folder),
            "files": [self.count("train"), self.count("test")],
            "weight": float(self.agent.weight),
            "step": self.steps[-1] if self.steps else None,
        }

    def count(self, split):
        folder = getattr(self.folder, f"{split}_episodes")
        # Staged ones and others that do not belong there included.
        return len(list(folder.iterdir()))

    def _record(self, length):
        directory = self.folder.scratch or self.folder.train_episodes
        return RecordEpisodes(CountingEnv(length), directory, staged=True)

    def _collectors(self, agents, **schedule):
        return [
            Collector(
                {"name": "main", "until": -1, "action_noise": 0.3, **schedule},
                task,
                index,
                [None] * agents,
                rollout,
                self.retry,
            )
            for index, (task, rollout) in enumerate(self.rollouts.items())
        ]

    def _make_batches(self, split, seed, start, names):
        self.seeds.append((split, *seed, start))
        for number in itertools.count(start):
            self.batches[split, number] = len(names(number))
            yield {}

    def _close(self):
        if self.ahead:
            self.ahead.close()
        self.closed += 1
