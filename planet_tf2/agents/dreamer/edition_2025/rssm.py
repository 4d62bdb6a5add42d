"""The recurrent state-space model of DreamerV3 2025, with a GRU in blocks."""

from typing import Any

import tensorflow as tf

from planet_tf2.agents.dreamer.dynamics import Advance, Infer, LatentDynamics
from planet_tf2.agents.dreamer.latents import Categoricals, State
from planet_tf2.nets.rms import (
    RMSMLP,
    BlockLinear,
    Linear,
    RMSLayer,
    block_product,
)


class BlockRSSM(LatentDynamics):
    """A deterministic and a stochastic path side by side (2025, "Methods").

        h[t-1] -> dynin0 -+                               +-> prior of z[t]
        z[t-1] -> dynin1 -+-> dynhid -> gates -> h[t] ----+
        a[t]   -> dynin2 -+     ^                 |       +-> obs -> posterior
                              h[t-1]            h[t-1]    x[t]

    The hidden layer `dynhid` and the gates are cut into blocks. A block of h
    follows from the same block of the h before and, through `dynin`, from
    everything. The new h is u * c + (1 - u) * h[t-1] with u = sigmoid(update -
    1) and c = tanh(sigmoid(reset) * candidate).

    An episode begins with h and z of zeros. In half precision h is rounded
    to it at each step.

    Args:
      latents: what z is.
      deter: D, the size of h.
      hidden: U, units of every layer outside of the blocks.
      blocks: g, how many there are.
      dyn_layers: how many hidden layers `dynhid` are; all but the first see
        their block only.
      img_layers: hidden layers of the prior.
      obs_layers: hidden layers of the posterior.
      absolute: whether the posterior does not see h.
      outscale: of the first weights of the logits.
    """

    def __init__(
        self,
        latents: Categoricals,
        deter: int,
        hidden: int,
        *,
        blocks: int = 8,
        dyn_layers: int = 1,
        img_layers: int = 2,
        obs_layers: int = 1,
        absolute: bool = False,
        outscale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(latents, deter, **kwargs)
        self._hidden, self._blocks = hidden, blocks
        self._absolute = absolute
        policy = {"dtype": self.dtype_policy}
        self._dyn_in = [RMSLayer(hidden, **policy) for _ in range(3)]
        self._dyn_hid = [
            RMSLayer(deter, blocks, **policy) for _ in range(dyn_layers)
        ]
        self._gates = BlockLinear(3 * deter, blocks, **policy)
        self._img = RMSMLP(img_layers, hidden, **policy)
        self._obs = [RMSLayer(hidden, **policy) for _ in range(obs_layers)]
        self._img_logit, self._obs_logit = (
            Linear(latents.outputs, outscale, **policy) for _ in range(2)
        )

    def build(self, action_size: int, embed_size: int) -> None:
        """Creates the variables for actions `[A]`, embeddings `[E]`."""
        self.action_size = action_size
        deter, hidden = self._deter, self._hidden
        sizes = (deter, self.latents.size, action_size)
        for layer, size in zip(self._dyn_in, sizes, strict=True):
            layer.build(size)
        for index, layer in enumerate(self._dyn_hid):
            layer.build(deter, 0 if index else len(sizes) * hidden)
        self._gates.build(deter)
        self._img.build(deter)
        self._img_logit.build(self._img.size(deter))
        seen = embed_size if self._absolute else deter + embed_size
        for layer in self._obs:
            layer.build(seen)
            seen = hidden
        self._obs_logit.build(hidden)
        self.built = True

    def features(self, state: State) -> tf.Tensor:
        """Returns what heads see of a state, [h, z], `[..., F]`."""
        return tf.concat(
            [state["deter"], self.latents.flat(state["stoch"])], -1
        )

    def to_store(self, state: State) -> dict[str, tf.Tensor]:
        """Returns what suffices to go on from states `[...]`.

        Returns:
          `deter` `[..., D]` float32, and `stoch` as class numbers `[..., S]`,
          uint8, or int32 if there are more.
        """
        small = self.latents.shape[-1] <= 256
        numbers = tf.argmax(state["stoch"], -1, tf.int32)
        numbers = tf.cast(numbers, tf.uint8) if small else numbers
        return {"deter": state["deter"], "stoch": numbers}

    def from_store(self, stored: dict[str, tf.Tensor]) -> State:
        """Returns the states of which `to_store` was made, without logits."""
        numbers = tf.cast(stored["stoch"], tf.int32)
        stoch = tf.one_hot(numbers, self.latents.shape[-1])
        deter = tf.cast(stored["deter"], tf.float32)
        return {"deter": deter, "stoch": stoch, "logit": tf.zeros_like(stoch)}

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        named = {
            **self._gates.named("dyngru"),
            **self._img.named("prior{}"),
            **self._img_logit.named("priorlogit"),
            **self._obs_logit.named("obslogit"),
        }
        for name in ("dyn_in", "dyn_hid", "obs"):
            for index, layer in enumerate(getattr(self, f"_{name}")):
                named |= layer.named(f"{name.replace('_', '')}{index}")
        return named

    def _advancing(self, action: tf.Tensor) -> tuple[tf.Tensor, Advance]:
        dtype = self.compute_dtype
        of_deter, of_stoch, of_action = self._dyn_in
        first, *others = self._dyn_hid
        own, rest = first.linear.parts(first.linear.kernel)
        rest, of_acted = tf.split(rest, [2 * self._hidden, self._hidden])
        action /= tf.stop_gradient(tf.maximum(1.0, tf.abs(action)))
        acted = of_action(tf.cast(action, dtype))
        acted = tf.tensordot(acted, tf.cast(of_acted, dtype), 1)
        acted = first.linear.add_bias(acted)

        def advance(state: State, acted: tf.Tensor) -> tf.Tensor:
            # Cast here, so that gradients of all steps add up in float32.
            deter, stoch = (
                tf.cast(x, dtype)
                for x in (state["deter"], self.latents.flat(state["stoch"]))
            )
            known = tf.concat([of_deter(deter), of_stoch(stoch)], -1)
            product = block_product(deter, tf.cast(own, dtype)) + acted
            product += tf.matmul(known, tf.cast(rest, dtype))
            hidden = first.activate(product)
            for layer in others:
                hidden = layer(hidden)
            return self._gate(self._gates(hidden), state["deter"])

        return acted, advance

    def _gate(self, outputs: tf.Tensor, deter: tf.Tensor) -> tf.Tensor:
        """Returns the next h for `[B, 3D]` of the gates, and h, `[B, D]`."""
        run = self._deter // self._blocks
        outputs = tf.reshape(outputs, [-1, self._blocks, 3, run])
        reset, candidate, update = tf.unstack(
            tf.cast(outputs, deter.dtype), 3, 2
        )
        before = tf.reshape(deter, [-1, self._blocks, run])
        candidate = tf.tanh(tf.sigmoid(reset) * candidate)
        after = before + tf.sigmoid(update - 1) * (candidate - before)
        after = tf.reshape(after, [-1, self._deter])
        return tf.cast(tf.cast(after, self.compute_dtype), deter.dtype)

    def _inferring(self, embed: tf.Tensor) -> tuple[tf.Tensor, Infer]:
        dtype = self.compute_dtype
        first, *others = self._obs
        of_deter, of_embed = tf.split(
            first.linear.kernel,
            [0 if self._absolute else self._deter, embed.shape[-1]],
        )
        seen = tf.cast(embed, dtype)
        seen = tf.tensordot(seen, tf.cast(of_embed, dtype), 1)
        seen = first.linear.add_bias(seen)

        def infer(
            deter: tf.Tensor, seen: tf.Tensor, noise: tf.Tensor | None = None
        ) -> State:
            if not self._absolute:
                kernel = tf.cast(of_deter, dtype)
                seen += tf.matmul(tf.cast(deter, dtype), kernel)
            hidden = first.activate(seen)
            for layer in others:
                hidden = layer(hidden)
            return self._sample(deter, self._obs_logit(hidden), noise)

        return seen, infer

    def _prior(self, deter: tf.Tensor, noise: tf.Tensor | None = None) -> State:
        hidden = self._img(tf.cast(deter, self.compute_dtype))
        return self._sample(deter, self._img_logit(hidden), noise)

    def _sample(
        self,
        deter: tf.Tensor,
        logits: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Makes states of logits `[..., S * C]`."""
        logits = tf.cast(logits, tf.float32)
        return {**self.latents.state(logits, noise), "deter": deter}
