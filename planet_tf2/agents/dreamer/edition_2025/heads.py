"""What is predicted of latent states, and the policy: MLPs with RMS norm."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import keras
import tensorflow as tf

from planet_tf2.nets.bounded_normal import make_normal
from planet_tf2.nets.one_hot import Joined, OneHot, binary, gumbel
from planet_tf2.nets.rms import RMSMLP, Linear
from planet_tf2.nets.symexp_two_hot import BUCKETS, SymexpTwoHot
from planet_tf2.tools import seeds

Parts = Mapping[str, gymnasium.Space]


class Outputs(keras.layers.Layer):
    """Linear layers that share one MLP.

    Args:
      num_layers: hidden layers.
      units: units of each hidden layer.
      sizes: of the outputs, by their names.
      outscale: of the linear layers' first values.
    """

    def __init__(
        self,
        num_layers: int,
        units: int,
        sizes: Mapping[str, int],
        outscale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self._mlp = RMSMLP(num_layers, units, dtype=policy)
        self._linear = {
            name: Linear(size, outscale, dtype=policy)
            for name, size in sizes.items()
        }

    def build(self, feature_size: int) -> None:
        """Creates the variables for features `[..., feature_size]`."""
        self._mlp.build(feature_size)
        for layer in self._linear.values():
            layer.build(self._mlp.size(feature_size))
        self.built = True

    def call(self, features: tf.Tensor) -> Any:
        return self.outputs(features)

    def outputs(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the outputs, float32 `[..., size]`, for `[..., F]`."""
        hidden = self._mlp(features)
        return {
            name: tf.cast(layer(hidden), tf.float32)
            for name, layer in self._linear.items()
        }

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        named = self._mlp.named("mlp/linear{}", "mlp/norm{}")
        for name, layer in self._linear.items():
            named |= layer.named(name)
        return named


class Head(Outputs):
    """Predicts the distribution of a number.

    Args:
      num_layers: hidden layers.
      units: units of each hidden layer.
      dist: `symexp_two_hot`, see `SymexpTwoHot`, or `binary`.
      outscale: of the output layer's first values.
    """

    def __init__(
        self,
        num_layers: int,
        units: int,
        dist: str,
        outscale: float = 1.0,
        **kwargs: Any,
    ):
        self._is_binary = dist == "binary"
        sizes = (
            {"head/logit": 1} if self._is_binary else {"head/logits": BUCKETS}
        )
        super().__init__(num_layers, units, sizes, outscale, **kwargs)

    def call(self, features: tf.Tensor) -> Any:
        """Returns the distribution for features `[..., F]`."""
        (logits,) = self.outputs(features).values()
        if self._is_binary:
            return binary(logits[..., 0])
        return SymexpTwoHot(logits)


def make_head(params: Mapping[str, Any], name: str, dtype: Any) -> Head:
    """Makes what predicts a number.

    Args:
      params: parameters of the run.
      name: `reward_head`, `cont_head` or `critic`.
      dtype: Keras' policy.
    """
    settings = params[name]
    return Head(
        settings["layers"],
        params["units"],
        "binary" if name == "cont_head" else "symexp_two_hot",
        settings["outscale"],
        dtype=dtype,
    )


def action_parts(space: gymnasium.Space) -> dict[str, gymnasium.Space]:
    """Returns the parts of actions by name, in the order of their vectors.

    Each is a Box `[n]` or Discrete. Several choices are several parts.
    """
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        width = len(str(len(space.nvec)))
        return {
            f"action{index:0{width}}": gymnasium.spaces.Discrete(int(size))
            for index, size in enumerate(space.nvec)
        }
    if isinstance(space, gymnasium.spaces.Dict):
        return dict(sorted(space.items()))
    return {"action": space}


class Policy(Outputs):
    """Predicts the distribution of actions as vectors.

    Boxes are normal, with a mean between -1 and 1, and their samples are not
    clipped. Choices are one-hot vectors, which nothing is mixed into. All parts
    are joined to one vector, in the order of their names.

    Args:
      parts: Box `[n]` or Discrete, by name; see `action_parts`.
      num_layers: hidden layers.
      units: units of each hidden layer.
      outscale: of the output layers' first values.
      min_std: smallest standard deviation.
      max_std: largest one.

    Attributes:
      size: A, entries of an action.
      discrete: whether all parts are choices.
    """

    def __init__(
        self,
        parts: Parts,
        num_layers: int,
        units: int,
        *,
        outscale: float = 0.01,
        min_std: float = 0.1,
        max_std: float = 1.0,
        **kwargs: Any,
    ):
        self._sizes = {
            name: gymnasium.spaces.flatdim(space)
            for name, space in sorted(parts.items())
        }
        self._boxes = {
            name
            for name, space in parts.items()
            if isinstance(space, gymnasium.spaces.Box)
        }
        sizes = {
            f"head/{name}/{output}": size
            for name, size in self._sizes.items()
            for output in self._outputs_of(name)
        }
        super().__init__(num_layers, units, sizes, outscale, **kwargs)
        self._bounds = min_std, max_std
        self.size, self.discrete = sum(self._sizes.values()), not self._boxes

    def _outputs_of(self, name: str) -> tuple[str, ...]:
        return ("mean", "stddev") if name in self._boxes else ("logits",)

    def call(self, features: tf.Tensor) -> Joined:
        """Returns the distribution for features `[..., F]`."""
        outputs = self.outputs(features)
        parts = {}
        for name in self._sizes:
            raw = [outputs[f"head/{name}/{x}"] for x in self._outputs_of(name)]
            if name in self._boxes:
                kind = "unclipped_normal"
                parts[name] = make_normal(kind, *raw, 1, *self._bounds)
            else:
                parts[name] = OneHot(*raw)
        return Joined(parts, self._sizes.values())

    def noise(self, seed: tf.Tensor, shape: Sequence[Any]) -> tf.Tensor:
        """Draws what makes samples by `sample_from`, `[*shape, A]`."""
        drawn = []
        every = seeds.split(seed, len(self._sizes))
        for own, (name, size) in zip(every, self._sizes.items(), strict=True):
            draw = seeds.normal if name in self._boxes else gumbel
            drawn.append(draw(own, [*shape, size]))
        return tf.concat(drawn, -1)

    def numbers(self, action: tf.Tensor) -> tf.Tensor:
        """Returns the numbers of choices, `[..., n]`; boxes as they are."""
        if not self.discrete:
            return action
        parts = tf.split(action, list(self._sizes.values()), -1)
        return tf.stack([tf.argmax(x, -1, tf.int32) for x in parts], -1)

    def uniform(self, seed: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
        """Draws actions that are all equally likely, `[count, A]`."""
        drawn = []
        every = seeds.split(seed, len(self._sizes))
        for own, (name, size) in zip(every, self._sizes.items(), strict=True):
            shape = [count, size]
            x = tf.random.stateless_uniform(shape, own, -1.0, 1.0)
            if name not in self._boxes:
                x = tf.one_hot(tf.argmax(x, -1), size)
            drawn.append(x)
        return tf.concat(drawn, -1)
