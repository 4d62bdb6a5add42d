"""The world model: cell, encoder and heads, and what they are to learn."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet import head_parameters, losses
from planet_tf2.agents.planet.loss_table import LOSSES
from planet_tf2.agents.planet.overshooting import overshooting
from planet_tf2.agents.planet.unroll import closed_loop
from planet_tf2.nets import weights
from planet_tf2.nets.module import Module
from planet_tf2.tools import seeds

Batch = dict[str, tf.Tensor]
State = dict[str, tf.Tensor]

# Losses beside `divergence` and those of the heads, if they have a scale.
OPTIONAL_LOSSES = ("global_divergence", "overshooting", "overshooting_reward")


class WorldModel(Module):
    """Latent dynamics with an encoder and the heads that it learns from.

    Args:
      cell: latent cell, built.
      encoder: from preprocessed images to embeddings, built.
      heads: from features to distributions, by the name of what they
        predict, built.
      params: parameters of the run.

    Attributes:
      loss_scales: weight of every head's loss, of `divergence`, and of those
        among `OPTIONAL_LOSSES` that are computed.
      free: nats of divergence per time step that cost nothing.
      gradient_heads: heads whose loss trains the whole model. The others see
        a stopped gradient and train alone.

    Raises:
      ValueError: if a head has the name of another loss.
    """

    def __init__(
        self,
        cell: Any,
        encoder: Any,
        heads: Mapping[str, Any],
        params: Mapping[str, Any],
    ):
        super().__init__("world_model")
        taken = set(heads) & {"divergence", *OPTIONAL_LOSSES, "total"}
        if taken:
            raise ValueError(
                f"A head is called {taken.pop()!r}, as another loss is. Rename "
                "that observation."
            )
        self.cell = cell
        self.encoder = encoder
        self.heads = dict(heads)
        self.loss_scales = {
            **_loss_scales(params),
            **head_parameters.head_scales(params, heads),
        }
        self.gradient_heads = tuple(params["gradient_heads"])
        self._bits: int = params["image_bits"]
        self.free: float = LOSSES["divergence"].floor(params)
        # Steps to predict ahead; below 2 there is nothing to add to the
        # divergence, which is about one.
        self._distance: int = params["overshooting_distance"]
        self._stop_posterior: bool = params["os_stop_posterior_grad"]

    @property
    def loss_names(self) -> list[str]:
        """What `losses` computes."""
        optional = [n for n in OPTIONAL_LOSSES if n in self.loss_scales]
        return ["divergence", *optional, *self.heads]

    @property
    def groups(self) -> dict[str, list[tf.Variable]]:
        """Variables by the optimizer that they get.

        `main` is what the summed loss trains; each head outside of
        `gradient_heads` has a group of its own.
        """
        modules = [self.cell, self.encoder]
        modules += [self.heads[name] for name in self.gradient_heads]
        return {
            "main": [v for m in modules for v in m.trainable_variables],
            **{
                name: list(head.trainable_variables)
                for name, head in self.heads.items()
                if name not in self.gradient_heads
            },
        }

    def preprocess(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Turns stored images into what the model sees; see `preprocess`."""
        return preprocess(image, self._bits, seed)

    def truth(self, batch: Batch) -> Batch:
        """Returns what the heads should predict at best, images in 0 to 1.

        Images are without the noise that the model sees on top: each level is
        at its centre, the mean over that noise.

        Args:
          batch: as stored.
        """
        result = {
            name: tf.cast(batch[name], tf.float32)
            for name in self.heads
            if name in batch
        }
        if "image" in result:
            levels = 2.0**self._bits
            shift = tf.constant(8 - self._bits, tf.uint8)
            level = tf.bitwise.right_shift(batch["image"], shift)
            result["image"] = (tf.cast(level, tf.float32) + 0.5) / levels
        return result

    def prepare(self, batch: Batch, seed: tf.Tensor) -> Batch:
        """Preprocesses the images of a batch as it is stored.

        Args:
          batch: `image` uint8 `[B, T, H, W, 3]`, `action` `[B, T, A]`,
            `reward` `[B, T]`, and what else the heads predict, as far as
            their losses are asked for.
          seed: int32 `[2]`.
        """
        others = {
            name: tf.cast(batch[name], tf.float32)
            for name in self.heads
            if name in batch and name != "image"
        }
        image = self.preprocess(batch["image"], seed)
        return {**batch, **others, "image": image}

    def infer(
        self, batch: Batch, seed: tf.Tensor | None = None
    ) -> tuple[State, State]:
        """Filters sequences.

        Args:
          batch: prepared batch.
          seed: int32 `[2]`, determines the samples of the latent state.

        Returns:
          Prior and posterior states, tensors `[B, T, ...]`.
        """
        embedded = self.encoder(batch["image"])
        noise = None
        if seed is not None:
            size, length = embedded.shape[:2]
            noise = self.cell.noise(seed, [length, size], observing=True)
        return closed_loop(self.cell, embedded, batch["action"], noise)

    def losses(
        self, batch: Batch, seed: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Computes every loss, before scaling.

        Args:
          batch: prepared batch.
          seed: int32 `[2]`, determines the samples of the latent state.

        Returns:
          Scalars by name, see `loss_names`.
        """
        prior, posterior = self.infer(batch, seed)
        result = self.state_losses(prior, posterior)
        result |= self._overshooting_losses(batch, posterior, seed)
        features = self.cell.features_from_state(posterior)
        for name in self.heads:
            dist = self._predict(name, features)
            result[name] = tf.reduce_mean(
                losses.negative_log_likelihood(dist, batch[name])
            )
        return result

    def state_losses(
        self, prior: State, posterior: State
    ) -> dict[str, tf.Tensor]:
        """Computes the losses that are about the states alone.

        Args:
          prior: predicted states, tensors `[B, T, ...]`.
          posterior: states that have seen their observation.
        """
        kl = self.cell.divergence_from_states(posterior, prior)
        beyond = tf.maximum(0.0, kl - self.free)
        result = {"divergence": tf.reduce_mean(beyond)}
        if "global_divergence" in self.loss_scales:
            kl = self.cell.divergence_from_standard(posterior)
            result["global_divergence"] = tf.reduce_mean(kl)
        return result

    def _predict(self, name: str, features: tf.Tensor) -> Any:
        """Returns what a head says of features, for training."""
        if name not in self.gradient_heads:
            features = tf.stop_gradient(features)
        return self.heads[name](features)

    def _overshooting_losses(
        self, batch: Batch, posterior: State, seed: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        both = ("overshooting", "overshooting_reward")
        # No set, whose order differs from one program to the next.
        names = [name for name in both if name in self.loss_scales]
        # A rollout of more steps would lead out of the sequence.
        distance = min(self._distance, batch["action"].shape[1])
        if not names or distance < 2:
            return dict.fromkeys(names, tf.zeros([]))
        reward, prior, seen, mask = self._overshoot(
            batch, posterior, distance, seed
        )
        result = {}
        if "overshooting" in names:
            if self._stop_posterior:
                seen = tf.nest.map_structure(tf.stop_gradient, seen)
            kl = self.cell.divergence_from_states(seen, prior)
            beyond = tf.maximum(0.0, kl - self.free)
            result["overshooting"] = losses.masked_mean(beyond, mask)
        if "overshooting_reward" in names:
            features = self.cell.features_from_state(prior)
            dist = self._predict("reward", features)
            result["overshooting_reward"] = losses.masked_mean(
                losses.negative_log_likelihood(dist, reward), mask
            )
        return result

    def _overshoot(
        self,
        batch: Batch,
        posterior: State,
        distance: int,
        seed: tf.Tensor | None,
    ) -> tuple[tf.Tensor, State, State, tf.Tensor]:
        """Predicts 2 to `distance` steps ahead; see `overshooting`."""
        size, length = batch["action"].shape[:2]
        noise = None
        if seed is not None:
            noise = self.cell.noise(
                seeds.fold_in(seed, 1), [distance, size * length]
            )
        arranged = overshooting(
            self.cell,
            batch["reward"],
            batch["action"],
            tf.fill([size], length),
            distance - 1,
            posterior,
            noise,
        )
        # One step ahead is what the divergence is about.
        return tf.nest.map_structure(lambda x: x[:, :, 1:], arranged)

    def scale(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the weighted sum of losses."""
        scaled = [self.loss_scales[k] * v for k, v in values.items()]
        return tf.reduce_sum(tf.stack(scaled))

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        cell = type(self.cell).__name__.lower()
        parts = {f"rnn/{cell}": self.cell, "encoder": self.encoder}
        parts |= {f"head_{name}": head for name, head in self.heads.items()}
        return {
            full: variable
            for scope, part in parts.items()
            for full, variable in weights.prefix_names(
                f"graph/{scope}", part.original_variables()
            ).items()
        }


def preprocess(image: tf.Tensor, bits: int, seed: tf.Tensor) -> tf.Tensor:
    """Quantises images, adds dequantisation noise, and centres them.

    With fewer bits the model need not spend itself on fine textures; the
    uniform noise keeps a density over the levels from growing without bound
    (Kingma and Dhariwal, 2018):

        floor(x / 2^(8 - bits)) / 2^bits + U(0, 2^-bits) - 0.5

    Args:
      image: uint8 `[...]`.
      bits: bits per colour to keep, 1 to 8.
      seed: int32 `[2]`, determines the noise.

    Returns:
      Image, float32 `[...]` in [-0.5, 0.5).
    """
    levels = 2.0**bits
    level = tf.bitwise.right_shift(image, tf.constant(8 - bits, tf.uint8))
    # At the centre of one of 256 parts of a level: random numbers of 32 bits
    # for all pixels take longer than all the rest.
    part = seeds.random_bytes(seed, tf.shape(image))
    noise = tf.cast(part, tf.float32) / 256
    centre = 0.5 / 256 / levels
    return (tf.cast(level, tf.float32) + noise) / levels - (0.5 - centre)


def _loss_scales(params: Mapping[str, Any]) -> dict[str, float]:
    """Returns the scales of all losses to compute but those of the heads."""
    scales = {
        "global_divergence": params["global_div_scale"],
        "overshooting": params["overshooting_scale"],
        "overshooting_reward": params["overshooting_reward_scale"],
    }
    wanted = {name: scale for name, scale in scales.items() if scale}
    return {"divergence": params["divergence_scale"], **wanted}
