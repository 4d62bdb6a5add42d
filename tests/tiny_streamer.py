"""The smallest agent that learns from streams; programs find it by this name.

It wants two latents to be stored. What it learns and how it acts depends on
them, so nothing that resuming has to bring back is without consequences.
"""

import dataclasses

import numpy as np
import tensorflow as tf
import tiny_stepper
from tiny_stepper import (  # noqa: F401
    LOSSES,
    OBSERVATIONS,
    PRESET_HELP,
    SIZE,
    VECTOR_ACTIONS,
    check_settings,
)


class Parameters(tiny_stepper.Parameters):
    """It has two more."""

    context: int = 1
    online: bool = True


PRESETS = tiny_stepper.PRESETS


def schedule(params):
    size, length = params["batch_shape"]
    return dataclasses.replace(
        tiny_stepper.schedule(params),
        prefill=0,
        pretrain=0,
        sequence=length + params["context"],
        first_items=size * length,
        online_queue=params["online"],
    )


class Streamer(tiny_stepper.TinyActor):
    """Its latents are the places that it has seen in an episode, summed up."""

    def __init__(self, *args):
        super().__init__(*args)
        self._last = tf.Variable(tf.zeros_like(self.seen), trainable=False)

    @property
    def latents(self):
        numbers = tf.cast(tf.abs(self._last[:, :2]) * 10, tf.int32) % 200
        return {
            "deter": tf.identity(self._last),
            "stoch": tf.cast(numbers, tf.uint8),
        }

    def perform(self, indices, observ, *args):
        action = super().perform(indices, observ, *args)
        self._last.assign(self.seen)
        return action


class StreamerAgent(tiny_stepper.TinyAgent):
    def __init__(self, params, *interface):
        super().__init__(*interface)
        self.replay_latents = self.fresh_latents = {}
        if params["context"]:
            self.replay_latents = {
                "deter": ((SIZE,), np.dtype(np.float32)),
                "stoch": ((2,), np.dtype(np.uint8)),
            }
            self.fresh_latents = {
                name: tf.Variable(
                    np.zeros((*params["batch_shape"], *shape), dtype),
                    trainable=False,
                )
                for name, (shape, dtype) in self.replay_latents.items()
            }
        self._length = params["batch_shape"][1] + params["context"]

    def train_step(self, batch, seed):
        scalars = super().train_step(batch, seed)
        assert batch["is_last"].shape[1] == self._length
        if not self.fresh_latents:
            return scalars
        deter, stoch = batch["context/deter"], batch["context/stoch"]
        change = tf.reduce_mean(deter, 0) + tf.reduce_mean(
            tf.cast(stoch, tf.float32)
        )
        self.learner.model.kernel.assign_add(1e-4 * change)
        place = tf.cumsum(batch["place"][:, 1:], 1)
        self.fresh_latents["deter"].assign(deter[:, None] / 2 + place)
        numbers = tf.range(self._length - 1)[None, :, None]
        new = tf.cast(stoch, tf.int32)[:, None] + numbers
        self.fresh_latents["stoch"].assign(tf.cast(new % 200, tf.uint8))
        return scalars

    def actor(self, batch_size=1, settings=None):
        kernel = self.learner.model.kernel
        return Streamer(batch_size, kernel, self.action_space.n)


def make_agent(params, observation_space, action_space, seed=0, strategy=None):
    return StreamerAgent(params, observation_space, action_space)
