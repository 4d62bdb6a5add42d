"""What the world models of all editions do."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import tensorflow as tf

from planet_tf2.agents.dreamer.coders import choose, choose_some
from planet_tf2.agents.dreamer.dynamics import LatentDynamics
from planet_tf2.agents.dreamer.latents import State
from planet_tf2.agents.dreamer.side_by_side import side_by_side
from planet_tf2.agents.dreamer.unroll import time_major
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets.module import Module
from planet_tf2.nets.weights import prefix_names

Batch = dict[str, tf.Tensor]
Params = Mapping[str, Any]

# Entries of features from which on halves of a batch are computed side by side.
_LARGE = 512

HEADS = ("reward", "cont")
LOSSES = ("model", *HEADS, "dyn", "rep")
_OTHER_LOSSES = ("actor", "value", "repval", "total")


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
    if taken := {*LOSSES, *_OTHER_LOSSES} & {*images, *vectors}:
        raise ConfigError(
            f"An observation is called {min(taken)!r}, as another loss is."
            " Rename it, or leave it out of decoder.mlp_keys and cnn_keys."
        )


class BaseWorldModel(Module):
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
      scales: of the losses of `compare`, by name.

    Raises:
      ConfigError: what shall be seen or predicted cannot be.
    """

    # The names of the parts in golden files.
    part_names = ("encoder", "rssm", "decoder", *HEADS)

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
        self.encoder = self._make_encoder(observation_space)
        self.encoder.build()
        self.rssm = self._make_rssm()
        size = gymnasium.spaces.flatdim(action_space)
        self.rssm.build(size, self.encoder.embedding_size)
        self.heads = self._make_heads(observation_space)
        for head in self.heads.values():
            head.build(self.rssm.feature_size)
        self.groups = {"model": list(self.trainable_variables)}
        decoder = self.heads["decoder"]
        self._images = {**decoder.images, **self.encoder.images}
        vectors = {**decoder.vectors, **self.encoder.vectors}
        self.observations = {**self._images, **vectors}
        self.predicted = (*decoder.images, *decoder.vectors)
        scale = params["decoder"]["loss_scale"]
        self.scales = {
            "dyn": params["dyn_scale"],
            "rep": params["rep_scale"],
            **dict.fromkeys(self.predicted, scale),
            **{name: params[f"{name}_head"]["loss_scale"] for name in HEADS},
        }

    def _make_encoder(self, space: gymnasium.spaces.Dict) -> Any:
        raise NotImplementedError

    def _make_rssm(self) -> LatentDynamics:
        raise NotImplementedError

    def _make_heads(self, space: gymnasium.spaces.Dict) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def dtype_policy(self) -> str:
        """What Keras calls the precision of the parts."""
        return dtype_policy(self._params["precision"])

    @property
    def loss_names(self) -> list[str]:
        """Which of the scalars of a training step are losses, before scaling.

        Only `model`, the sum of all, is scaled.
        """
        return ["model", *self.predicted, *LOSSES[1:]]

    @property
    def scalar_names(self) -> list[str]:
        """All other scalars of it."""
        return ["kl", "prior_ent", "post_ent"]

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
        self,
        batch: Batch,
        seed: tf.Tensor | None = None,
        state: State | None = None,
    ) -> tuple[State, State, tf.Tensor]:
        """Filters sequences.

        Args:
          batch: prepared; observations, `action`, `is_first`, `[B, T, ...]`.
          seed: int32 `[2]`, determines the samples; without, they are modes.
          state: before the first step, `[B, ...]`; None for the initial one.

        Returns:
          Posterior and prior states, and embeddings `[B, T, E]`.
        """
        noise = None
        if seed is not None:
            size, length = batch["action"].shape[:2]
            noise = time_major(self.rssm.noise(seed, [length, size]))

        def infer(
            batch: Batch, noise: tf.Tensor | None, state: State | None
        ) -> tuple[State, State, tf.Tensor]:
            embed = self.encoder(batch)
            noise = None if noise is None else time_major(noise)
            states = self.rssm.observe(
                embed, batch["action"], batch["is_first"], noise, state
            )
            return *states, embed

        return self._in_parts(infer, batch, noise, state)

    def _in_parts(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Computes two halves of a batch side by side if that is faster.

        In small networks it is the number of operations that takes time.
        """
        if self.rssm.feature_size < _LARGE:
            return function(*inputs)
        return side_by_side(function, *inputs)

    def predict(self, features: tf.Tensor) -> dict[str, Any]:
        """Returns what all heads say of features, `[..., F]`, by name."""
        decoder, reward, cont = self.heads.values()
        return {
            **decoder(features),
            "reward": reward(features),
            "cont": cont(features),
        }

    def stored(self, state: State) -> dict[str, tf.Tensor]:
        """Returns what the replay keeps of states `[...]`, to go on from."""
        del state
        return {}

    def compare(
        self, batch: Batch, posterior: State, prior: State
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Computes the losses of each time step, and what is told of it.

        Args:
          batch: prepared, `[B, T, ...]`; all that is predicted.
          posterior: `[B, T, ...]`.
          prior: likewise.

        Returns:
          Losses before scaling, by the names of `scales`, and others, `[B, T]`.
        """
        return self._in_parts(self._compare, batch, posterior, prior)

    def _compare(
        self, batch: Batch, posterior: State, prior: State
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        rssm = self.rssm
        dyn, rep, value = rssm.kl(posterior, prior, self._params["kl_free"])
        losses = {"dyn": dyn, "rep": rep}
        for name, dist in self._heads_for_training(posterior).items():
            losses[name] = -dist.log_prob(batch[name])
        others = {"kl": value}
        for name, state in (("prior_ent", prior), ("post_ent", posterior)):
            others[name] = rssm.distribution(state).entropy()
        return losses, others

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
        parts = (self.encoder, self.rssm, *self.heads.values())
        return {
            full: variable
            for scope, part in zip(self.part_names, parts, strict=True)
            for full, variable in prefix_names(
                scope, part.original_variables()
            ).items()
        }


def dtype_policy(precision: str) -> str:
    """Returns what Keras calls a precision: variables are float32 in all."""
    return precision if precision == "float32" else f"mixed_{precision}"
