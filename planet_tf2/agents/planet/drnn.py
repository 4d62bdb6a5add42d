"""A recurrent model with stochastic states between encoder and decoder."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet.cell import LatentCell, Noises, State
from planet_tf2.nets import weights
from planet_tf2.nets.gru import GRUCell
from planet_tf2.nets.layers import apply_stack, build_stack


class DRNN(LatentCell):
    """Two recurrent networks, with a stochastic state from one to the other.

    State entries: `encoder_state`, then `mean`, `stddev`, `sample` of the
    stochastic state s, and `decoder_state`, which is all that the heads see.

        o[t], a[t-1] --> encoder GRU --> mean, stddev --> s[t] --> decoder GRU

    Besides, every part can see some of the last time step's results, as the
    switches say. They are named after where an arrow starts and ends; what
    starts at the encoder is one step old, and so is the rest but the action.

    There is one set of weights: the prior is the same function of a zero
    observation. The original computes it like that too, but ignores
    `activation` and always takes ReLU.

    Args:
      state_size: S, units of the stochastic state.
      belief_size: H, units of each GRU.
      embed_size: units of every dense layer.
      encoder_to_decoder: the decoder sees the last encoder state.
      sample_to_sample: mean and stddev depend on the last sample.
      sample_to_encoder: the encoder sees the last sample.
      decoder_to_encoder: the encoder sees the last decoder state.
      decoder_to_sample: mean and stddev depend on the last decoder state.
      action_to_decoder: the decoder sees the action.
      settings: see `LatentCell`.
    """

    def __init__(
        self,
        state_size: int = 30,
        belief_size: int = 200,
        embed_size: int = 200,
        *,
        encoder_to_decoder: bool = False,
        sample_to_sample: bool = True,
        sample_to_encoder: bool = True,
        decoder_to_encoder: bool = False,
        decoder_to_sample: bool = True,
        action_to_decoder: bool = False,
        **settings: Any,
    ):
        super().__init__(state_size, embed_size, **settings)
        self._belief_size = belief_size
        # What each part sees of the last state, in the order of its kernel.
        self._encoder_sees = _chosen(
            sample=sample_to_encoder, decoder_state=decoder_to_encoder
        )
        self._sample_sees = _chosen(
            sample=sample_to_sample, decoder_state=decoder_to_sample
        )
        self._decoder_sees = _chosen(encoder_state=encoder_to_decoder)
        self._action_to_decoder = action_to_decoder
        self._encoder = GRUCell(belief_size, dtype=self.dtype_policy)
        self._hidden = self._stack()
        self._mean = self._dense(state_size)
        self._stddev = self._dense(state_size)
        self._decoder = GRUCell(belief_size, dtype=self.dtype_policy)

    @property
    def state_sizes(self) -> dict[str, int]:
        return {
            "encoder_state": self._belief_size,
            **dict.fromkeys(("mean", "stddev", "sample"), self.latent_size),
            "decoder_state": self._belief_size,
        }

    @property
    def feature_size(self) -> int:
        return self._belief_size

    def build(self, action_size: int, obs_size: int) -> None:
        def size(names: list[str]) -> int:
            return sum(self.state_sizes[name] for name in names)

        self._obs_size = obs_size
        self._encoder.build(obs_size + action_size + size(self._encoder_sees))
        build_stack(self._hidden, self._belief_size + size(self._sample_sees))
        for layer in (self._mean, self._stddev):
            layer.build((None, self._hidden[-1].units))
        decoder_size = self.latent_size + size(self._decoder_sees)
        if self._action_to_decoder:
            decoder_size += action_size
        self._decoder.build(decoder_size)
        self.built = True

    def transition(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        noise: tf.Tensor | None = None,
    ) -> State:
        return self._step(prev_state, prev_action, None, noise)

    def observe(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        obs: tf.Tensor,
        noises: Noises = (None, None),
    ) -> tuple[State, State]:
        prior = self.transition(prev_state, prev_action, noises[0])
        return prior, self._step(prev_state, prev_action, obs, noises[1])

    def filtering(self, obs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return obs, self._step

    def features_from_state(self, state: State) -> tf.Tensor:
        """Returns the decoder's state, `[..., H]`."""
        return state["decoder_state"]

    def original_variables(self) -> dict[str, Any]:
        dense = [*self._hidden, self._mean, self._stddev]
        encoder = self._encoder.original_variables()
        decoder = self._decoder.original_variables()
        return {
            **weights.prefix_names("posterior/gru_block_cell", encoder),
            **weights.name_dense_layers("posterior/dense", dense),
            **weights.prefix_names("posterior/gru_block_cell_1", decoder),
        }

    def _step(
        self,
        prev_state: State,
        prev_action: tf.Tensor,
        obs: tf.Tensor | None,
        noise: tf.Tensor | None = None,
    ) -> State:
        """Computes the next state; without `obs`, for an `obs` of zeros."""
        # Zeros add nothing to a product, so they are left out of it: with them
        # it would take the prior several times as long.
        skip = self._obs_size if obs is None else 0
        seen = [] if obs is None else [obs]
        seen += [prev_action, *_entries(prev_state, self._encoder_sees)]
        encoder_state = self._encoder(
            self._joined(seen), prev_state["encoder_state"], skip=skip
        )
        seen = [encoder_state, *_entries(prev_state, self._sample_sees)]
        hidden = apply_stack(self._hidden, self._joined(seen))
        state = self._stochastic_state(hidden, self._mean, self._stddev, noise)
        seen = [state["sample"], *_entries(prev_state, self._decoder_sees)]
        if self._action_to_decoder:
            seen.append(prev_action)
        decoder_state = self._decoder(
            self._joined(seen), prev_state["decoder_state"]
        )
        return {
            "encoder_state": encoder_state,
            **state,
            "decoder_state": decoder_state,
        }


def _chosen(**switches: bool) -> list[str]:
    return [name for name, switch in switches.items() if switch]


def _entries(state: State, names: list[str]) -> list[tf.Tensor]:
    return [state[name] for name in names]
