"""The smallest agent that is trained by steps; programs find it by this name.

It predicts the reward by a linear map of what it sees. It acts at random, more
often by what it remembers of the running episode, and by its weights: nothing
that resuming has to bring back is without consequences.
"""

from fractions import Fraction

import gymnasium
import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Actor, Agent
from planet_tf2.agents.learner import Learner
from planet_tf2.agents.loss_info import LossInfo
from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.step_schedule import StepSchedule
from planet_tf2.nets.optimizers import Optimizer

OBSERVATIONS = None
VECTOR_ACTIONS = False
LOSSES = {"reward": LossInfo("Reward loss", target="reward")}
SIZE = 3  # Of `place`, which it sees.


class Parameters(BaseParameters):
    """It has a few of its own."""

    envs: int = 2
    prefill: int = 20
    pretrain: int = 2
    train_ratio: int = 2
    eval_episodes: int = 3
    dataset_size: int = 60
    explore_until: int = 0
    offline_train: str = ""
    offline_test: str = ""
    draw_images: bool = False


PRESETS = {
    "default": {
        "tasks": ["stepping_tasks:walk"],
        "batch_shape": [2, 4],
        "train_steps": 16,
        "max_steps": 40,
        "checkpoint_every": 3,
        "log_every": 1,
    }
}
PRESET_HELP = {"default": "Done within seconds."}


def schedule(params):
    size, length = params["batch_shape"]
    return StepSchedule(
        envs=params["envs"],
        prefill=params["prefill"],
        pretrain=params["pretrain"],
        decisions_per_update=Fraction(size * length, params["train_ratio"]),
        train_updates=params["train_steps"] // size,
        epochs=2,
        eval_episodes=params["eval_episodes"],
        test_updates=2,
        checkpoint_updates=params["checkpoint_every"],
        log_updates=params["log_every"],
        dataset_size=params["dataset_size"],
        explore_until=params["explore_until"] or None,
        offline_train=params["offline_train"],
        offline_test=params["offline_test"],
    )


class Linear(tf.Module):
    """Predicts the reward from the place."""

    def __init__(self):
        super().__init__("linear")
        self.kernel = tf.Variable(tf.zeros([SIZE]))
        self.loss_names = ["reward"]
        self.groups = {"main": [self.kernel]}

    def prepare(self, batch, seed):
        del seed
        return batch

    def losses(self, batch, seed):
        del seed
        predicted = tf.linalg.matvec(batch["place"], self.kernel)
        return {"reward": tf.reduce_mean((predicted - batch["reward"]) ** 2)}

    def scale(self, values):
        return values["reward"]


class TinyActor(Actor):
    """Draws actions, and adds up what it has seen of an episode."""

    def __init__(self, batch_size, kernel, num_actions):
        super().__init__("tiny_actor")
        self._kernel, self._num_actions = kernel, num_actions
        self.seen = tf.Variable(tf.zeros([batch_size, SIZE]), trainable=False)
        self.explored = []

    @property
    def saved(self):
        return {"seen": self.seen}

    def begin_episode(self, indices):
        zeros = tf.zeros([tf.shape(indices)[0], SIZE])
        self.seen.scatter_nd_update(indices[:, None], zeros)

    def perform(self, indices, observ, explore=0.0, seed=None):
        self.seen.scatter_nd_add(indices[:, None], observ["place"])
        seen = tf.gather(self.seen, indices)
        level = tf.linalg.matvec(seen, self._kernel + 1.0)
        noise = tf.random.stateless_uniform(tf.shape(level), seed, 0, 10)
        level += tf.cast(explore, tf.float32) * noise
        return tf.cast(tf.abs(level) * 100, tf.int64) % self._num_actions


class TinyAgent(Agent):
    scalar_names = ("mean_reward",)

    def __init__(self, observed, action):
        super().__init__("tiny")
        place = {"place": observed["place"]}
        self.observation_space = gymnasium.spaces.Dict(place)
        self.action_space = action
        names = dict.fromkeys(("reward", "is_first", "terminal"), ())
        self.batch_spec = {"action": (), "place": (SIZE,), **names}
        self.learner = Learner(Linear(), Optimizer)
        self.loss_names = self.learner.loss_names
        self.norm_names = self.learner.norm_names
        self.test_step = self.learner.test_step

    def train_step(self, batch, seed):
        assert batch["is_first"].numpy()[:, 0].all()
        assert batch["action"].dtype == tf.int64
        scalars = self.learner.train_step(batch, seed)
        return {**scalars, "mean_reward": np.mean(batch["reward"])}

    @property
    def trained_variables(self):
        return self.learner.model.groups["main"]

    @property
    def saved(self):
        return {"learner": self.learner}

    def actor(self, batch_size=1, settings=None):
        kernel = self.learner.model.kernel
        return TinyActor(batch_size, kernel, self.action_space.n)


def make_agent(params, observation_space, action_space, seed=0, strategy=None):
    return TinyAgent(observation_space, action_space)


def check_settings(params):
    """There is nothing to check."""
