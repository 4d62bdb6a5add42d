"""From images as they are stored (uint8) to what the model sees (float)."""

import tensorflow as tf


def preprocess(
    image: tf.Tensor, bits: int = 5, seed: tf.Tensor | None = None
) -> tf.Tensor:
    """Quantises images, adds dequantisation noise, and centres them.

    With fewer bits the model need not spend itself on fine textures; the
    uniform noise keeps a density over the levels from growing without bound
    (Kingma and Dhariwal, 2018):

        floor(x / 2^(8 - bits)) / 2^bits + U(0, 2^-bits) - 0.5

    Args:
      image: uint8 `[...]`.
      bits: bits per colour to keep, 1 to 8.
      seed: int32 `[2]`, determines the noise. Without one the noise comes
        from the global generator.

    Returns:
      Image, float32 `[...]` in [-0.5, 0.5).
    """
    levels = 2.0**bits
    shape = tf.shape(image)
    if seed is None:
        noise = tf.random.uniform(shape, 0.0, 1.0)
    else:
        noise = tf.random.stateless_uniform(shape, seed)
    level = tf.bitwise.right_shift(image, tf.constant(8 - bits, tf.uint8))
    return (tf.cast(level, tf.float32) + noise) / levels - 0.5
