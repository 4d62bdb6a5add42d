"""What latent dynamics do that have a deterministic and a stochastic part."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.agents.dreamer.latents import Latents, State
from planet_tf2.agents.dreamer.unroll import time_major, unroll

tfd = tfp.distributions

Advance = Callable[[State, tf.Tensor], tf.Tensor]
Infer = Callable[..., State]


class LatentDynamics(keras.layers.Layer):
    """Filters and imagines sequences of states; a base class.

    A state is a dictionary of float32 tensors: `deter` `[..., D]`, what a
    recurrent network remembers; `stoch`, a sample; and what it was sampled
    from, see `latents`.

    Args:
      latents: what the stochastic part is.
      deter: D.

    Attributes:
      latents: the same.
      action_size: A, set by `build`.
    """

    action_size: int

    def __init__(self, latents: Latents, deter: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.latents = latents
        self._deter = deter

    @property
    def feature_size(self) -> int:
        """F, the size of `features`."""
        return self.latents.size + self._deter

    def initial(self, batch_size: int | tf.Tensor) -> State:
        """Returns states at the beginning of an episode, `[B, ...]`: zeros."""
        shapes = dict.fromkeys(
            (*self.latents.names, "stoch"), self.latents.shape
        )
        shapes["deter"] = (self._deter,)
        return {k: tf.zeros([batch_size, *v]) for k, v in shapes.items()}

    def features(self, state: State) -> tf.Tensor:
        """Returns what heads see of a state, `[..., F]`."""
        raise NotImplementedError

    def noise(
        self, seed: tf.Tensor, shape: Sequence[int | tf.Tensor]
    ) -> tf.Tensor:
        """Draws what the samples of a whole sequence need.

        Args:
          seed: int32 `[2]`.
          shape: leading axes, time first: `[T, B]`, or `[B]` for one step.

        Returns:
          For categoricals Gumbel noise `[T, B, S, C]`, for normals standard
          normal `[T, B, S]`.
        """
        shape = tf.stack([*shape, *self.latents.shape])
        return self.latents.noise(seed, shape)

    def img_step(
        self, state: State, action: tf.Tensor, noise: tf.Tensor | None = None
    ) -> State:
        """Predicts the next state from the last one and an action: the prior.

        Args:
          state: `[B, ...]`.
          action: the action that leads to the next state, `[B, A]`.
          noise: for the sample; without, it is the mode.
        """
        acted, advance = self._advancing(action)
        return self._prior(advance(state, acted), noise)

    def obs_step(
        self,
        state: State | None,
        action: tf.Tensor,
        embed: tf.Tensor,
        is_first: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> tuple[State, State]:
        """Infers the state from the last one, an action and an observation.

        Args:
          state: `[B, ...]`; None for the initial one, whatever `is_first` is.
          action: the action that led to the observation, `[B, A]`.
          embed: the embedded observation, `[B, E]`.
          is_first: whether an episode begins here, `[B]`. The state is the
            initial one then, and the action zero.
          noise: for both samples; without, they are modes.

        Returns:
          Posterior and prior.
        """
        if noise is not None:
            noise = noise[None]
        states = self.observe(
            embed[:, None], action[:, None], is_first[:, None], noise, state
        )
        return tf.nest.map_structure(lambda x: x[:, 0], states)

    def observe(
        self,
        embed: tf.Tensor,
        action: tf.Tensor,
        is_first: tf.Tensor,
        noise: tf.Tensor | None = None,
        state: State | None = None,
    ) -> tuple[State, State]:
        """Filters sequences: every step sees its observation.

        Args:
          embed: embedded observations, `[B, T, E]`.
          action: `[B, T, A]`; entry t leads to observation t.
          is_first: where episodes begin, `[B, T]`; see `obs_step`.
          noise: of `noise(seed, [T, B])`.
          state: before the first step, `[B, ...]`; see `obs_step`.

        Returns:
          Posterior and prior states, `[B, T, ...]`.
        """
        start = self.initial(tf.shape(embed)[0])
        is_first = tf.cast(is_first, tf.bool)
        if state is None:
            state = start
            first = tf.ones_like(is_first[:, :1])
            is_first = tf.concat([first, is_first[:, 1:]], 1)
        action = tf.where(is_first[..., None], 0.0, action)
        # What depends on no state is computed for all time steps at once.
        acted, advance = self._advancing(action)
        seen, infer = self._inferring(embed)
        inputs = [time_major(x) for x in (is_first, acted, seen)]
        inputs += [] if noise is None else [noise]

        def step(state: State, inputs: Sequence[tf.Tensor]) -> State:
            is_first, acted, seen, *noise = inputs
            state = _where(is_first, start, state)
            return infer(advance(state, acted), seen, *noise)

        posterior = unroll(step, state, inputs)
        if noise is not None:
            noise = time_major(noise)
        return posterior, self._prior(posterior["deter"], noise)

    def imagine(
        self, state: State, action: tf.Tensor, noise: tf.Tensor | None = None
    ) -> State:
        """Predicts forward from a state by the prior alone.

        Args:
          state: to start from, `[B, ...]`.
          action: `[B, T, A]`, the first leads to the first predicted state.
          noise: of `noise(seed, [T, B])`.

        Returns:
          States `[B, T, ...]`.
        """
        acted, advance = self._advancing(action)
        inputs = [time_major(acted)]
        inputs += [] if noise is None else [noise]

        def step(state: State, inputs: Sequence[tf.Tensor]) -> State:
            acted, *noise = inputs
            return self._prior(advance(state, acted), *noise)

        return unroll(step, state, inputs)

    def distribution(self, state: State) -> tfd.Distribution:
        """Returns what the samples are drawn from, `[...]`."""
        return self.latents.distribution(state)

    def divergence(self, state: State, other: State) -> tf.Tensor:
        """Returns KL(state || other), summed over the variables, `[...]`."""
        return tfd.kl_divergence(
            self.distribution(state), self.distribution(other)
        )

    def kl(
        self, posterior: State, prior: State, free: float
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Computes both sides of the balanced divergence (equation 5).

        Args:
          posterior: `[...]`.
          prior: `[...]`.
          free: nats of each time step that cost nothing.

        Returns:
          `[...]` each: what trains the prior, what trains the posterior, both
          at least `free`, and the divergence as it is.
        """
        still = tf.nest.map_structure(tf.stop_gradient, (posterior, prior))
        dynamics = self.divergence(still[0], prior)
        representation = self.divergence(posterior, still[1])
        return (
            tf.maximum(dynamics, free),
            tf.maximum(representation, free),
            dynamics,
        )

    def _advancing(self, action: tf.Tensor) -> tuple[tf.Tensor, Advance]:
        """Prepares to advance by actions.

        Args:
          action: `[..., A]`, of one step or of many.

        Returns:
          What is known of the actions before any state is, `[..., X]`; and
          what makes the next deterministic state `[B, D]` of a state and of
          that, `[B, X]`.
        """
        raise NotImplementedError

    def _inferring(self, embed: tf.Tensor) -> tuple[tf.Tensor, Infer]:
        """Prepares to infer states from embeddings `[..., E]`.

        Returns:
          What is known before any state is, `[..., X]`; and what makes a
          posterior of a deterministic state `[B, D]`, that, and noise.
        """
        raise NotImplementedError

    def _prior(self, deter: tf.Tensor, noise: tf.Tensor | None = None) -> State:
        """Returns the state that is expected, `[..., D]`."""
        raise NotImplementedError


def _where(condition: tf.Tensor, one: State, other: State) -> State:
    """Chooses between states row by row, by `[B]`."""

    def choose(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        ones = [1] * (one.shape.rank - 1)
        return tf.where(tf.reshape(condition, [-1, *ones]), one, other)

    return tf.nest.map_structure(choose, one, other)
