"""Small worlds for tests of Dreamer."""

import gymnasium
import numpy as np
import tensorflow as tf

from planet_tf2 import agents
from planet_tf2.agents.dreamer.learner import make_learner
from planet_tf2.agents.dreamer.world_model import WorldModel
from planet_tf2.nets.module import Module

Box = gymnasium.spaces.Box
CODER = {
    "mlp_keys": ".*",
    "cnn_keys": ".*",
    "cnn_depth": 2,
    "mlp_layers": 1,
    "mlp_units": 6,
}
SMALL = {
    "encoder": CODER,
    "decoder": CODER,
    "units": 6,
    "dyn_hidden": 5,
    "dyn_deter": 6,
    "dyn_stoch": 3,
    "dyn_discrete": 4,
    "precision": "float32",
}
VECTORS = {"position": (3,), "velocity": (2,)}


def resolve(**changes):
    merged = {**SMALL}
    for name, value in changes.items():
        nested = isinstance(value, dict)
        merged[name] = {**SMALL.get(name, {}), **value} if nested else value
    return agents.resolve("default", "", merged, "dreamer")


def space(**shapes):
    """Makes images of what has three dimensions, else vectors."""
    return gymnasium.spaces.Dict(
        {
            name: Box(0, 255, shape, np.uint8)
            if len(shape) == 3
            else Box(-np.inf, np.inf, shape, np.float32)
            for name, shape in shapes.items()
        }
    )


def make_model(shapes=VECTORS, action=None, **changes):
    tf.keras.utils.set_random_seed(0)
    action = action or Box(-1, 1, (2,))
    return WorldModel(resolve(**changes), space(**shapes), action)


def make_batch(shapes=VECTORS, action=None, size=4, length=3, seed=0):
    random = np.random.default_rng(seed)
    steps = (size, length)

    def draw(shape):
        if len(shape) == 3:
            return random.integers(0, 256, (*steps, *shape), np.uint8)
        return random.normal(size=(*steps, *shape)).astype(np.float32)

    batch = {name: draw(shape) for name, shape in shapes.items()}
    if action is None:
        batch["action"] = draw((2,))
    else:
        drawn = [action.sample() for _ in range(size * length)]
        drawn = np.array(drawn)
        batch["action"] = drawn.reshape(*steps, *drawn.shape[1:])
    batch["reward"] = draw(())
    batch["is_first"] = random.random(steps) < 0.2
    batch["terminal"] = random.random(steps) < 0.2
    return {name: tf.constant(value) for name, value in batch.items()}


class TinyBehavior(Module):
    """The least that learns from the states of a world model."""

    scalar_names = ("level",)

    def __init__(self, size):
        super().__init__("behavior")
        self.actor, self.value = (tf.Variable(tf.ones([size])) for _ in "av")
        self.slow = tf.Variable(tf.zeros([size]), trainable=False)
        self.level = tf.Variable(0.0, trainable=False)
        self.groups = {"actor": [self.actor], "value": [self.value]}

    def move_targets(self):
        self.slow.assign(0.5 * self.slow + 0.5 * self.value)

    def losses(self, context, seed):
        deter = context["posterior"]["deter"]
        noise = tf.random.stateless_normal(deter.shape, seed)
        value = tf.reduce_mean((deter + noise) * self.value, -1)
        losses = {
            "actor": tf.reduce_mean(deter * self.actor * self.value),
            "value": tf.reduce_mean((value - context["is_terminal"]) ** 2),
        }
        level = self.level + tf.reduce_mean(context["action"])
        return losses, {"level": level}, level

    def commit(self, pending):
        self.level.assign(pending)


def make(shapes=VECTORS, **changes):
    """Makes a learner of a small world."""
    model = make_model(shapes, **changes)
    return make_learner(resolve(**changes), model, TinyBehavior(6))
