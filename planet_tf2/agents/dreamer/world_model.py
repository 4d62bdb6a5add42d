"""The world model of DreamerV3: encoder, latent dynamics, heads, losses."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import tensorflow as tf

from planet_tf2.agents.dreamer.coders import (
    Decoder,
    Encoder,
    choose,
    choose_some,
)
from planet_tf2.agents.dreamer.latents import Categoricals, Normals, State
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets import DistributionHead
from planet_tf2.nets.module import Module
from planet_tf2.nets.weights import prefix_names

Batch = dict[str, tf.Tensor]
Params = Mapping[str, Any]

_LOSSES = ("model", "reward", "cont", "dyn", "rep")
_SCALES = ("kl_free", "dyn_scale", "rep_scale")


def check_observations(params: Params, space: gymnasium.spaces.Dict) -> None:
    """Checks whether coders can deal with what there is to observe.

    Raises:
      ConfigError: nothing is seen, or nothing predicted although some was to
        be; images that are dealt with together differ in size; or what is
        predicted is called as another loss is, or what is seen 'cont'.
    """
    edition = params["edition"]
    chosen = choose_some(space, params["encoder"], "encoder", edition)
    seen = set().union(*chosen)
    if "cont" in seen:
        raise ConfigError(
            "An observation is called 'cont', as what is learned of ends. "
            "Rename it, or leave it out of encoder.mlp_keys and cnn_keys."
        )
    decoder = params["decoder"]
    images, vectors = choose(space, decoder, edition)
    if {decoder["cnn_keys"], decoder["mlp_keys"]} != {"$^"}:
        choose_some(space, decoder, "decoder", edition)
    if taken := {*_LOSSES, "actor", "value"} & {*images, *vectors}:
        raise ConfigError(
            f"An observation is called {min(taken)!r}, as another loss is."
            " Rename it, or leave it out of decoder.mlp_keys and cnn_keys."
        )


class WorldModel(Module):
    """Latent dynamics with an encoder and the heads that it learns from.

    Args:
      params: parameters of the run.
      observation_space: what there is to observe; `params` chooses from it.
      action_space: Box `[A]`, Discrete or MultiDiscrete.

    Attributes:
      encoder, rssm: its parts.
      heads: `decoder`, from features to distributions of the observations by
        name; `reward` and `cont`, from features to a distribution.
      groups: variables by the name of their optimizer.
      observations: shapes of what is seen or predicted, by name.
      predicted: names of what is predicted.

    Raises:
      ConfigError: what shall be seen or predicted cannot be.
    """

    def __init__(
        self,
        params: Params,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
    ):
        super().__init__("world_model")
        check_observations(params, observation_space)
        self._params = params
        self._action_space = action_space
        policy = dtype_policy(params["precision"])
        self.encoder = Encoder(
            observation_space, params["encoder"], dtype=policy
        )
        self.encoder.build()
        self.rssm = make_rssm(params)
        size = gymnasium.spaces.flatdim(action_space)
        self.rssm.build(size, self.encoder.embedding_size)
        decoder = Decoder(observation_space, params["decoder"], dtype=policy)
        self.heads = {"decoder": decoder, **_make_heads(params)}
        for head in self.heads.values():
            head.build(self.rssm.feature_size)
        self.groups = {"model": list(self.trainable_variables)}
        self._images = {**decoder.images, **self.encoder.images}
        vectors = {**decoder.vectors, **self.encoder.vectors}
        self.observations = {**self._images, **vectors}
        self.predicted = (*decoder.images, *decoder.vectors)

    @property
    def loss_names(self) -> list[str]:
        """Which of the scalars of `losses` are losses, before scaling.

        Only `model`, the sum of all, is scaled.
        """
        return ["model", *self.predicted, *_LOSSES[1:]]

    @property
    def scalar_names(self) -> list[str]:
        """All other scalars of `losses`."""
        return ["kl", "prior_ent", "post_ent", *_SCALES]

    def prepare(self, batch: Batch) -> Batch:
        """Turns what is stored, or observed, into what the model takes.

        Args:
          batch: `[..., *shape]` by name: observations and, as far as they are
            asked for, `action` in the environment's form, `reward`,
            `is_first` and `terminal`.

        Returns:
          The same in float32: images in 0..1, `action` as vectors `[..., A]`,
          and `cont`, whether the episode goes on, beside `terminal`.
        """
        result = {}
        for name, value in batch.items():
            if name == "action":
                result[name] = self.action_vector(value)
                continue
            result[name] = tf.cast(value, tf.float32)
            if name in self._images:
                result[name] /= 255
        if "terminal" in result:
            result["cont"] = 1 - result["terminal"]
        return result

    def action_vector(self, action: tf.Tensor) -> tf.Tensor:
        """Returns actions of the environment as vectors, float32 `[..., A]`.

        Those of several choices are one-hot vectors, one behind the other.
        """
        space = self._action_space
        if isinstance(space, gymnasium.spaces.Box):
            return tf.cast(action, tf.float32)
        if isinstance(space, gymnasium.spaces.Discrete):
            action = tf.cast(action, tf.int64) - int(space.start)
            return tf.one_hot(action, int(space.n))
        parts = tf.unstack(tf.cast(action, tf.int64) - space.start, axis=-1)
        return tf.concat(
            [
                tf.one_hot(part, int(size))
                for part, size in zip(parts, space.nvec, strict=True)
            ],
            -1,
        )

    def infer(
        self, batch: Batch, seed: tf.Tensor | None = None
    ) -> tuple[State, State, tf.Tensor]:
        """Filters sequences from their first step on.

        Args:
          batch: prepared; observations, `action`, `is_first`, `[B, T, ...]`.
          seed: int32 `[2]`, determines the samples; without, they are modes.

        Returns:
          Posterior and prior states, and embeddings `[B, T, E]`.
        """
        embed = self.encoder(batch)
        noise = None
        if seed is not None:
            size, length = embed.shape[:2]
            noise = self.rssm.noise(seed, [length, size])
        states = self.rssm.observe(
            embed, batch["action"], batch["is_first"], noise
        )
        return *states, embed

    def predict(self, features: tf.Tensor) -> dict[str, Any]:
        """Returns what all heads say of features, `[..., F]`, by name."""
        decoder, reward, cont = self.heads.values()
        return {
            **decoder(features),
            "reward": reward(features),
            "cont": cont(features),
        }

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
        params, rssm = self._params, self.rssm
        posterior, prior, embed = self.infer(batch, seed)
        dyn, rep, value = rssm.kl(posterior, prior, params["kl_free"])
        scaled = [params["dyn_scale"] * dyn, params["rep_scale"] * rep]
        scales = {name: params[f"{name}_head"]["loss_scale"] for name in _HEADS}
        means = {}
        for name, dist in self._heads_for_training(posterior).items():
            means[name] = -dist.log_prob(batch[name])
            scaled.append(scales.get(name, 1.0) * means[name])
        # In this order always: what a graph adds one by one it may reorder.
        total = tf.reduce_sum(tf.stack(scaled), 0)
        means |= {"model": total, "dyn": dyn, "rep": rep, "kl": value}
        for name, state in (("prior_ent", prior), ("post_ent", posterior)):
            means[name] = rssm.distribution(state).entropy()
        scalars = {name: tf.reduce_mean(loss) for name, loss in means.items()}
        for name in _SCALES:
            scalars[name] = tf.constant(float(params[name]))
        context = {"posterior": posterior, "embed": tf.cast(embed, tf.float32)}
        return scalars, tf.nest.map_structure(tf.stop_gradient, context)

    def _heads_for_training(self, posterior: State) -> dict[str, Any]:
        """Returns predictions, without gradient where the heads learn alone."""
        features = self.rssm.features(posterior)
        found = {}
        for name, head in self.heads.items():
            learned = name in self._params["grad_heads"]
            seen = features if learned else tf.stop_gradient(features)
            found |= head(seen) if name == "decoder" else {name: head(seen)}
        return found

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        parts = {"encoder": self.encoder, "rssm": self.rssm, **self.heads}
        return {
            full: variable
            for scope, part in parts.items()
            for full, variable in prefix_names(
                scope, part.original_variables()
            ).items()
        }


def dtype_policy(precision: str) -> str:
    """Returns what Keras calls a precision: variables are float32 in all."""
    return precision if precision == "float32" else f"mixed_{precision}"


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


_HEADS = ("reward", "cont")


def _make_heads(params: Params) -> dict[str, DistributionHead]:
    heads = {}
    for name in _HEADS:
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
