"""Heads: from latent features to distributions, by hidden and linear layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from planet_tf2.nets.bounded_normal import NORMALS, make_normal
from planet_tf2.nets.layers import Dense
from planet_tf2.nets.normed import (
    MLP,
    Activation,
    flatten,
    output_initializer,
    unflatten,
)
from planet_tf2.nets.one_hot import JoinedOneHot, OneHot, binary
from planet_tf2.nets.symlog import BUCKETS, MSE, SymlogMSE, SymlogTwoHot
from planet_tf2.nets.weights import prefix_names

LEARNED = "learned"
VALUES: dict[str, Callable[[tf.Tensor, int], Any]] = {
    "symlog_disc": SymlogTwoHot,
    "symlog_mse": SymlogMSE,
    "mse": MSE,
    "binary": binary,
}
DISTRIBUTIONS = (*VALUES, "onehot", *NORMALS)


class DistributionHead(keras.layers.Layer):
    """Predicts the distribution of a value by an MLP and linear layers.

    The linear layers' outputs mean, by `dist`:

        symlog_disc     255 logits for each entry, see `SymlogTwoHot`
        symlog_mse      the symlog of the value, see `SymlogMSE`
        mse             the value, see `MSE`
        binary          the logit of 1, see `binary`
        onehot          the logits of classes, see `OneHot` and `JoinedOneHot`
        normal, trunc_normal, clipped_normal: see `make_normal`

    Args:
      shape: shape of the value, `()` for a scalar.
      num_layers: hidden layers.
      units: units of each hidden layer.
      dist: kind of distribution.
      activation: of the hidden layers.
      norm: whether to normalize them.
      outscale: of the output layers' first values.
      std: `learned` by a layer, or s as a number; others have none.
      min_std: see `make_normal`.
      max_std: see `make_normal`.
      unimix: how much of the uniform there is in `onehot`.
      sizes: of `onehot`, the classes of each choice if there are several.
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_layers: int,
        units: int,
        dist: str,
        *,
        activation: Activation = "silu",
        norm: bool = True,
        outscale: float = 1.0,
        std: float | str = LEARNED,
        min_std: float = 0.1,
        max_std: float = 1.0,
        unimix: float = 0.01,
        sizes: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if dist not in DISTRIBUTIONS:
            known = ", ".join(DISTRIBUTIONS)
            raise ValueError(f"There is no dist '{dist}', only {known}.")
        self._shape, self._dist, self._sizes = tuple(shape), dist, sizes
        self._std, self._min_std, self._max_std = std, min_std, max_std
        self._unimix = unimix
        policy = self.dtype_policy
        self._mlp = MLP(num_layers, units, activation, norm, dtype=policy)
        self._raw_shape = self._shape
        if dist == "symlog_disc":
            self._raw_shape += (BUCKETS,)
        self._mean = _output(self._raw_shape, outscale, policy)
        learned = dist in NORMALS and std == LEARNED
        self._std_layer = (
            _output(self._shape, outscale, policy) if learned else None
        )

    def build(self, feature_size: int) -> None:
        """Creates the variables for features `[..., feature_size]`."""
        self._mlp.build(feature_size)
        for layer in self._outputs().values():
            layer.build((None, self._mlp.size(feature_size)))
        self.built = True

    def call(self, features: tf.Tensor) -> Any:
        """Returns the distribution of the value for features `[..., F]`."""
        return self.distribution(self.outputs(features))

    def outputs(self, features: tf.Tensor) -> Any:
        """Returns what `distribution` makes one of.

        Float32 `[..., *shape]` with an axis more for logits; if the deviation
        is learned, a pair of them.
        """
        hidden = self._mlp(features)
        mean = _apply(self._mean, hidden, self._raw_shape)
        if self._std_layer is None:
            return mean
        return mean, _apply(self._std_layer, hidden, self._shape)

    def distribution(self, outputs: Any) -> Any:
        """Returns the distribution of the value that `outputs` are about."""
        ndims = len(self._shape)
        if self._dist in NORMALS:
            mean, std = outputs, self._std
            if self._std_layer is not None:
                mean, std = outputs
            bounds = self._min_std, self._max_std
            return make_normal(self._dist, mean, std, ndims, *bounds)
        if self._dist == "onehot":
            if self._sizes is not None:
                return JoinedOneHot(outputs, self._sizes, self._unimix)
            return OneHot(outputs, self._unimix)
        return VALUES[self._dist](outputs, ndims)

    def _outputs(self) -> dict[str, Dense]:
        layers = {"mean": self._mean, "std": self._std_layer}
        return {k: v for k, v in layers.items() if v is not None}

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        return self._mlp.original_variables() | _name(self._outputs())


class VectorDecoder(keras.layers.Layer):
    """Predicts several vectors by one MLP and a linear layer for each.

    Args:
      shapes: shape of each vector by name.
      num_layers: hidden layers.
      units: units of each hidden layer.
      dist: `symlog_mse` or `mse`.
      activation: of the hidden layers.
      norm: whether to normalize them.
      outscale: of the output layers' first values.
    """

    def __init__(
        self,
        shapes: Mapping[str, Sequence[int]],
        num_layers: int,
        units: int,
        dist: str = "symlog_mse",
        *,
        activation: Activation = "silu",
        norm: bool = True,
        outscale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self._shapes, self._make = dict(shapes), VALUES[dist]
        self._mlp = MLP(num_layers, units, activation, norm, dtype=policy)
        self._outputs = {
            name: _output(shape, outscale, policy)
            for name, shape in shapes.items()
        }

    def build(self, feature_size: int) -> None:
        """Creates the variables for features `[..., feature_size]`."""
        self._mlp.build(feature_size)
        for layer in self._outputs.values():
            layer.build((None, self._mlp.size(feature_size)))
        self.built = True

    def call(self, features: tf.Tensor) -> dict[str, Any]:
        """Returns a distribution for each name, for features `[..., F]`."""
        hidden = self._mlp(features)
        return {
            name: self._make(
                _apply(layer, hidden, self._shapes[name]),
                len(self._shapes[name]),
            )
            for name, layer in self._outputs.items()
        }

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by their original names."""
        named = _name(self._outputs)
        return self._mlp.original_variables() | prefix_names("mean", named)


def _output(shape: Sequence[int], outscale: float, policy: Any) -> Dense:
    start = output_initializer(outscale)
    size = int(np.prod(shape))
    return Dense(size, kernel_initializer=start, dtype=policy)


def _apply(layer: Dense, hidden: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Applies a linear layer to `[..., D]`: float32 `[..., *shape]`."""
    outputs = layer(flatten(hidden))
    return unflatten(tf.cast(outputs, tf.float32), hidden, shape)


def _name(layers: Mapping[str, Dense]) -> dict[str, Any]:
    """Names the variables of linear layers."""
    return {
        f"{name}/{part}": getattr(layer, part)
        for name, layer in layers.items()
        for part in ("kernel", "bias")
    }
