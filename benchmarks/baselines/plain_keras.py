"""PlaNet as one writes it first: Keras layers as they come, `tf.scan`, TFP.

The same function with the same variables as `planet_tf2`, see
`tests/test_baselines.py`, in one file and without any thought for speed.
"""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
Dense = keras.layers.Dense

State = dict[str, tf.Tensor]


class PlainKeras(tf.Module):
    """World model, training step and planner with the default sizes.

    Args:
      action_size: A.
      weights: arrays by the names of the original, see
        `planet_tf2.nets.weights`.
      depth: channels of the first convolution.
    """

    def __init__(
        self,
        action_size: int,
        weights: Mapping[str, np.ndarray],
        depth: int = 32,
    ):
        super().__init__("plain_keras")
        self._action_size = action_size
        self._make_layers(depth)
        self._optimizer = keras.optimizers.Adam(
            1e-3, epsilon=1e-4, global_clipnorm=1000.0
        )
        self._load(weights)
        self.train_step = tf.function(self._train_step, autograph=False)
        self.plan = tf.function(self._plan, autograph=False)

    def _make_layers(self, depth: int) -> None:
        self.encoder = keras.Sequential(
            [
                keras.layers.Conv2D(depth, 4, 2, activation="relu"),
                keras.layers.Conv2D(2 * depth, 4, 2, activation="relu"),
                keras.layers.Conv2D(4 * depth, 4, 2, activation="relu"),
                keras.layers.Conv2D(8 * depth, 4, 2, activation="relu"),
                keras.layers.Flatten(),
            ]
        )
        transposed = keras.layers.Conv2DTranspose
        self.decoder = keras.Sequential(
            [
                Dense(32 * depth),
                keras.layers.Reshape((1, 1, 32 * depth)),
                transposed(4 * depth, 5, 2, activation="relu"),
                transposed(2 * depth, 5, 2, activation="relu"),
                transposed(depth, 6, 2, activation="relu"),
                transposed(3, 6, 2),
            ]
        )
        self.reward = keras.Sequential(
            [
                Dense(300, "relu"),
                Dense(300, "relu"),
                Dense(300, "relu"),
                Dense(1),
            ]
        )
        self.embed = Dense(200, "relu")
        self.gates = Dense(400, "sigmoid")
        self.candidate = Dense(200, "tanh")
        self.prior = [Dense(200, "relu"), Dense(30), Dense(30)]
        self.posterior = [Dense(200, "relu"), Dense(30), Dense(30)]

    def _load(self, weights: Mapping[str, np.ndarray]) -> None:
        batch = {
            "image": tf.zeros([1, 1, 64, 64, 3], tf.uint8),
            "action": tf.zeros([1, 1, self._action_size]),
            "reward": tf.zeros([1, 1]),
        }
        self.losses(batch, None)  # Keras layers are built by their first use.
        transition = [self.embed, *self.prior]
        convs = [x for x in self.encoder.layers if x.weights]
        dense, *transposed = [x for x in self.decoder.layers if x.weights]
        rewards = [x for x in self.reward.layers if x.weights]
        scopes = {
            "rnn/rssm/transition/dense": transition,
            "rnn/rssm/transition/gru_block_cell/gates": [self.gates],
            "rnn/rssm/transition/gru_block_cell/candidate": [self.candidate],
            "rnn/rssm/posterior/dense": self.posterior,
            "encoder/conv2d": convs,
            "head_image/dense": [dense],
            "head_image/conv2d_transpose": transposed,
            "head_reward/dense": rewards,
        }
        self._variables = []
        for scope, layers in scopes.items():
            for index, layer in enumerate(layers):
                suffix = f"_{index}" if index else ""
                for kind in ("kernel", "bias"):
                    variable = getattr(layer, kind)
                    variable.assign(weights[f"graph/{scope}{suffix}/{kind}"])
                    self._variables.append(variable)

    # The latent model.

    def transition(
        self, prev: State, action: tf.Tensor, noise: tf.Tensor | None = None
    ) -> State:
        """Returns the prior, tensors `[B, ...]`."""
        hidden = self.embed(tf.concat([prev["sample"], action], -1))
        belief = prev["belief"]
        gates = self.gates(tf.concat([hidden, belief], -1))
        reset, update = tf.split(gates, 2, -1)
        candidate = self.candidate(tf.concat([hidden, reset * belief], -1))
        belief = update * belief + (1 - update) * candidate
        return {**_sample(self.prior, belief, noise), "belief": belief}

    def observe(
        self,
        prev: State,
        action: tf.Tensor,
        embedded: tf.Tensor,
        noises: tuple[tf.Tensor | None, tf.Tensor | None] = (None, None),
    ) -> tuple[State, State]:
        """Returns prior and posterior, tensors `[B, ...]`."""
        prior = self.transition(prev, action, noises[0])
        hidden = tf.concat([prior["belief"], embedded], -1)
        posterior = _sample(self.posterior, hidden, noises[1])
        return prior, {**posterior, "belief": prior["belief"]}

    def zero_state(self, batch_size: int) -> State:
        """Returns the start state, `[B, ...]`."""
        sizes = {"mean": 30, "stddev": 30, "sample": 30, "belief": 200}
        return {k: tf.zeros([batch_size, size]) for k, size in sizes.items()}

    # The training step.

    def losses(
        self,
        batch: dict[str, tf.Tensor],
        noise: tf.Tensor | None = None,
        dither: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Computes the losses of a batch.

        Args:
          batch: `image` uint8 `[B, T, 64, 64, 3]`, `action`, `reward`.
          noise: standard normal `[T, 2, B, 30]`, drawn if not given.
          dither: uniform `[B, T, 64, 64, 3]`, drawn if not given.
        """
        size, length = batch["action"].shape[:2]
        if dither is None:
            dither = tf.random.uniform(batch["image"].shape)
        image = tf.floor(tf.cast(batch["image"], tf.float32) / 8)
        image = (image + dither) / 32 - 0.5
        embedded = self.encoder(tf.reshape(image, [-1, 64, 64, 3]))
        embedded = tf.reshape(embedded, [size, length, -1])
        if noise is None:
            noise = tf.random.normal([length, 2, size, 30])

        def step(prev, inputs):
            action, obs, noises = inputs
            return self.observe(prev[1], action, obs, tf.unstack(noises))

        major = tf.transpose(batch["action"], [1, 0, 2])
        inputs = (major, tf.transpose(embedded, [1, 0, 2]), noise)
        zero = self.zero_state(size)
        states = tf.scan(step, inputs, (zero, zero))
        prior, posterior = tf.nest.map_structure(
            lambda x: tf.transpose(x, [1, 0, 2]), states
        )
        features = tf.concat([posterior["sample"], posterior["belief"]], -1)
        features = tf.reshape(features, [size * length, -1])
        mean = tf.reshape(self.decoder(features), image.shape)
        reward = tf.reshape(self.reward(features), [size, length])
        kl = tfd.kl_divergence(_dist(posterior), _dist(prior))
        image_dist = tfd.Independent(tfd.Normal(mean, 1.0), 3)
        reward_dist = tfd.Normal(reward, 1.0)
        return {
            "divergence": tf.reduce_mean(tf.maximum(0.0, kl - 3.0)),
            "image": -tf.reduce_mean(image_dist.log_prob(image)),
            "reward": -tf.reduce_mean(reward_dist.log_prob(batch["reward"])),
        }

    def _train_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = self.losses(batch)
            total = losses["divergence"] + losses["image"]
            total += 10 * losses["reward"]
        gradients = tape.gradient(total, self._variables)
        self._optimizer.apply(gradients, self._variables)
        return total

    # The planner.

    def _plan(self, state: State) -> tf.Tensor:
        """Plans `[12, A]` from a state `[1, ...]`, 10 times 1000 candidates."""
        shape = [12, self._action_size]
        mean, stddev = tf.zeros(shape), tf.ones(shape)
        start = {name: tf.repeat(x, 1000, 0) for name, x in state.items()}
        for _ in range(10):
            actions = mean + stddev * tf.random.normal([1000, *shape])
            actions = tf.clip_by_value(actions, -1, 1)
            current, features = start, []
            for step in range(12):
                current = self.transition(current, actions[:, step])
                features += [
                    tf.concat([current["sample"], current["belief"]], -1)
                ]
            reward = self.reward(tf.reshape(tf.stack(features, 1), [12000, -1]))
            returns = tf.reduce_sum(tf.reshape(reward, [1000, 12]), 1)
            best = tf.gather(actions, tf.math.top_k(returns, 100).indices)
            mean, variance = tf.nn.moments(best, 0)
            stddev = tf.sqrt(variance + 1e-6)
        return mean


def _sample(
    layers: list[keras.layers.Layer],
    hidden: tf.Tensor,
    noise: tf.Tensor | None,
) -> State:
    hidden_layer, mean_layer, stddev_layer = layers
    hidden = hidden_layer(hidden)
    mean = mean_layer(hidden)
    stddev = tf.nn.softplus(stddev_layer(hidden)) + 0.1
    if noise is None:
        noise = tf.random.normal(tf.shape(mean))
    return {"mean": mean, "stddev": stddev, "sample": mean + stddev * noise}


def _dist(state: State) -> tfd.Distribution:
    return tfd.Independent(tfd.Normal(state["mean"], state["stddev"]), 1)
