"""Latent cells in NumPy with float64, from the original's variable names."""

import numpy as np


class NumpyCell:
    """What the cells have in common.

    Args:
      cell: the cell whose weights to take.
      activation: of the dense layers.

    Attributes:
      weights: by the original's names, to be changed at will.
      obs_size: entries of an embedded observation, for `transition`.
    """

    obs_size = 0

    def __init__(self, cell, activation=lambda x: np.maximum(0, x)):
        self.weights = {
            name: variable.numpy().astype(np.float64)
            for name, variable in cell.original_variables().items()
        }
        self._activation = activation

    def transition(self, state, action, noise):
        """The prior; it does not depend on the observation."""
        obs = np.zeros((len(action), self.obs_size))
        return self.observe(state, action, obs, (noise, noise))[0]

    def dense(self, name, inputs):
        kernel, bias = (self.weights[f"{name}/{k}"] for k in ("kernel", "bias"))
        return inputs @ kernel + bias

    def hidden(self, name, *inputs):
        return self._activation(self.dense(name, join(*inputs)))

    def normal(self, names, hidden, noise):
        mean, raw = (self.dense(name, hidden) for name in names)
        stddev = np.log1p(np.exp(raw)) + 0.1
        sample = mean + stddev * np.asarray(noise, np.float64)
        return {"mean": mean, "stddev": stddev, "sample": sample}

    def gru(self, scope, inputs, state):
        state = np.asarray(state, np.float64)
        gates = self.dense(f"{scope}/gates", join(inputs, state))
        reset, update = np.split(1 / (1 + np.exp(-gates)), 2, 1)
        candidate = self.dense(
            f"{scope}/candidate", join(inputs, reset * state)
        )
        return update * state + (1 - update) * np.tanh(candidate)


class NumpyRSSM(NumpyCell):
    def __init__(self, cell, future_rnn=True, **kwargs):
        super().__init__(cell, **kwargs)
        self._future_rnn = future_rnn

    def observe(self, state, action, obs, noises):
        embedded = self.hidden("transition/dense", state["sample"], action)
        belief = self.gru(
            "transition/gru_block_cell", embedded, state["belief"]
        )
        hidden = belief if self._future_rnn else embedded
        hidden = self.hidden("transition/dense_1", hidden)
        names = "transition/dense_2", "transition/dense_3"
        prior = self.normal(names, hidden, noises[0])
        hidden = self.hidden("posterior/dense", belief, obs)
        names = "posterior/dense_1", "posterior/dense_2"
        posterior = self.normal(names, hidden, noises[1])
        return {**prior, "belief": belief}, {**posterior, "belief": belief}


class NumpySSM(NumpyCell):
    def observe(self, state, action, obs, noises):
        prior = self._part("transition", noises[0], state["sample"], action)
        posterior = self._part(
            "posterior", noises[1], prior["mean"], prior["stddev"], obs
        )
        return prior, posterior

    def _part(self, scope, noise, *inputs):
        hidden = self.hidden(f"{scope}/dense", *inputs)
        names = f"{scope}/dense_1", f"{scope}/dense_2"
        return self.normal(names, hidden, noise)


class NumpyDRNN(NumpyCell):
    """With `switches`, a dictionary like the cell's arguments."""

    def __init__(self, cell, switches, **kwargs):
        super().__init__(cell, **kwargs)
        self._on = switches

    def observe(self, state, action, obs, noises):
        prior = self._step(state, action, np.zeros_like(obs), noises[0])
        return prior, self._step(state, action, obs, noises[1])

    def _step(self, state, action, obs, noise):
        on = self._on
        seen = [obs, action]
        seen += [state["sample"]] if on["sample_to_encoder"] else []
        seen += [state["decoder_state"]] if on["decoder_to_encoder"] else []
        encoded = self.gru(
            "posterior/gru_block_cell", join(*seen), state["encoder_state"]
        )
        seen = [encoded]
        seen += [state["sample"]] if on["sample_to_sample"] else []
        seen += [state["decoder_state"]] if on["decoder_to_sample"] else []
        hidden = self.hidden("posterior/dense", *seen)
        names = "posterior/dense_1", "posterior/dense_2"
        result = self.normal(names, hidden, noise)
        seen = [result["sample"]]
        seen += [state["encoder_state"]] if on["encoder_to_decoder"] else []
        seen += [action] if on["action_to_decoder"] else []
        decoded = self.gru(
            "posterior/gru_block_cell_1", join(*seen), state["decoder_state"]
        )
        return {**result, "encoder_state": encoded, "decoder_state": decoded}


def join(*arrays):
    return np.concatenate([np.asarray(x, np.float64) for x in arrays], 1)
