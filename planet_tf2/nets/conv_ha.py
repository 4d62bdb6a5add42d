"""The convolutional encoder and decoder of Ha and Schmidhuber (2018).

PlaNet takes them over for 64x64 images (appendix A of the paper). For others
they have a layer of stride 2 less or more, of the same kind, so that the image
still becomes 2x2 pixels and grows from one. With d = depth:

    encoder                                                  embedding
     32   15x15xd -> 6x6x2d -> 2x2x4d                            16d
     64   31x31xd -> 14x14x2d -> 6x6x4d -> 2x2x8d                32d
    128   63x63xd -> 30x30x2d -> 14x14x4d -> 6x6x8d -> 2x2x16d   64d

    decoder
     32   16d -> 5x5x2d -> 14x14xd -> 32x32x3
     64   32d -> 5x5x4d -> 13x13x2d -> 30x30xd -> 64x64x3
    128   64d -> 5x5x8d -> 13x13x4d -> 29x29x2d -> 62x62xd -> 128x128x3
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from planet_tf2.nets import weights
from planet_tf2.nets.distributions import UnitNormal
from planet_tf2.nets.layers import Dense
from planet_tf2.nets.strided import (
    PatchConv,
    PixelTransposedConv,
    StridedConv,
    StridedTransposedConv,
    ThinTransposedConv,
)

tfd = tfp.distributions

# Sides of the decoder's kernels, from the single pixel to the image. The
# encoder has as many layers, all of them 4x4.
KERNELS = {
    32: (5, 6, 6),
    64: (5, 5, 6, 6),
    128: (5, 5, 5, 6, 6),
}


class Encoder(keras.layers.Layer):
    """Embeds images by strided convolutions.

    Args:
      depth: channels of the first convolution; 32 in the paper.
      side: side of the images: 32, 64 or 128.
    """

    def __init__(self, depth: int = 32, side: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self._image_shape = (side, side, 3)
        *channels, last = _channels(depth, side)
        self.embedding_size = 4 * last
        self._convs = [
            *(StridedConv(c, 4, "relu", dtype=policy) for c in channels),
            PatchConv(last, 4, "relu", dtype=policy),
        ]

    def build(self) -> None:
        """Creates the variables."""
        shape = (None, *self._image_shape)
        for conv in self._convs:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.built = True

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Embeds preprocessed images.

        Args:
          image: float `[..., H, H, 3]` in [-0.5, 0.5], H the image size.

        Returns:
          Embedding `[..., E]`; E is `32 * depth` for 64x64 images.
        """
        hidden = tf.reshape(image, [-1, *self._image_shape])
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
    """Predicts images by a dense layer and transposed convolutions.

    Args:
      depth: channels before the last layer; 32 in the paper.
      side: side of the images: 32, 64 or 128.
    """

    def __init__(self, depth: int = 32, side: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self._image_shape = (side, side, 3)
        *channels, last = _channels(depth, side)
        first, *kernels, thin = KERNELS[side]
        self._dense = Dense(4 * last, dtype=policy)
        self._first = PixelTransposedConv(
            channels.pop(), first, "relu", dtype=policy
        )
        self._convs = [
            *(
                StridedTransposedConv(c, size, "relu", dtype=policy)
                for c, size in zip(reversed(channels), kernels, strict=True)
            ),
            ThinTransposedConv(3, thin, dtype=policy),
        ]

    def build(self, feature_size: int) -> None:
        """Creates the variables for features of `feature_size` entries."""
        self._dense.build((None, feature_size))
        shape = (None, 1, 1, self._dense.units)
        for conv in [self._first, *self._convs]:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        assert shape[1:] == self._image_shape
        self.built = True

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Predicts preprocessed images.

        Args:
          features: `[..., F]`.

        Returns:
          Unit-variance normal over images, batch shape `[...]`, event shape
          `[H, H, 3]`, H the image size.
        """
        hidden = tf.reshape(features, [-1, features.shape[-1]])
        hidden = self._first(self._dense(hidden))
        for conv in self._convs:
            hidden = conv(hidden)
        shape = tf.concat([tf.shape(features)[:-1], self._image_shape], 0)
        mean = tf.reshape(hidden, shape)
        mean = tf.ensure_shape(mean, features.shape[:-1] + self._image_shape)
        return UnitNormal(tf.cast(mean, tf.float32), 3)

    def mean(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the mean alone, `[..., H, H, 3]`."""
        return self(features).mean()

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names that the original gives them."""
        return {
            **weights.name_dense_layers("dense", [self._dense]),
            **weights.name_dense_layers(
                "conv2d_transpose", [self._first, *self._convs]
            ),
        }


def _channels(depth: int, side: int) -> list[int]:
    """Returns the channels of the encoder's layers."""
    return [depth * 2**layer for layer in range(len(KERNELS[side]))]
