"""The convolutional encoder and decoder of Ha and Schmidhuber (2018).

PlaNet takes them over for 64x64 images (appendix A of the paper).
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.networks.strided import (
    PatchConv,
    PixelTransposedConv,
    StridedConv,
    StridedTransposedConv,
    ThinTransposedConv,
)
from planet_tf2.networks.unit_normal import UnitNormal
from planet_tf2.tools import weights
from planet_tf2.tools.layers import Dense

tfd = tfp.distributions

IMAGE_SHAPE = (64, 64, 3)


class Encoder(keras.layers.Layer):
    """Embeds images by four strided convolutions.

        64x64x3 -> 31x31x32 -> 14x14x64 -> 6x6x128 -> 2x2x256 -> 1024

    Args:
      depth: channels of the first convolution; 32 in the paper.
    """

    def __init__(self, depth: int = 32, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.embedding_size = 4 * 8 * depth
        self._convs = [
            StridedConv(depth, 4, "relu", dtype=policy),
            StridedConv(2 * depth, 4, "relu", dtype=policy),
            StridedConv(4 * depth, 4, "relu", dtype=policy),
            PatchConv(8 * depth, 4, "relu", dtype=policy),
        ]

    def build(self) -> None:
        """Creates the variables."""
        shape = (None, *IMAGE_SHAPE)
        for conv in self._convs:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.built = True

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Embeds preprocessed images.

        Args:
          image: float `[..., 64, 64, 3]` in [-0.5, 0.5].

        Returns:
          Embedding `[..., 32 * depth]`.
        """
        hidden = tf.reshape(image, [-1, *IMAGE_SHAPE])
        for conv in self._convs:
            hidden = conv(hidden)
        shape = tf.concat([tf.shape(image)[:-3], [self.embedding_size]], 0)
        embedded = tf.reshape(hidden, shape)
        return tf.ensure_shape(
            embedded, image.shape[:-3] + (self.embedding_size,)
        )

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        return weights.name_dense_layers("conv2d", self._convs)


class Decoder(keras.layers.Layer):
    """Predicts images by a dense layer and four transposed convolutions.

        features -> 1024 -> 5x5x128 -> 13x13x64 -> 30x30x32 -> 64x64x3

    Args:
      depth: channels before the last layer; 32 in the paper.
    """

    def __init__(self, depth: int = 32, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self._dense = Dense(32 * depth, dtype=policy)
        self._first = PixelTransposedConv(4 * depth, 5, "relu", dtype=policy)
        self._convs = [
            StridedTransposedConv(2 * depth, 5, "relu", dtype=policy),
            StridedTransposedConv(depth, 6, "relu", dtype=policy),
            ThinTransposedConv(IMAGE_SHAPE[-1], 6, dtype=policy),
        ]

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries."""
        self._dense.build((None, feature_size))
        shape = (None, 1, 1, self._dense.units)
        for conv in [self._first, *self._convs]:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.built = True

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Predicts preprocessed images.

        Args:
          features: `[..., F]`.

        Returns:
          Unit-variance normal over images, batch shape `[...]`, event shape
          `[64, 64, 3]`.
        """
        hidden = tf.reshape(features, [-1, features.shape[-1]])
        hidden = self._first(self._dense(hidden))
        for conv in self._convs:
            hidden = conv(hidden)
        shape = tf.concat([tf.shape(features)[:-1], IMAGE_SHAPE], 0)
        mean = tf.reshape(hidden, shape)
        mean = tf.ensure_shape(mean, features.shape[:-1] + IMAGE_SHAPE)
        return UnitNormal(tf.cast(mean, tf.float32), 3)

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        return {
            **weights.name_dense_layers("dense", [self._dense]),
            **weights.name_dense_layers(
                "conv2d_transpose", [self._first, *self._convs]
            ),
        }
