"""What the stochastic part of a latent state can be: categoricals or normals.

Each kind keeps some tensors in the state, from which a distribution is made,
and beside them `stoch`, a sample.
"""

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets.normed import unflatten
from planet_tf2.nets.one_hot import OneHot, gumbel
from planet_tf2.tools import seeds

tfd = tfp.distributions

State = dict[str, tf.Tensor]

MEANS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "none": lambda x: x,
    "tanh5": lambda x: 5 * tf.tanh(x / 5),
}
STDS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "sigmoid2": lambda x: 2 * tf.sigmoid(x / 2),
    "sigmoid": tf.sigmoid,
    "abs": lambda x: tf.abs(x + 1),
    "softplus": tf.nn.softplus,
}


class Latents:
    """Independent random variables.

    Attributes:
      shape: of a sample.
      size: entries of a sample.
      outputs: entries of what a layer has to say of the distribution.
      names: of the entries of a state beside `stoch`.
    """

    shape: tuple[int, ...]
    size: int
    outputs: int
    names: tuple[str, ...]

    def noise(self, seed: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Draws what samples `[..., *self.shape]` need."""
        raise NotImplementedError

    def state(
        self, outputs: tf.Tensor, noise: tf.Tensor | None = None
    ) -> State:
        """Makes a state of a layer's outputs.

        Args:
          outputs: float32 `[..., outputs]`.
          noise: without it the sample is the mode.
        """
        raise NotImplementedError

    def distribution(self, state: State) -> tfd.Distribution:
        """Returns what a state's sample is drawn from, `[...]`."""
        raise NotImplementedError

    def mode(self, state: State) -> tf.Tensor:
        """Returns the most likely sample, with a gradient."""
        raise NotImplementedError

    def flat(self, sample: tf.Tensor) -> tf.Tensor:
        """Returns samples as `[..., size]`."""
        return sample


class Categoricals(Latents):
    """One-hot vectors `[S, C]`, with the gradient of their probabilities.

    A state has `logit`, unnormalised and before the uniform part is added.

    Args:
      variables: S.
      classes: C.
      unimix: how much of each distribution is uniform.
    """

    names = ("logit",)

    def __init__(self, variables: int, classes: int, unimix: float = 0.01):
        self.shape = (variables, classes)
        self.size = self.outputs = variables * classes
        self._unimix = unimix

    def noise(self, seed: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        return gumbel(seed, shape)

    def state(
        self, outputs: tf.Tensor, noise: tf.Tensor | None = None
    ) -> State:
        logit = unflatten(outputs, outputs, self.shape)
        noise = tf.zeros_like(logit) if noise is None else noise
        sample = OneHot(logit, self._unimix).sample_from(noise)
        return {"logit": logit, "stoch": sample}

    def distribution(self, state: State) -> tfd.Distribution:
        return tfd.Independent(OneHot(state["logit"], self._unimix), 1)

    def mode(self, state: State) -> tf.Tensor:
        """Returns the likeliest classes, with the log-density's gradient."""
        dist = OneHot(state["logit"], self._unimix)
        log_probs = tf.nn.log_softmax(dist.logits)
        return dist.mode() + log_probs - tf.stop_gradient(log_probs)

    def flat(self, sample: tf.Tensor) -> tf.Tensor:
        return unflatten(sample, sample, [self.size], 2)


class Normals(Latents):
    """Real numbers `[S]`. A state has their `mean` and `std`.

    Args:
      variables: S.
      mean_act: one of `MEANS`.
      std_act: one of `STDS`.
      min_std: added to the standard deviation.
    """

    names = ("mean", "std")

    def __init__(
        self,
        variables: int,
        mean_act: str = "none",
        std_act: str = "sigmoid2",
        min_std: float = 0.1,
    ):
        self.shape = (variables,)
        self.size, self.outputs = variables, 2 * variables
        self._mean_act, self._std_act = MEANS[mean_act], STDS[std_act]
        self._min_std = min_std

    def noise(self, seed: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        return seeds.normal(seed, shape)

    def state(
        self, outputs: tf.Tensor, noise: tf.Tensor | None = None
    ) -> State:
        mean, std = tf.split(outputs, 2, -1)
        mean, std = self._mean_act(mean), self._std_act(std) + self._min_std
        sample = mean if noise is None else mean + std * noise
        return {"mean": mean, "std": std, "stoch": sample}

    def distribution(self, state: State) -> tfd.Distribution:
        return tfd.Independent(tfd.Normal(state["mean"], state["std"]), 1)

    def mode(self, state: State) -> tf.Tensor:
        return state["mean"]
