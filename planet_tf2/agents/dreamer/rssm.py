"""The recurrent state-space model of DreamerV3, categorical or Gaussian."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.agents.dreamer.latents import Latents, State
from planet_tf2.agents.dreamer.unroll import time_major, unroll
from planet_tf2.nets.layers import Dense
from planet_tf2.nets.norm_gru import NormGRUCell
from planet_tf2.nets.normed import NormedDense, output_initializer, unflatten

tfd = tfp.distributions


class RSSM(keras.layers.Layer):
    """A deterministic and a stochastic path side by side (equation 3, v1).

        z[t-1], a[t-1] --img_in--> GRU --> h[t] --img_out--> prior of z[t]
                                    ^       |
                                  h[t-1]    +-- x[t] --obs_out--> posterior

    A state is a dictionary of float32 tensors: `deter` `[..., D]`, the state h
    of the GRU; `stoch`, the sample z; and what it was sampled from, see
    `latents`.

    Args:
      latents: what z is.
      deter: D.
      hidden: units of every dense layer.
      rec_depth: how many times the GRU is applied to the same input.
      activation: of the dense layers.
      norm: whether dense layers and GRU are normalised.
      initial: of a new episode: `learned`, or `zeros`.
    """

    def __init__(
        self,
        latents: Latents,
        deter: int = 512,
        hidden: int = 512,
        *,
        rec_depth: int = 1,
        activation: str | None = "silu",
        norm: bool = True,
        initial: str = "learned",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.latents = latents
        self._deter, self._hidden = deter, hidden
        self._rec_depth = rec_depth
        self._initial = initial
        common = {"norm": norm, "dtype": self.dtype_policy}
        self._img_in, self._img_out, self._obs_out = (
            NormedDense(hidden, activation, **common) for _ in range(3)
        )
        self._gru = NormGRUCell(deter, **common)
        self._img_stats, self._obs_stats = (
            Dense(
                latents.outputs,
                kernel_initializer=output_initializer(1.0),
                dtype=self.dtype_policy,
            )
            for _ in range(2)
        )

    @property
    def feature_size(self) -> int:
        """F, the size of `features`."""
        return self.latents.size + self._deter

    def build(self, action_size: int, embed_size: int) -> None:
        """Creates the variables for actions `[A]`, embeddings `[E]`."""
        self.action_size = action_size
        self._img_in.build(self.latents.size + action_size)
        self._gru.build(self._hidden)
        self._img_out.build(self._deter)
        self._obs_out.build(self._deter + embed_size)
        for layer in (self._img_stats, self._obs_stats):
            layer.build((None, self._hidden))
        self._start = None
        if self._initial == "learned":
            self._start = self.add_weight(
                (1, self._deter), "zeros", name="initial"
            )
        self.built = True

    def initial(self, batch_size: int | tf.Tensor) -> State:
        """Returns states at the beginning of an episode, `[B, ...]`.

        A learned one has the mode of the prior for its sample, with the
        gradient of the log-probabilities.
        """
        shapes = dict.fromkeys(
            (*self.latents.names, "stoch"), self.latents.shape
        )
        shapes["deter"] = (self._deter,)
        state = {k: tf.zeros([batch_size, *v]) for k, v in shapes.items()}
        if self._start is not None:
            deter = tf.tanh(tf.convert_to_tensor(self._start))
            state["deter"] += deter
            state["stoch"] += self.latents.mode(self._prior(deter))
        return state

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
        return self._prior(self._advance(state, action), noise)

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
        of_deter, of_embed = tf.split(
            self._obs_out.kernel, [self._deter, embed.shape[-1]]
        )
        dtype = self.compute_dtype
        # What depends on no state is computed for all time steps at once.
        seen = tf.tensordot(tf.cast(embed, dtype), tf.cast(of_embed, dtype), 1)
        inputs = [time_major(x) for x in (is_first, action, seen)]
        inputs += [] if noise is None else [noise]

        def step(state: State, inputs: Sequence[tf.Tensor]) -> State:
            is_first, action, seen, *noise = inputs
            state = _where(is_first, start, state)
            deter = self._advance(state, action)
            # Cast here, so that gradients of all steps add up in float32.
            product = tf.cast(deter, dtype) @ tf.cast(of_deter, dtype)
            hidden = self._obs_out.finish(product + seen)
            return self._sample(deter, self._obs_stats, hidden, *noise)

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
        inputs = [time_major(action)] + ([] if noise is None else [noise])
        return unroll(
            lambda state, inputs: self.img_step(state, *inputs), state, inputs
        )

    def features(self, state: State) -> tf.Tensor:
        """Returns what heads see of a state, [z, h], `[..., F]`."""
        return tf.concat(
            [self.latents.flat(state["stoch"]), state["deter"]], -1
        )

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

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        named = self._gru.original_variables()
        for name in ("img_in", "img_out", "obs_out"):
            named |= getattr(self, f"_{name}").named(name, f"{name}_norm")
        for name in ("img_stats", "obs_stats"):
            layer = getattr(self, f"_{name}")
            named[f"{name}/kernel"] = layer.kernel
            named[f"{name}/bias"] = layer.bias
        if self._start is not None:
            named["initial"] = self._start
        return named

    def _advance(self, state: State, action: tf.Tensor) -> tf.Tensor:
        """Returns the next state of the GRU."""
        inputs = tf.concat([self.latents.flat(state["stoch"]), action], -1)
        hidden = self._img_in(inputs)
        deter = state["deter"]
        for _ in range(self._rec_depth):
            deter = self._gru(hidden, deter)
        return deter

    def _prior(self, deter: tf.Tensor, noise: tf.Tensor | None = None) -> State:
        hidden = self._img_out(deter)
        return self._sample(deter, self._img_stats, hidden, noise)

    def _sample(
        self,
        deter: tf.Tensor,
        stats: Dense,
        hidden: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Makes states of what a layer says of their distribution."""
        outputs = stats(tf.reshape(hidden, [-1, self._hidden]))
        outputs = unflatten(outputs, hidden, [self.latents.outputs])
        outputs = tf.cast(outputs, tf.float32)
        return {**self.latents.state(outputs, noise), "deter": deter}


def _where(condition: tf.Tensor, one: State, other: State) -> State:
    """Chooses between states row by row, by `[B]`."""

    def choose(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        ones = [1] * (one.shape.rank - 1)
        return tf.where(tf.reshape(condition, [-1, *ones]), one, other)

    return tf.nest.map_structure(choose, one, other)
