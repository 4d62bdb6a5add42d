"""The recurrent state-space model, PlaNet's latent dynamics."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, Noises, State
from planet_tf2.nets import weights
from planet_tf2.nets.gru import GRUCell
from planet_tf2.nets.layers import add_bias, apply_stack, build_stack, linear


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
        hidden = apply_stack(self._posterior, self._joined([belief, obs]))
        return prior, self._posterior_state(hidden, belief, noises[1])

    def filtering(self, obs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        first, *others = self._posterior
        # The kernel sees `[belief, obs]`.
        of_belief, of_obs = tf.split(
            tf.convert_to_tensor(first.kernel), [self._belief_size, -1]
        )
        dtype = self.compute_dtype
        seen = add_bias(
            tf.matmul(tf.cast(obs, dtype), tf.cast(of_obs, dtype)),
            tf.cast(first.bias, dtype),
        )

        def step(prev_state, prev_action, seen, noise=None):
            _, belief = self._advance(prev_state, prev_action)
            product = linear(tf.cast(belief, dtype), [of_belief])
            hidden = apply_stack(others, first.activation(product + seen))
            return self._posterior_state(hidden, belief, noise)

        return seen, step

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
        self, hidden: tf.Tensor, belief: tf.Tensor, noise: tf.Tensor | None
    ) -> State:
        posterior = self._stochastic_state(
            hidden, self._posterior_mean, self._posterior_stddev, noise
        )
        return {**posterior, "belief": belief}

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
