"""Choices: one of several classes, several of them at once, yes or no."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.tools import seeds

tfd = tfp.distributions


def gumbel(seed: tf.Tensor, shape: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """Draws the noise by which the most likely class becomes a sample."""
    uniform = seeds.uniform(seed, shape, 1e-20)
    return -tf.math.log(-tf.math.log(uniform))


class OneHot(tfd.OneHotCategorical):
    """A class as a one-hot vector, mixed with a little of the uniform.

    Everything follows from p = (1 - u) softmax(logits) + u / n, so that no
    class ever becomes impossible. Samples have the gradient of p (straight
    through).

    Args:
      raw: logits before they are mixed, `[..., n]`.
      unimix: u.
    """

    def __init__(self, raw: tf.Tensor, unimix: float = 0.0):
        parameters = {"raw": raw, "unimix": unimix}
        logits, probs = raw, tf.nn.softmax(raw)
        if unimix:
            probs = (1 - unimix) * probs + unimix / raw.shape[-1]
            logits = tf.math.log(probs)
        super().__init__(logits=logits, dtype=tf.float32, name="OneHot")
        self._parameters = parameters
        self._mixed = probs

    @classmethod
    def _parameter_properties(
        cls, dtype: Any, num_classes: int | None = None
    ) -> dict[str, Any]:
        del dtype, num_classes
        return {"raw": tfp.util.ParameterProperties(event_ndims=1)}

    def sample_from(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns a sample by `gumbel` noise, `[..., n]`; for 0 the mode."""
        probs = self._mixed
        chosen = tf.argmax(self.logits + noise, -1)
        chosen = tf.one_hot(chosen, probs.shape[-1], dtype=probs.dtype)
        # Exactly 0 and 1.
        return chosen + (probs - tf.stop_gradient(probs))

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[n], tf.shape(self.logits)], 0)
        seed = tfp.random.sanitize_seed(seed)
        return self.sample_from(gumbel(seed, shape))


class Joined:
    """Independent parts that are joined to one vector.

    Args:
      parts: distributions of vectors, by their names.
      sizes: how many entries each of them has; N is the sum.

    Attributes:
      parts: the distributions.
    """

    def __init__(self, parts: Mapping[Any, Any], sizes: Iterable[int]):
        self.parts, self._sizes = dict(parts), list(sizes)

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the logarithm of the probability, `[...]`."""
        pairs = zip(self.parts.values(), self._split(value), strict=True)
        return tf.add_n([part.log_prob(x) for part, x in pairs])

    def entropy(self) -> tf.Tensor:
        """Returns the entropy, `[...]`, in nats."""
        return tf.add_n([part.entropy() for part in self.parts.values()])

    def mean(self) -> tf.Tensor:
        """Returns the means, of choices the probabilities, `[..., N]`."""
        return tf.concat([part.mean() for part in self.parts.values()], -1)

    def mode(self) -> tf.Tensor:
        """Returns what is most likely, `[..., N]`."""
        return tf.concat([part.mode() for part in self.parts.values()], -1)

    def sample_from(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns a sample by the parts' noise, `[..., N]`."""
        pairs = zip(self.parts.values(), self._split(noise), strict=True)
        return tf.concat([part.sample_from(x) for part, x in pairs], -1)

    def _split(self, joined: tf.Tensor) -> list[tf.Tensor]:
        return tf.split(joined, self._sizes, -1)


class JoinedOneHot(Joined):
    """Independent choices as one-hot vectors that are joined to one.

    Args:
      logits: `[..., N]`, N the sum of the sizes.
      sizes: how many classes each choice has.
      unimix: as of `OneHot`.
    """

    def __init__(
        self, logits: tf.Tensor, sizes: Sequence[int], unimix: float = 0.0
    ):
        parts = tf.split(logits, list(sizes), -1)
        choices = {i: OneHot(x, unimix) for i, x in enumerate(parts)}
        super().__init__(choices, sizes)

    def sample(self, seed: tf.Tensor) -> tf.Tensor:
        """Draws choices, `[..., N]`, by a seed, int32 `[2]`."""
        return self.sample_from(gumbel(seed, tf.shape(self.mean())))


def binary(logits: tf.Tensor, event_ndims: int = 0) -> Any:
    """Returns independent yes or no, as 1.0 or 0.0, `[..., *event]`."""
    bernoulli = tfd.Bernoulli(logits, dtype=tf.float32)
    return tfd.Independent(bernoulli, event_ndims)
