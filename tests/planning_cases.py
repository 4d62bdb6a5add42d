"""Planning problems with known solutions, for all planners."""

import numpy as np
import tensorflow as tf
from tf_fakes import LinearCell

BATCH, HORIZON, ACTION, AMOUNT, TOPK = 3, 4, 2, 20, 5
SIZES = (ACTION, HORIZON, AMOUNT, TOPK)
SEED = tf.constant([1, 2])


def distance_objective(states):
    """Prefers to stay close to the goal, and late steps a little more."""
    distance = tf.norm(states["sample"] - states["goal"], axis=-1)
    weights = 1 + tf.range(distance.shape[1], dtype=tf.float32) / 10
    return -tf.reduce_sum(distance * weights, 1)


def numpy_return(sample, goal, actions, latent_noise):
    """Return of one candidate `[H, A]` by `LinearCell`, in float64."""
    total = 0.0
    for time, action in enumerate(actions):
        sample = 0.8 * sample + action + latent_noise[time]
        distance = np.sqrt(((sample - goal) ** 2).sum())
        total -= distance * (1 + time / 10)
    return total


def start_states(batch=BATCH):
    """Agents in different places with different goals."""
    random = np.random.default_rng(3)
    return {
        "sample": tf.constant(random.normal(size=(batch, 2)), tf.float32),
        "goal": tf.constant(random.normal(size=(batch, 2)), tf.float32),
    }


def plan(planner, state, graph=True, cell=None, **kwargs):
    def call():
        return planner(
            cell or LinearCell(),
            distance_objective,
            state,
            ACTION,
            HORIZON,
            **{"amount": 300, "topk": 30, "seed": SEED, **kwargs},
        )

    return tf.function(call, autograph=False)() if graph else call()
