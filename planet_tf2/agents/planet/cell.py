"""The contract of latent cells: what a model of the dynamics offers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets.layers import Dense, apply_side_by_side
from planet_tf2.tools import seeds

tfd = tfp.distributions

State = dict[str, tf.Tensor]
Noises = tf.Tensor | tuple[tf.Tensor | None, tf.Tensor | None]


class LatentCell(keras.layers.Layer):
    """One time step of a latent dynamics model.

    A state is a dictionary of tensors `[B, size]` that always holds `mean`,
    `stddev` and `sample` of the stochastic state. Only the cell looks into it:
    everything else hands it on. The two ways through time are (section 3 of the
    paper, Figure 2):

        prior      p(s[t] | s[t-1], a[t-1])           `transition`
        posterior  q(s[t] | s[t-1], a[t-1], o[t])     `posterior`

    Samples are reparameterised, `mean + stddev * noise`. Callers get the noise
    of a whole sequence from `noise`, and hand it on step by step without
    knowing what it is made of; the same noise gives the same samples. Without
    noise the cell draws its own.

    States are float32 whatever precision the layers compute in.

    Args:
      state_size: S, units of the stochastic state.
      embed_size: units of every dense layer.
      activation: of the dense layers, Keras' name of it or a function.
      num_layers: dense layers in each stack; 1 in the original.
      mean_only: use the mean in place of a sample.
      min_stddev: lower bound of the predicted standard deviations.
    """

    def __init__(
        self,
        state_size: int = 30,
        embed_size: int = 200,
        *,
        activation: str | Callable | None = "relu",
        num_layers: int = 1,
        mean_only: bool = False,
        min_stddev: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.latent_size = state_size
        self._embed_size = embed_size
        self._activation = activation
        self._num_layers = num_layers
        self._mean_only = mean_only
        self._min_stddev = min_stddev

    # What a cell has to say for itself.

    @property
    def state_sizes(self) -> dict[str, int]:
        """The size of every entry of the state."""
        raise NotImplementedError

    @property
    def feature_size(self) -> int:
        """F, the size of `features_from_state`."""
        raise NotImplementedError

    def build(self, action_size: int, obs_size: int) -> None:
        """Creates the variables.

        Args:
          action_size: A, entries of an action.
          obs_size: E, entries of an embedded observation.
        """
        raise NotImplementedError

    def transition(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Predicts the next state from the last state and action: the prior.

        Args:
          prev_state: state at the last time step, tensors `[B, ...]`.
          prev_action: action that leads to this time step, `[B, A]`.
          noise: standard normal `[B, S]` for the sample.
        """
        raise NotImplementedError

    def observe(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        obs: tf.Tensor,
        noises: Noises = (None, None),
    ) -> tuple[State, State]:
        """Computes the prior and, from it, the posterior of a time step.

        Args:
          prev_state: state at the last time step, tensors `[B, ...]`.
          prev_action: action that leads to this time step, `[B, A]`.
          obs: embedded observation of this time step, `[B, E]`.
          noises: standard normals `[B, S]` for the samples of the prior and
            of the posterior.

        Returns:
          Prior state and posterior state.
        """
        raise NotImplementedError

    def features_from_state(self, state: State) -> tf.Tensor:
        """Returns what the heads see of a state, `[..., F]`."""
        raise NotImplementedError

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        raise NotImplementedError

    # What follows from it.

    def noise(
        self,
        seed: tf.Tensor,
        shape: Sequence[int | tf.Tensor],
        observing: bool = False,
    ) -> tf.Tensor:
        """Draws what the samples of a whole sequence need.

        Args:
          seed: int32 `[2]`.
          shape: leading axes, time first: `[T, B]`, or `[B]` for one step.
          observing: whether for `observe`, which samples prior and posterior,
            or for `transition` and `posterior`, which sample once.

        Returns:
          Standard normal `[T, B, S]`, or `[T, 2, B, S]` when observing. Entry t
          is what time step t takes.
        """
        *time, batch = shape
        pair = [2] if observing else []
        shape = tf.stack([*time, *pair, batch, self.latent_size])
        return seeds.normal(seed, shape)

    def posterior(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        obs: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Infers the state from the last one, an action and an observation.

        Args:
          prev_state: state at the last time step, tensors `[B, ...]`.
          prev_action: action that leads to this time step, `[B, A]`.
          obs: embedded observation of this time step, `[B, E]`.
          noise: standard normal `[B, S]` for the sample.
        """
        seen, step = self.filtering(obs)
        return step(prev_state, prev_action, seen, noise)

    # `observe` for a sequence, in three parts: before, during and after a walk
    # through time. What need not wait for the step before is computed for all
    # steps at once.

    def filtering(self, obs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        """Prepares to infer states from observations.

        Args:
          obs: embedded observations of any number of time steps, `[N, E]`.

        Returns:
          What a step has to see of them, `[N, P]`, and the step: a function
          like `posterior`, but for what it sees.
        """

        def step(prev_state, prev_action, seen, noise=None):
            # The prior's sample is not used, so any noise will do for it.
            noises = (noise, noise)
            return self.observe(prev_state, prev_action, seen, noises)[1]

        return obs, step

    def prior_beside(
        self,
        posterior: State,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Computes the prior of a time step whose posterior is known."""
        return self.transition(prev_state, prev_action, noise)

    def zero_state(self, batch_size: int | tf.Tensor) -> State:
        """Returns the start state, all zeros, `[B, size]` each."""
        return {
            name: tf.zeros([batch_size, size])
            for name, size in self.state_sizes.items()
        }

    def dist_from_state(self, state: State) -> tfd.Distribution:
        """Returns the diagonal normal over the stochastic state, `[...]`."""
        return tfd.Independent(tfd.Normal(state["mean"], state["stddev"]), 1)

    def divergence_from_states(self, lhs: State, rhs: State) -> tf.Tensor:
        """Returns KL(lhs || rhs), summed over the state, `[...]` in nats."""
        return tfd.kl_divergence(
            self.dist_from_state(lhs), self.dist_from_state(rhs)
        )

    def describe(self, state: State) -> dict[str, tf.Tensor]:
        """Says how sure a state is.

        Returns:
          `entropy` of the stochastic state in nats, `[...]`, and `stddev`,
          `[..., S]`.
        """
        entropy = self.dist_from_state(state).entropy()
        return {"entropy": entropy, "stddev": state["stddev"]}

    def latent(self, state: State) -> tf.Tensor:
        """Returns the mean of the stochastic state, `[..., S]`, for plots."""
        return state["mean"]

    def divergence_from_standard(self, state: State) -> tf.Tensor:
        """Returns KL(state || N(0, 1)), summed over the state, `[...]`."""
        mean, stddev = state["mean"], state["stddev"]
        kl = (tf.square(mean) + tf.square(stddev) - 1) / 2 - tf.math.log(stddev)
        return tf.reduce_sum(kl, -1)

    def replace(self, state: State, keep: tf.Tensor) -> State:
        """Replaces states that there are not by standard normal ones.

        Their mean is 0, their stddev 1, and all other entries 0, so that
        divergences and their gradients are finite.

        Args:
          state: tensors `[..., size]`.
          keep: which of them there are, bool `[...]`.
        """
        return {
            name: tf.where(
                keep[..., None],
                value,
                tf.cast(1 if name == "stddev" else 0, value.dtype),
            )
            for name, value in state.items()
        }

    def _dense(
        self, units: int, activation: str | Callable | None = None
    ) -> Dense:
        """Makes a dense layer of this cell's precision."""
        return Dense(units, activation, dtype=self.dtype_policy)

    def _stack(self) -> list[Dense]:
        """Makes dense layers to be applied one after the other."""
        return [
            self._dense(self._embed_size, self._activation)
            for _ in range(self._num_layers)
        ]

    def _joined(self, entries: Sequence[tf.Tensor]) -> tf.Tensor:
        """Joins entries in the precision that the layers compute in."""
        return tf.concat([tf.cast(e, self.compute_dtype) for e in entries], -1)

    def _stochastic_state(
        self,
        hidden: tf.Tensor,
        mean: Callable[[tf.Tensor], tf.Tensor],
        stddev: Callable[[tf.Tensor], tf.Tensor],
        noise: tf.Tensor | None,
    ) -> State:
        """Computes mean, stddev and sample by two layers, or functions."""
        if isinstance(mean, Dense) and isinstance(stddev, Dense):
            outputs = apply_side_by_side([mean, stddev], hidden)
        else:
            outputs = mean(hidden), stddev(hidden)
        mean, raw_stddev = (tf.cast(x, tf.float32) for x in outputs)
        stddev = tf.nn.softplus(raw_stddev) + self._min_stddev
        if self._mean_only:
            sample = mean
        else:
            if noise is None:
                noise = tf.random.normal(tf.shape(mean), dtype=mean.dtype)
            sample = mean + stddev * noise
        return {"mean": mean, "stddev": stddev, "sample": sample}
