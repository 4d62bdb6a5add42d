"""Models with known behaviour and other small parts that need TensorFlow."""

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from planet_tf2.agents import planet, resolve


def tiny_params(**overrides):
    """Parameters of the smallest program that still does everything."""
    small = {
        "tasks": ["dummy"],
        "cnn_depth": 2,
        "model_size": 4,
        "state_size": 3,
        "num_units": 4,
        "batch_shape": [2, 5],
        "planner_horizon": 2,
        "isolate_envs": "none",
    }
    return resolve("debug", overrides={**small, **overrides})


def make_agent(params, action_size=2, **vectors):
    """PlaNet as made for an environment that observes images and vectors."""
    observed = {
        name: spaces.Box(-np.inf, np.inf, shape, np.float32)
        for name, shape in vectors.items()
    }
    side = params["image_size"]
    observed["image"] = spaces.Box(0, 255, (side, side, 3), np.uint8)
    action = spaces.Box(-1.0, 1.0, (action_size,))
    return planet.make_agent(params, spaces.Dict(observed), action)


def random_batch(seed=0, size=2, length=5, action_size=2):
    """A batch as the files have it."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (size, length, 64, 64, 3), np.uint8)
    action = random.uniform(-1, 1, (size, length, action_size))
    reward = random.uniform(0, 1, (size, length))
    return {
        "image": tf.constant(image),
        "action": tf.constant(action, tf.float32),
        "reward": tf.constant(reward, tf.float32),
    }


def normal_kl(mean, stddev, other_mean, other_stddev):
    """KL between diagonal normals in closed form, float64, `[...]`."""
    mean, stddev, other_mean, other_stddev = (
        np.asarray(x, np.float64)
        for x in (mean, stddev, other_mean, other_stddev)
    )
    ratio = (stddev / other_stddev) ** 2
    distance = ((mean - other_mean) / other_stddev) ** 2
    return ((ratio + distance - 1 - np.log(ratio)) / 2).sum(-1)


class LinearCell:
    """A point on a plane: `sample` moves by the action and some noise.

    `goal` never changes, so it tells whose state this is. The noise that was
    drawn is kept in `noises`.
    """

    def noise(self, seed, shape):
        drawn = tf.random.stateless_normal([*shape, 2], seed)
        self.noises.append(drawn)
        return drawn

    def __init__(self, noise_scale=0.0):
        self._noise_scale = noise_scale
        self.noises = []

    def zero_state(self, batch_size):
        return {
            "sample": tf.zeros([batch_size, 2]),
            "goal": tf.zeros([batch_size, 2]),
        }

    def transition(self, prev_state, prev_action, noise=None):
        sample = 0.8 * prev_state["sample"] + prev_action
        if self._noise_scale:
            sample = sample + self._noise_scale * noise
        return {"sample": sample, "goal": prev_state["goal"]}

    def features_from_state(self, state):
        return tf.concat([state["sample"], state["goal"]], -1)


class MemoryCell:
    """Its `sample` tells all that came before, in decimal places.

    A posterior is ten times the last sample, plus the last action, plus what
    is seen. The action counts for a tenth.
    """

    def noise(self, seed, shape):
        return tf.random.stateless_normal([*shape, 1], seed)

    def zero_state(self, batch_size):
        return {"sample": tf.zeros([batch_size, 1])}

    def posterior(self, prev_state, prev_action, obs, noise=None):
        assert noise.shape.rank == 2
        action = tf.reduce_sum(prev_action, 1, keepdims=True)
        return {"sample": 10 * prev_state["sample"] + action / 10 + obs}


def values(model):
    return {
        name: variable.numpy()
        for name, variable in model.original_variables().items()
    }
