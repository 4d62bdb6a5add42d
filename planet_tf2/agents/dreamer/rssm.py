"""The recurrent state-space model of DreamerV3, categorical or Gaussian."""

from typing import Any

import tensorflow as tf

from planet_tf2.agents.dreamer.dynamics import Advance, Infer, LatentDynamics
from planet_tf2.agents.dreamer.latents import Latents, State
from planet_tf2.nets.layers import Dense, linear
from planet_tf2.nets.norm_gru import NormGRUCell
from planet_tf2.nets.normed import NormedDense, output_initializer, unflatten


class RSSM(LatentDynamics):
    """A deterministic and a stochastic path side by side (equation 3, v1).

        z[t-1], a[t-1] --img_in--> GRU --> h[t] --img_out--> prior of z[t]
                                    ^       |
                                  h[t-1]    +-- x[t] --obs_out--> posterior

    The state `deter` is h, that of the GRU, and `stoch` the sample z.

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
        super().__init__(latents, deter, **kwargs)
        self._hidden = hidden
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
        state = super().initial(batch_size)
        if self._start is not None:
            deter = tf.tanh(tf.convert_to_tensor(self._start))
            state["deter"] += deter
            state["stoch"] += self.latents.mode(self._prior(deter))
        return state

    def features(self, state: State) -> tf.Tensor:
        """Returns what heads see of a state, [z, h], `[..., F]`."""
        return tf.concat(
            [self.latents.flat(state["stoch"]), state["deter"]], -1
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

    def _advance(self, state: State, acted: tf.Tensor) -> tf.Tensor:
        inputs = tf.concat([self.latents.flat(state["stoch"]), acted], -1)
        hidden = self._img_in(inputs)
        deter = state["deter"]
        for _ in range(self._rec_depth):
            deter = self._gru(hidden, deter)
        return deter

    def _advancing(self, action: tf.Tensor) -> tuple[tf.Tensor, Advance]:
        return action, self._advance

    def _inferring(self, embed: tf.Tensor) -> tuple[tf.Tensor, Infer]:
        of_deter, of_embed = tf.split(
            self._obs_out.kernel, [self._deter, embed.shape[-1]]
        )
        dtype = self.compute_dtype
        seen = tf.tensordot(tf.cast(embed, dtype), tf.cast(of_embed, dtype), 1)

        def infer(
            deter: tf.Tensor, seen: tf.Tensor, noise: tf.Tensor | None = None
        ) -> State:
            product = linear(tf.cast(deter, dtype), [of_deter])
            hidden = self._obs_out.finish(product + seen)
            return self._sample(deter, self._obs_stats, hidden, noise)

        return seen, infer

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
