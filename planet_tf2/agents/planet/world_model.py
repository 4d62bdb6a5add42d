"""The world model: cell, encoder and heads, and what they are to learn."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet import losses
from planet_tf2.agents.planet.overshooting import overshooting
from planet_tf2.agents.planet.unroll import closed_loop
from planet_tf2.nets import weights
from planet_tf2.tools import seeds

Batch = dict[str, tf.Tensor]
State = dict[str, tf.Tensor]

# Losses beside `divergence` and those of the heads, if they have a scale.
OPTIONAL_LOSSES = ("global_divergence", "overshooting", "overshooting_reward")


@dataclasses.dataclass(frozen=True)
class Overshooting:
    """How far latent overshooting goes.

    Attributes:
      distance: D, steps to predict ahead; below 2 there is nothing beside the
        one step of the divergence.
      stop_posterior: whether the posteriors that predictions are compared with
        are constants to the gradient. The states that predictions start from
        never are.
    """

    distance: int = 0
    stop_posterior: bool = True


class WorldModel(tf.Module):
    """Latent dynamics with an encoder and the heads that it learns from.

    Args:
      cell: latent cell, built.
      encoder: from preprocessed images to embeddings, built.
      heads: from features to distributions, by the name of what they
        predict, built.
      preprocess: maps stored images and a seed to preprocessed images.
      loss_scales: weight of every head's loss, of `divergence`, and of those
        among `OPTIONAL_LOSSES` that are to be computed.
      free_nats: nats of divergence per time step that cost nothing.
      gradient_heads: heads whose loss trains the whole model. The others see
        a stopped gradient and train alone.
      overshooting: what the two losses of that name are about.

    Raises:
      ValueError: if a head has the name of another loss.
    """

    def __init__(
        self,
        cell: Any,
        encoder: Any,
        heads: Mapping[str, Any],
        preprocess: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        loss_scales: Mapping[str, float],
        free_nats: float = 3.0,
        gradient_heads: Sequence[str] = ("image", "reward"),
        overshooting: Overshooting = Overshooting(),
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
        self.preprocess = preprocess
        self.loss_scales = dict(loss_scales)
        self.free_nats = free_nats
        self.gradient_heads = tuple(gradient_heads)
        self.overshooting = overshooting

    @property
    def loss_names(self) -> list[str]:
        """What `losses` computes."""
        optional = [n for n in OPTIONAL_LOSSES if n in self.loss_scales]
        return ["divergence", *optional, *self.heads]

    @property
    def main_variables(self) -> list[tf.Variable]:
        """What the summed loss trains."""
        modules = [self.cell, self.encoder]
        modules += [self.heads[name] for name in self.gradient_heads]
        return [v for m in modules for v in m.trainable_variables]

    def head_variables(self, name: str) -> list[tf.Variable]:
        """What one head's own loss trains."""
        return list(self.heads[name].trainable_variables)

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
            size, length = embedded.shape[0], embedded.shape[1]
            noise = tf.random.stateless_normal(
                [length, 2, size, self.cell.latent_size], seed
            )
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
            result[name] = losses.reconstruction(dist, batch[name])
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
        result = {"divergence": losses.divergence(kl, self.free_nats)}
        if "global_divergence" in self.loss_scales:
            result["global_divergence"] = losses.global_divergence(
                posterior["mean"], posterior["stddev"]
            )
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
        distance = min(self.overshooting.distance, batch["action"].shape[1])
        if not names or distance < 2:
            return dict.fromkeys(names, tf.zeros([]))
        reward, prior, seen, mask = self._overshoot(
            batch, posterior, distance, seed
        )
        result = {}
        if "overshooting" in names:
            if self.overshooting.stop_posterior:
                seen = tf.nest.map_structure(tf.stop_gradient, seen)
            kl = self.cell.divergence_from_states(seen, prior)
            result["overshooting"] = losses.overshooting(
                kl, mask, self.free_nats
            )
        if "overshooting_reward" in names:
            features = self.cell.features_from_state(prior)
            result["overshooting_reward"] = losses.overshooting_reconstruction(
                self._predict("reward", features), reward, mask
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
            noise = tf.random.stateless_normal(
                [distance, size, length, self.cell.latent_size],
                seeds.fold_in(seed, 1),
            )
        arranged = overshooting(
            self.cell,
            batch["reward"],
            None,
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
