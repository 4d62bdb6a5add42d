"""Encoder and decoder of images, vectors and whole numbers."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import gymnasium
import keras
import numpy as np
import tensorflow as tf
from gymnasium import spaces

from planet_tf2.agents.dreamer.coders import (
    Shapes,
    as_vectors,
    choose,
    choose_some,
)
from planet_tf2.agents.dreamer.edition_2025.heads import Outputs
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets.normed import unflatten
from planet_tf2.nets.one_hot import JoinedOneHot
from planet_tf2.nets.pooled_conv import PooledDecoder, PooledEncoder
from planet_tf2.nets.rms import RMSMLP
from planet_tf2.nets.symlog import MSE, SquashedMSE, symlog

# Whole numbers with more values than this count as other numbers.
_MOST_CLASSES = 256


class Choices(NamedTuple):
    """How an observation of whole numbers becomes one-hot vectors.

    Attributes:
      shape: of the observation.
      low: the smallest value of each entry.
      sizes: how many values each entry has.
    """

    shape: tuple[int, ...]
    low: np.ndarray
    sizes: list[int]

    def one_hot(self, values: tf.Tensor) -> tf.Tensor:
        """Returns `[..., N]` for `[..., *shape]`, N the sum of the sizes."""
        values = as_vectors(tf.cast(values, tf.int32), len(self.shape))
        entries = tf.unstack(values - self.low.astype(np.int32), axis=-1)
        pairs = zip(entries, self.sizes, strict=True)
        return tf.concat([tf.one_hot(x, size) for x, size in pairs], -1)


def find_choices(space: gymnasium.Space) -> Choices | None:
    """Returns how observations are classes, or None for other numbers."""
    shape = tuple(space.shape)
    if isinstance(space, spaces.Discrete):
        low, sizes = space.start, space.n
    elif isinstance(space, spaces.MultiDiscrete):
        low, sizes = space.start, space.nvec
    elif isinstance(space, spaces.MultiBinary):
        low, sizes = np.zeros(shape), np.full(shape, 2)
    elif space.dtype.kind in "biu":
        # Not in their own type, in which they could overflow.
        low, high = space.low.astype(float), space.high.astype(float)
        sizes = high - low + 1
        if np.max(sizes, initial=0) > _MOST_CLASSES:
            return None
    else:
        return None
    return Choices(shape, np.ravel(low), np.ravel(sizes).astype(int).tolist())


class Classes:
    """Whole numbers by the probabilities of their values.

    Args:
      logits: `[..., N]`.
      choices: what they are of.
    """

    def __init__(self, logits: tf.Tensor, choices: Choices):
        self._choices = choices
        self._dist = JoinedOneHot(logits, choices.sizes)

    def log_prob(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the logarithm of the probability, `[...]`."""
        return self._dist.log_prob(self._choices.one_hot(value))

    def mode(self) -> tf.Tensor:
        """Returns the most likely values, float32 `[..., *shape]`."""
        parts = self._dist.parts.values()
        likely = tf.stack([tf.argmax(x.logits, -1) for x in parts], -1)
        likely = tf.cast(likely, tf.float32) + self._choices.low
        return unflatten(likely, likely, self._choices.shape)

    mean = mode


class _Vectors(NamedTuple):
    """Observations that are no images, by name."""

    shapes: Shapes
    choices: dict[str, Choices | None]

    @classmethod
    def of(cls, space: spaces.Dict, shapes: Shapes) -> "_Vectors":
        return cls(shapes, {name: find_choices(space[name]) for name in shapes})

    def sizes(self) -> dict[str, int]:
        """Returns how many entries each has, of classes their number."""
        return {
            name: sum(choices.sizes) if choices else int(np.prod(shape))
            for (name, shape), choices in zip(
                self.shapes.items(), self.choices.values(), strict=True
            )
        }


class Encoder(keras.layers.Layer):
    """Embeds observations: vectors by an MLP, images by convolutions.

    Whole numbers become one-hot vectors, others their symlog.

    Args:
      space: what there is to observe.
      settings: the parameter `encoder`, see `settings.Encoder`.

    Attributes:
      images: shapes of what is seen, by name.
      vectors: likewise, all other observations.
      embedding_size: E.

    Raises:
      ConfigError: no observation is chosen, or images do not fit.
    """

    def __init__(
        self, space: spaces.Dict, settings: Mapping[str, Any], **kwargs: Any
    ):
        super().__init__(autocast=False, **kwargs)
        chosen = choose_some(space, settings, "encoder", 2025)
        self.images, self.vectors = (dict(sorted(x.items())) for x in chosen)
        self._vectors = _Vectors.of(space, self.vectors)
        self._symlog = settings["symlog_inputs"]
        self._cnn = self._mlp = None
        self.embedding_size = 0
        policy = self.dtype_policy
        if self.vectors:
            units = settings["mlp_units"]
            self._mlp = RMSMLP(settings["mlp_layers"], units, dtype=policy)
            self.embedding_size += self._mlp.size(self._input_size())
        if self.images:
            self._cnn = PooledEncoder(
                settings["cnn_depth"],
                settings["mults"],
                next(iter(self.images.values())),
                settings["kernel_size"],
                strided=settings["strided"],
                outer=settings["outer"],
                dtype=policy,
            )
            self.embedding_size += self._cnn.embedding_size

    def _input_size(self) -> int:
        return sum(self._vectors.sizes().values())

    def build(self) -> None:
        """Creates the variables."""
        if self._mlp is not None:
            self._mlp.build(self._input_size())
        if self._cnn is not None:
            self._cnn.build(sum(shape[-1] for shape in self.images.values()))
        self.built = True

    def call(self, observations: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embeds observations as `[..., E]`.

        Args:
          observations: float32 `[..., *shape]` by name, images in 0..1.
        """
        embedded = []
        if self._mlp is not None:
            embedded.append(self._mlp(self._join(observations)))
        if self._cnn is not None:
            images = [observations[name] for name in self.images]
            embedded.append(self._cnn(tf.concat(images, -1) - 0.5))
        return tf.concat(embedded, -1)

    def _join(self, observations: Mapping[str, tf.Tensor]) -> tf.Tensor:
        joined = []
        for name, shape in self.vectors.items():
            value, choices = observations[name], self._vectors.choices[name]
            if choices:
                joined.append(choices.one_hot(value))
                continue
            value = as_vectors(value, len(shape))
            joined.append(symlog(value) if self._symlog else value)
        return tf.concat(joined, -1)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        named = {} if self._mlp is None else self._mlp.named("mlp{}")
        return named | _names([self._cnn])


class Decoder(keras.layers.Layer):
    """Predicts observations from features, `[deter, stoch]`.

    Args:
      space: what there is to observe.
      settings: the parameter `decoder`, see `settings.Decoder`.
      deter: D, size of the deterministic part.

    Attributes:
      images: shapes of what is predicted, by name.
      vectors: likewise, all other observations.

    Raises:
      ConfigError: images do not fit, or blocks do not divide what they have to.
    """

    def __init__(
        self,
        space: spaces.Dict,
        settings: Mapping[str, Any],
        deter: int,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.images, vectors = choose(space, settings, 2025)
        self.vectors = dict(sorted(vectors.items()))
        self._vectors = _Vectors.of(space, self.vectors)
        self._deter = deter
        self._channels = [shape[-1] for shape in self.images.values()]
        is_symlog = settings["vector_dist"] == "symlog_mse"
        self._dist = SquashedMSE if is_symlog else MSE
        self._cnn = self._mlp = None
        policy = self.dtype_policy
        if self.images:
            _check_blocks(settings, deter)
            size = next(iter(self.images.values()))[:2]
            self._cnn = PooledDecoder(
                settings["cnn_depth"],
                settings["mults"],
                (*size, sum(self._channels)),
                settings["mlp_units"],
                settings["kernel_size"],
                blocks=settings["bspace"],
                strided=settings["strided"],
                outer=settings["outer"],
                outscale=settings["outscale"],
                dtype=policy,
            )
        if self.vectors:
            self._mlp = Outputs(
                settings["mlp_layers"],
                settings["mlp_units"],
                {
                    self._output(name): size
                    for name, size in self._vectors.sizes().items()
                },
                settings["outscale"],
                dtype=policy,
            )

    def _output(self, name: str) -> str:
        kind = "logits" if self._vectors.choices[name] else "pred"
        return f"vec/{name}/{kind}"

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries."""
        if self._cnn is not None:
            self._cnn.build(self._deter, feature_size - self._deter)
        if self._mlp is not None:
            self._mlp.build(feature_size)
        self.built = True

    def call(self, features: tf.Tensor) -> dict[str, Any]:
        """Returns distributions by name, images in 0..1, of `[..., F]`."""
        size = features.shape[-1] - self._deter
        deter, stoch = tf.split(features, [self._deter, size], -1)
        found: dict[str, Any] = {}
        if self._cnn is not None:
            means = tf.split(self._cnn(deter, stoch), self._channels, -1)
            for name, mean in zip(self.images, means, strict=True):
                found[name] = MSE(mean, 3)
        if self._mlp is not None:
            outputs = self._mlp(tf.concat([stoch, deter], -1))
            for name, shape in self.vectors.items():
                output = outputs[self._output(name)]
                if choices := self._vectors.choices[name]:
                    found[name] = Classes(output, choices)
                    continue
                mean = unflatten(output, output, shape)
                found[name] = self._dist(mean, len(shape))
        return found

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        return _names([self._mlp, self._cnn])


def _check_blocks(settings: Mapping[str, Any], deter: int) -> None:
    blocks, depth = settings["bspace"], settings["cnn_depth"]
    last = settings["mults"][-1]
    if deter % blocks or depth * last % blocks:
        raise ConfigError(
            f"Parameter 'decoder.bspace' is {blocks}, but must divide dyn_deter"
            f" ({deter}) and decoder.cnn_depth times the last of decoder.mults "
            f"({depth} * {last})."
        )


def _names(parts: Iterable[Any]) -> dict[str, Any]:
    """Names the variables of the parts that there are."""
    named: dict[str, Any] = {}
    for part in parts:
        if part is not None:
            named |= part.original_variables()
    return named
