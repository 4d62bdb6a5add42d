"""The recurrent state-space model, PlaNet's latent dynamics."""

from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, Noises, State
from planet_tf2.nets import weights
from planet_tf2.nets.gru import GRUCell
from planet_tf2.nets.layers import (
    Dense,
    add_bias,
    apply_stack,
    build_stack,
    cast_weight,
)


class RSSM(LatentCell):
    """Deterministic and stochastic path side by side (Figure 2c, equation 4).

    State entries: `mean`, `stddev`, `sample` of the stochastic state s, and
    `belief`, the deterministic state h of a GRU.

        s[t-1], a[t-1] --embed--> GRU --> h[t] --> prior mean, stddev
                                   ^       |
                                 h[t-1]    +-- o[t] --> posterior mean, stddev

    Args:
      state_size: S, units of the stochastic state.
      belief_size: H, units of the GRU.
      embed_size: units of every dense layer.
      future_rnn: predict the prior from the belief. If false it comes from
        the GRU's input, and only the posterior sees the belief.
      settings: see `LatentCell`.
    """

    def __init__(
        self,
        state_size: int = 30,
        belief_size: int = 200,
        embed_size: int = 200,
        future_rnn: bool = True,
        **settings: Any,
    ):
        super().__init__(state_size, embed_size, **settings)
        self._belief_size = belief_size
        self._future_rnn = future_rnn
        self._embed, self._prior, self._posterior = (
            self._stack() for _ in range(3)
        )
        self._gru = GRUCell(belief_size, dtype=self.dtype_policy)
        self._prior_mean = self._dense(state_size)
        self._prior_stddev = self._dense(state_size)
        self._posterior_mean = self._dense(state_size)
        self._posterior_stddev = self._dense(state_size)

    @property
    def state_sizes(self) -> dict[str, int]:
        sizes = dict.fromkeys(("mean", "stddev", "sample"), self.latent_size)
        return {**sizes, "belief": self._belief_size}

    @property
    def feature_size(self) -> int:
        return self.latent_size + self._belief_size

    def build(self, action_size: int, obs_size: int) -> None:
        embed_size = self._embed_size
        prior_size = self._belief_size if self._future_rnn else embed_size
        build_stack(self._embed, self.latent_size + action_size)
        self._gru.build(embed_size)
        build_stack(self._prior, prior_size)
        build_stack(self._posterior, self._belief_size + obs_size)
        for layer in (
            self._prior_mean,
            self._prior_stddev,
            self._posterior_mean,
            self._posterior_stddev,
        ):
            layer.build((None, embed_size))
        self.built = True

    def transition(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        embedded, belief = self._advance(prev_state, prev_action)
        return self._prior_state(belief, embedded, noise)

    def observe(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        obs: tf.Tensor,
        noises: Noises = (None, None),
    ) -> tuple[State, State]:
        embedded, belief = self._advance(prev_state, prev_action)
        prior = self._prior_state(belief, embedded, noises[0])
        posterior = self._posterior_state(belief, self.project(obs), noises[1])
        return prior, posterior

    def project(self, obs: tf.Tensor) -> tf.Tensor:
        """Applies the first posterior layer to all but the belief."""
        kernel, bias = (
            self._first_kernel()[self._belief_size :],
            self._first.bias,
        )
        obs = tf.cast(obs, self.compute_dtype)
        bias = cast_weight(bias, self.compute_dtype)
        return add_bias(tf.matmul(obs, kernel), bias)

    def infer(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        projected: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        _, belief = self._advance(prev_state, prev_action)
        return self._posterior_state(belief, projected, noise)

    def prior_beside(
        self,
        posterior: State,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        if not self._future_rnn:
            return self.transition(prev_state, prev_action, noise)
        return self._prior_state(posterior["belief"], None, noise)

    def _advance(
        self, prev_state: State, prev_action: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the input of the GRU, and its next state, the belief."""
        hidden = tf.concat([prev_state["sample"], prev_action], -1)
        embedded = apply_stack(self._embed, hidden)
        return embedded, self._gru(embedded, prev_state["belief"])

    def _prior_state(
        self,
        belief: tf.Tensor,
        embedded: tf.Tensor | None,
        noise: tf.Tensor | None,
    ) -> State:
        hidden = belief if self._future_rnn else embedded
        hidden = apply_stack(self._prior, hidden)
        prior = self._stochastic_state(
            hidden, self._prior_mean, self._prior_stddev, noise
        )
        return {**prior, "belief": belief}

    def _posterior_state(
        self, belief: tf.Tensor, projected: tf.Tensor, noise: tf.Tensor | None
    ) -> State:
        kernel = self._first_kernel()[: self._belief_size]
        known = tf.cast(belief, self.compute_dtype)
        hidden = self._first.activation(tf.matmul(known, kernel) + projected)
        hidden = apply_stack(self._posterior[1:], hidden)
        posterior = self._stochastic_state(
            hidden, self._posterior_mean, self._posterior_stddev, noise
        )
        return {**posterior, "belief": belief}

    @property
    def _first(self) -> Dense:
        """The posterior's first layer, which sees `[belief, obs]`."""
        return self._posterior[0]

    def _first_kernel(self) -> tf.Tensor:
        return cast_weight(self._first.kernel, self.compute_dtype)

    def features_from_state(self, state: State) -> tf.Tensor:
        """Returns `[sample, belief]`, `[..., S + H]`."""
        return tf.concat([state["sample"], state["belief"]], -1)

    def original_variables(self) -> dict[str, Any]:
        transition = [*self._embed, *self._prior]
        transition += [self._prior_mean, self._prior_stddev]
        posterior = [*self._posterior]
        posterior += [self._posterior_mean, self._posterior_stddev]
        return {
            **weights.name_dense_layers("transition/dense", transition),
            **weights.prefix_names(
                "transition/gru_block_cell", self._gru.original_variables()
            ),
            **weights.name_dense_layers("posterior/dense", posterior),
        }
