"""An agent that sees vectors and has neither a model nor a planner.

It predicts the reward of what it sees by a linear map, and acts by another one,
which it does not learn. It is here to be trained, loaded and watched by the
same programs as the large ones; programs find it as `tiny_agent`.
"""

import gymnasium
import tensorflow as tf

from planet_tf2.agents.agent import Actor, Agent
from planet_tf2.agents.learner import Learner
from planet_tf2.agents.loss_info import LossInfo
from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.collects import test_collects, train_collects
from planet_tf2.nets.optimizers import Optimizer

__all__ = ["test_collects", "train_collects"]

OBSERVATIONS = ("position", "velocity")
VECTOR_ACTIONS = True
LOSSES = {"reward": LossInfo("Reward loss", target="reward")}


class Parameters(BaseParameters):
    """It has one of its own."""

    gain: float = 0.5


PRESETS = {
    "default": {
        "tasks": ["cartpole_balance"],
        "action_repeat": 50,
        "batch_shape": [2, 5],
        "train_steps": 4,
        "test_steps": 2,
        "max_steps": 12,
        "num_seed_episodes": 1,
        "collect_every": 4,
        "log_every": 1,
    }
}
PRESET_HELP = {"default": "Done within seconds."}


class Linear(tf.Module):
    """Predicts the reward from position and velocity."""

    def __init__(self, size):
        super().__init__("linear")
        self.kernel = tf.Variable(tf.zeros([size]))
        self.loss_names = ["reward"]
        self.groups = {"main": [self.kernel]}

    def prepare(self, batch, seed):
        del seed
        return batch

    def losses(self, batch, seed):
        del seed
        predicted = tf.linalg.matvec(see(batch), self.kernel)
        return {"reward": tf.reduce_mean((predicted - batch["reward"]) ** 2)}

    def scale(self, values):
        return values["reward"]


class TinyActor(Actor):
    """Follows a linear map of what it sees."""

    def __init__(self, batch_size, gain, size):
        super().__init__("tiny_actor")
        self._gain, self._size = gain, size
        self.begun = tf.Variable(tf.zeros([batch_size], tf.int32))

    def begin_episode(self, indices):
        self.begun.scatter_nd_add(indices[:, None], tf.ones_like(indices))

    def perform(self, indices, observ, explore=0.0, seed=None):
        del explore, seed
        level = tf.reduce_sum(see(observ), -1, keepdims=True)
        return tf.tanh(self._gain * tf.repeat(level, self._size, 1))


class TinyAgent(Agent):
    def __init__(self, params, observed, action):
        super().__init__("tiny")
        self.observation_space = gymnasium.spaces.Dict(
            {name: observed[name] for name in OBSERVATIONS}
        )
        self.action_space = action
        self.batch_spec = {
            "action": action.shape,
            "reward": (),
            **{name: observed[name].shape for name in OBSERVATIONS},
        }
        size = sum(observed[name].shape[0] for name in OBSERVATIONS)
        self.learner = Learner(Linear(size), Optimizer)
        self.loss_names = self.learner.loss_names
        self.norm_names = self.learner.norm_names
        self.train_step = self.learner.train_step
        self.test_step = self.learner.test_step
        self._params = params

    @property
    def trained_variables(self):
        return self.learner.model.groups["main"]

    @property
    def saved(self):
        return {"learner": self.learner}

    def actor(self, batch_size=1, settings=None):
        size = self.action_space.shape[0]
        return TinyActor(batch_size, self._params["gain"], size)


def make_agent(params, observation_space, action_space, seed=0, strategy=None):
    return TinyAgent(params, observation_space, action_space)


def check_settings(params):
    """There is nothing to check."""


def see(values):
    return tf.concat([values[name] for name in OBSERVATIONS], -1)
