"""The world model of DreamerV3: encoder, latent dynamics, heads, losses."""

from typing import Any

import gymnasium
import tensorflow as tf

from planet_tf2.agents.dreamer.base_world_model import (
    HEADS,
    BaseWorldModel,
    Batch,
    Params,
    dtype_policy,
)
from planet_tf2.agents.dreamer.coders import Decoder, Encoder
from planet_tf2.agents.dreamer.latents import Categoricals, Normals
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.nets import DistributionHead

_SCALES = ("kl_free", "dyn_scale", "rep_scale")


class WorldModel(BaseWorldModel):
    """The world model of 2023, see `BaseWorldModel`."""

    @property
    def scalar_names(self) -> list[str]:
        return [*super().scalar_names, *_SCALES]

    def _make_encoder(self, space: gymnasium.spaces.Dict) -> Encoder:
        settings = self._params["encoder"]
        return Encoder(space, settings, dtype=self.dtype_policy)

    def _make_rssm(self) -> RSSM:
        return make_rssm(self._params)

    def _make_heads(self, space: gymnasium.spaces.Dict) -> dict[str, Any]:
        settings = self._params["decoder"]
        decoder = Decoder(space, settings, dtype=self.dtype_policy)
        return {"decoder": decoder, **_make_heads(self._params)}

    def losses(
        self, batch: Batch, seed: tf.Tensor | None = None
    ) -> tuple[dict[str, tf.Tensor], dict[str, Any]]:
        """Computes the losses (equations 4 and 5 of the paper, v1).

        Args:
          batch: prepared, `[B, T, ...]`; all that is seen and predicted.
          seed: int32 `[2]`, determines the samples; without, they are modes.

        Returns:
          Scalars, `loss_names` and others by the reference's names; and what
          the behavior learns from: `posterior` states `[B, T, ...]` and `embed`
          `[B, T, E]`, without gradient.
        """
        posterior, prior, embed = self.infer(batch, seed)
        losses, others = self.compare(batch, posterior, prior)
        scaled = [self.scales[name] * loss for name, loss in losses.items()]
        # In this order always: what a graph adds one by one it may reorder.
        total = tf.reduce_sum(tf.stack(scaled), 0)
        means = {**losses, "model": total, **others}
        scalars = {name: tf.reduce_mean(loss) for name, loss in means.items()}
        for name in _SCALES:
            scalars[name] = tf.constant(float(self._params[name]))
        context = {"posterior": posterior, "embed": tf.cast(embed, tf.float32)}
        return scalars, tf.nest.map_structure(tf.stop_gradient, context)


def make_rssm(params: Params) -> RSSM:
    """Makes the latent dynamics, to be built."""
    variables = params["dyn_stoch"]
    if params["dyn_discrete"]:
        latents = Categoricals(
            variables, params["dyn_discrete"], params["unimix_ratio"]
        )
    else:
        latents = Normals(
            variables,
            params["dyn_mean_act"],
            params["dyn_std_act"],
            params["dyn_min_std"],
        )
    return RSSM(
        latents,
        params["dyn_deter"],
        params["dyn_hidden"],
        rec_depth=params["dyn_rec_depth"],
        activation=params["act"],
        norm=params["norm"],
        initial=params["initial"],
        dtype=dtype_policy(params["precision"]),
    )


def _make_heads(params: Params) -> dict[str, DistributionHead]:
    heads = {}
    for name in HEADS:
        settings = params[f"{name}_head"]
        heads[name] = DistributionHead(
            (),
            settings["layers"],
            params["units"],
            settings.get("dist", "binary"),
            activation=params["act"],
            norm=params["norm"],
            outscale=settings["outscale"],
            dtype=dtype_policy(params["precision"]),
        )
    return heads
