"""The devices that TensorFlow computes on."""

import functools

import tensorflow as tf
from tensorflow.python.framework import test_util

from planet_tf2.tools.memory import keep_freed_memory


def prepare() -> list[str]:
    """Finds the GPUs, and lets them take memory as it is needed.

    To be called by programs before anything is computed. On CPUs memory is
    kept when it is freed.

    Returns:
      Names of the GPUs.
    """
    keep_freed_memory()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]


@functools.cache
def has_convolution_library() -> bool:
    """Whether TensorFlow computes convolutions by cuDNN or oneDNN.

    Without, as on Apple's processors, its own code does, which is slow for
    gradients of strided convolutions.
    """
    # The only way to ask for oneDNN; the environment variable alone does not
    # tell, since TensorFlow reads it once, and not on every processor.
    has_onednn = bool(test_util.IsMklEnabled())
    return has_onednn or bool(tf.config.list_physical_devices("GPU"))
