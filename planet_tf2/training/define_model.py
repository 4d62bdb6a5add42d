"""The world model: cell, encoder and heads, and what they are to learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.models.unroll import closed_loop
from planet_tf2.tools import weights
from planet_tf2.training import losses

Batch = dict[str, tf.Tensor]


class WorldModel(tf.Module):
    """Latent dynamics with an encoder and the heads that it learns from.

    Args:
      cell: latent cell, built.
      encoder: from preprocessed images to embeddings, built.
      heads: from features to distributions, by the name of what they
        predict, built.
      preprocess: maps stored images and a seed to preprocessed images.
      loss_scales: weight of every head's loss and of `divergence`.
      free_nats: nats of divergence per time step that cost nothing.
      gradient_heads: heads whose loss trains the whole model. The others see
        a stopped gradient and train alone.
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
    ):
        super().__init__("world_model")
        self.cell = cell
        self.encoder = encoder
        self.heads = dict(heads)
        self.preprocess = preprocess
        self.loss_scales = dict(loss_scales)
        self.free_nats = free_nats
        self.gradient_heads = tuple(gradient_heads)

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
            `reward` `[B, T]`.
          seed: int32 `[2]`.
        """
        return {**batch, "image": self.preprocess(batch["image"], seed)}

    def infer(
        self, batch: Batch, seed: tf.Tensor | None = None
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
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
          Scalars by name: `divergence` and one for every head.
        """
        prior, posterior = self.infer(batch, seed)
        features = self.cell.features_from_state(posterior)
        kl = self.cell.divergence_from_states(posterior, prior)
        result = {"divergence": losses.divergence(kl, self.free_nats)}
        for name, head in self.heads.items():
            inputs = features
            if name not in self.gradient_heads:
                inputs = tf.stop_gradient(features)
            result[name] = losses.reconstruction(head(inputs), batch[name])
        return result

    def scale(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the weighted sum of losses."""
        return tf.add_n([self.loss_scales[k] * v for k, v in values.items()])

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
