"""The devices that TensorFlow computes on."""

import tensorflow as tf


def prepare() -> list[str]:
    """Finds the GPUs, and lets them take memory as it is needed.

    To be called before anything is computed.

    Returns:
      Names of the GPUs.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]
