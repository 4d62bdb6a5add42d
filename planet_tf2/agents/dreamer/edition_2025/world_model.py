"""The world model of DreamerV3 2025: its parts and its losses."""

from typing import Any

import gymnasium
import tensorflow as tf

from planet_tf2.agents.dreamer.base_world_model import (
    HEADS,
    BaseWorldModel,
    Batch,
)
from planet_tf2.agents.dreamer.edition_2025.coders import Decoder, Encoder
from planet_tf2.agents.dreamer.edition_2025.heads import make_head
from planet_tf2.agents.dreamer.edition_2025.rssm import BlockRSSM
from planet_tf2.agents.dreamer.latents import Categoricals, State

_CONTEXT = "context/"


class WorldModel(BaseWorldModel):
    """The world model of 2025, see `BaseWorldModel`.

    What batches are called `context/...` are the stored latents of their first
    row. From these the model goes on, and that row is not learned from.
    """

    part_names = ("enc", "dyn", "dec", "rew", "con")

    def _make_encoder(self, space: gymnasium.spaces.Dict) -> Encoder:
        settings = self._params["encoder"]
        return Encoder(space, settings, dtype=self.dtype_policy)

    def _make_rssm(self) -> BlockRSSM:
        params = self._params
        return BlockRSSM(
            Categoricals(
                params["dyn_stoch"],
                params["dyn_discrete"],
                params["unimix_ratio"],
            ),
            params["dyn_deter"],
            params["dyn_hidden"],
            blocks=params["dyn_blocks"],
            dyn_layers=params["dyn_layers"],
            img_layers=params["img_layers"],
            obs_layers=params["obs_layers"],
            absolute=params["dyn_absolute"],
            outscale=params["dyn_outscale"],
            dtype=self.dtype_policy,
        )

    def _make_heads(self, space: gymnasium.spaces.Dict) -> dict[str, Any]:
        params, dtype = self._params, self.dtype_policy
        deter = params["dyn_deter"]
        decoder = Decoder(space, params["decoder"], deter, dtype=dtype)
        heads = {
            name: make_head(params, f"{name}_head", dtype) for name in HEADS
        }
        return {"decoder": decoder, **heads}

    def prepare(self, batch: Batch) -> Batch:
        context = {k: x for k, x in batch.items() if k.startswith(_CONTEXT)}
        others = {k: x for k, x in batch.items() if k not in context}
        return {**super().prepare(others), **context}

    def stored(self, state: State) -> dict[str, tf.Tensor]:
        if not self._params["replay_context"]:
            return {}
        return self.rssm.to_store(state)

    def losses(
        self, batch: Batch, seed: tf.Tensor | None = None
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, Any]]:
        """Computes the losses (Hafner et al. 2025, "World model learning").

        With `contdisc` the continue flag is learned times the discount.

        Args:
          batch: prepared, `[B, 1 + T, ...]` with the context of the first row,
            or `[B, T, ...]`; all that is seen and predicted.
          seed: int32 `[2]`, determines the samples; without, they are modes.

        Returns:
          Losses `[B, T]` by name, before they are scaled by `scales`; scalars,
          `scalar_names`; and, with gradient, what the behavior learns from:
          `posterior` states `[B, T, ...]`, their `features` `[B, T, F]`, and
          beside these the batch's `[B, T, ...]`.
        """
        params = self._params
        batch, state = self._split(batch)
        posterior, prior, embed = self.infer(batch, seed, state)
        target = batch
        if params["contdisc"]:
            target = {**batch, "cont": batch["cont"] * params["discount"]}
        losses, others = self.compare(target, posterior, prior)
        scalars = {name: tf.reduce_mean(x) for name, x in others.items()}
        features = self.rssm.features(posterior)
        made = {"posterior": posterior, "features": features, "embed": embed}
        return losses, scalars, {**batch, **made}

    def _split(self, batch: Batch) -> tuple[Batch, State | None]:
        """Returns the rows to learn from, and the state before them."""
        stored = {
            name.removeprefix(_CONTEXT): value
            for name, value in batch.items()
            if name.startswith(_CONTEXT)
        }
        if not stored:
            return batch, None
        rows = {
            name: value[:, 1:]
            for name, value in batch.items()
            if not name.startswith(_CONTEXT)
        }
        return rows, self.rssm.from_store(stored)
