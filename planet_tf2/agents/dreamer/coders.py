"""Encoder and decoder of several observations, images and vectors."""

import re
from collections.abc import Mapping
from typing import Any

import gymnasium
import keras
import numpy as np
import tensorflow as tf

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets import MLP, ImageDecoder, ImageEncoder, VectorDecoder
from planet_tf2.nets.normed import unflatten
from planet_tf2.nets.normed_conv import image_distribution, layer_channels
from planet_tf2.nets.pooled_conv import smallest_map
from planet_tf2.nets.symlog import symlog
from planet_tf2.nets.weights import prefix_names

Shapes = dict[str, tuple[int, ...]]

# Never seen or predicted as observations, like all that begins with `log_`.
_OTHERS = {"is_first", "is_last", "is_terminal", "reward", "terminal"}


def choose(
    space: gymnasium.spaces.Dict,
    settings: Mapping[str, Any],
    edition: int = 2023,
) -> tuple[Shapes, Shapes]:
    """Chooses what an encoder or decoder deals with.

    Args:
      space: what there is to observe.
      settings: `cnn_keys` and `mlp_keys`, regular expressions for the
        beginnings of names.
      edition: of the algorithm, whose convolutions fit other images.

    Returns:
      Shapes of the chosen images, uint8 `[H, W, C]`, and of the chosen vectors,
      all others, by name, in the order of the space.

    Raises:
      ConfigError: images are not of one size, or cannot be halved as often as
        convolutions do.
    """
    images, vectors = {}, {}
    for name, part in space.items():
        if name in _OTHERS or name.startswith("log_"):
            continue
        is_image = part.dtype == np.uint8 and len(part.shape) == 3
        keys = settings["cnn_keys" if is_image else "mlp_keys"]
        if re.match(keys, name):
            (images if is_image else vectors)[name] = tuple(part.shape)
    sizes = {name: shape[:2] for name, shape in images.items()}
    if len(set(sizes.values())) > 1:
        raise ConfigError(
            f"Images that are seen together must have one size, not {sizes}. "
            "Choose among them by encoder.cnn_keys and decoder.cnn_keys."
        )
    for name, size in sizes.items():
        try:
            if edition == 2023:
                minres = settings["minres"]
                layer_channels(settings["cnn_depth"], size, minres)
            else:
                smallest_map(size, settings["mults"], settings["outer"])
        except ValueError as error:
            kind = f"minres ({minres})" if edition == 2023 else "mults"
            raise ConfigError(
                f"{error} Or change {kind} or cnn_keys of encoder and decoder, "
                f"which take {name!r}."
            ) from None
    return images, vectors


def choose_some(
    space: gymnasium.spaces.Dict,
    settings: Mapping[str, Any],
    coder: str,
    edition: int = 2023,
) -> tuple[Shapes, Shapes]:
    """Chooses as `choose` what an `encoder` or `decoder` deals with.

    Raises:
      ConfigError: that is nothing, or images are not of one size.
    """
    images, vectors = choose(space, settings, edition)
    if not images and not vectors:
        offered = ", ".join(f"{k} {list(v.shape)}" for k, v in space.items())
        done = "seen" if coder == "encoder" else "predicted"
        raise ConfigError(
            f"Nothing is {done}: {coder}.cnn_keys {settings['cnn_keys']!r} "
            f"and {coder}.mlp_keys {settings['mlp_keys']!r} match none of "
            f"the observations: {offered or 'the tasks share none'}."
        )
    return images, vectors


class Encoder(keras.layers.Layer):
    """Embeds observations: images by convolutions, vectors by an MLP.

    Args:
      space: what there is to observe.
      settings: the parameter `encoder`, see `settings.Encoder`.

    Attributes:
      embedding_size: E.

    Raises:
      ConfigError: no observation is chosen, or images differ in size.
    """

    def __init__(
        self,
        space: gymnasium.spaces.Dict,
        settings: Mapping[str, Any],
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.images, self.vectors = choose_some(space, settings, "encoder")
        self._symlog = settings["symlog_inputs"]
        common = {
            "activation": settings["act"],
            "norm": settings["norm"],
            "dtype": self.dtype_policy,
        }
        self._cnn = self._mlp = None
        self.embedding_size = 0
        if self.images:
            self._cnn = ImageEncoder(
                settings["cnn_depth"],
                next(iter(self.images.values()))[:2],
                settings["minres"],
                kernel_size=settings["kernel_size"],
                **common,
            )
            self.embedding_size += self._cnn.embedding_size
        if self.vectors:
            units = settings["mlp_units"]
            self._mlp = MLP(settings["mlp_layers"], units, **common)
            self.embedding_size += self._mlp.size(total_size(self.vectors))

    def build(self) -> None:
        """Creates the variables."""
        if self._cnn is not None:
            self._cnn.build(sum(shape[-1] for shape in self.images.values()))
        if self._mlp is not None:
            self._mlp.build(total_size(self.vectors))
        self.built = True

    def call(self, observations: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embeds observations.

        Args:
          observations: by name, `[..., *shape]`, images in 0..1.

        Returns:
          `[..., E]`, that of the images first.
        """
        embedded = []
        if self._cnn is not None:
            images = [observations[name] for name in self.images]
            embedded.append(self._cnn(tf.concat(images, -1) - 0.5))
        if self._mlp is not None:
            vectors = [
                as_vectors(observations[name], len(shape))
                for name, shape in self.vectors.items()
            ]
            joined = tf.concat(vectors, -1)
            joined = symlog(joined) if self._symlog else joined
            embedded.append(self._mlp(joined))
        return tf.concat(embedded, -1)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        return _names({"cnn": self._cnn, "mlp": self._mlp})


class Decoder(keras.layers.Layer):
    """Predicts observations.

    Args:
      space: what there is to observe.
      settings: the parameter `decoder`, see `settings.Decoder`.
    """

    def __init__(
        self,
        space: gymnasium.spaces.Dict,
        settings: Mapping[str, Any],
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.images, self.vectors = choose(space, settings)
        self._image_dist = settings["image_dist"]
        self._channels = [shape[-1] for shape in self.images.values()]
        common = {
            "activation": settings["act"],
            "norm": settings["norm"],
            "outscale": settings["outscale"],
            "dtype": self.dtype_policy,
        }
        self._cnn = self._mlp = None
        if self.images:
            size = next(iter(self.images.values()))[:2]
            self._cnn = ImageDecoder(
                settings["cnn_depth"],
                (*size, sum(self._channels)),
                settings["minres"],
                sigmoid=settings["cnn_sigmoid"],
                kernel_size=settings["kernel_size"],
                **common,
            )
        if self.vectors:
            self._mlp = VectorDecoder(
                self.vectors,
                settings["mlp_layers"],
                settings["mlp_units"],
                settings["vector_dist"],
                **common,
            )

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries."""
        for part in (self._cnn, self._mlp):
            if part is not None:
                part.build(feature_size)
        self.built = True

    def call(self, features: tf.Tensor) -> dict[str, Any]:
        """Returns distributions by name, images in 0..1, of `[..., F]`."""
        found = {}
        if self._cnn is not None:
            means = tf.split(self._cnn(features), self._channels, -1)
            for name, mean in zip(self.images, means, strict=True):
                found[name] = image_distribution(self._image_dist, mean)
        if self._mlp is not None:
            found |= self._mlp(features)
        return found

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        return _names({"cnn": self._cnn, "mlp": self._mlp})


def total_size(shapes: Shapes) -> int:
    """Returns how many entries there are together."""
    return int(sum(np.prod(shape) for shape in shapes.values()))


def as_vectors(values: tf.Tensor, ndims: int) -> tf.Tensor:
    """Makes vectors of arrays with `ndims` dimensions."""
    if not ndims:
        return values[..., None]
    size = int(np.prod(values.shape[-ndims:]))
    return unflatten(values, values, [size], ndims)


def _names(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Names the variables of the parts that there are."""
    named = {}
    for scope, part in parts.items():
        if part is not None:
            named |= prefix_names(scope, part.original_variables())
    return named
