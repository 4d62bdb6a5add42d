"""The stochastic state-space model: no path but the sampled one."""

from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, Noises, State
from planet_tf2.nets import weights
from planet_tf2.nets.layers import apply_stack, build_stack


class SSM(LatentCell):
    """A purely stochastic model (Figure 2b, equation 2).

    State entries: `mean`, `stddev`, `sample` of the stochastic state s. All
    that is remembered has to pass through the sample.

        s[t-1], a[t-1] --hidden--> prior mean, stddev
                                         |
                                o[t] --hidden--> posterior mean, stddev

    For the arguments see `LatentCell`.
    """

    def __init__(
        self, state_size: int = 30, embed_size: int = 200, **settings: Any
    ):
        super().__init__(state_size, embed_size, **settings)
        self._prior = self._stack()
        self._prior_mean = self._dense(state_size)
        self._prior_stddev = self._dense(state_size)
        self._posterior = self._stack()
        self._posterior_mean = self._dense(state_size)
        self._posterior_stddev = self._dense(state_size)

    @property
    def state_sizes(self) -> dict[str, int]:
        return dict.fromkeys(("mean", "stddev", "sample"), self.latent_size)

    @property
    def feature_size(self) -> int:
        return self.latent_size

    def build(self, action_size: int, obs_size: int) -> None:
        build_stack(self._prior, self.latent_size + action_size)
        build_stack(self._posterior, 2 * self.latent_size + obs_size)
        for layer in (
            self._prior_mean,
            self._prior_stddev,
            self._posterior_mean,
            self._posterior_stddev,
        ):
            layer.build((None, self._embed_size))
        self.built = True

    def transition(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        hidden = tf.concat([prev_state["sample"], prev_action], -1)
        hidden = apply_stack(self._prior, hidden)
        return self._stochastic_state(
            hidden, self._prior_mean, self._prior_stddev, noise
        )

    def observe(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        obs: tf.Tensor,
        noises: Noises = (None, None),
    ) -> tuple[State, State]:
        prior = self.transition(prev_state, prev_action, noises[0])
        hidden = self._joined([prior["mean"], prior["stddev"], obs])
        hidden = apply_stack(self._posterior, hidden)
        posterior = self._stochastic_state(
            hidden, self._posterior_mean, self._posterior_stddev, noises[1]
        )
        return prior, posterior

    def features_from_state(self, state: State) -> tf.Tensor:
        """Returns the sample, `[..., S]`."""
        return state["sample"]

    def original_variables(self) -> dict[str, Any]:
        transition = [*self._prior, self._prior_mean, self._prior_stddev]
        posterior = [*self._posterior]
        posterior += [self._posterior_mean, self._posterior_stddev]
        return {
            **weights.name_dense_layers("transition/dense", transition),
            **weights.name_dense_layers("posterior/dense", posterior),
        }
